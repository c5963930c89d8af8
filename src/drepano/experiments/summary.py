"""From the results of all jobs to the paper's tables: means over fields, then over seeds, then over folds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.experiments.crops import summarise_crops
from drepano.experiments.results import (
    DETECTION,
    ERRORS,
    FOUND_CELLS,
    PER_CLASS,
    PIECES,
    TOGETHER,
    Result,
    crops_table,
    having,
    number,
    number_of_errors,
    provenance,
    results_by_method,
)
from drepano.experiments.splits import training_size
from drepano.metrics import mean_count_error

AVERAGE = "average"
SEEDS_OF_FOUND_CELLS = "seeds_of_found_cells"
"""Whose errors are known, which those of versions before 0.7 are not."""


def summarise_methods(results: Sequence[Result], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Everything that tables and figures show of every method, as JSON can hold it.

    Parameters
    ----------
    results : sequence of dict
        From `read_results`.
    classes : sequence of str

    Returns
    -------
    dict
        By method, in the order of the results: all of `provenance` and `summarise_fields_and_crops`,
        ``detection``, ``cell_recall``, ``auc``, ``calibration_error``, ``calibration``, ``roc``,
        ``confusion``, ``cell_confusion``, and ``fit_seconds``, NaN where all were interrupted.
    """
    return {name: _of_method(of_method, classes) for name, of_method in results_by_method(results).items()}


def learning_curves(
    results: Sequence[Result], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Per method and number of training fields the Dice of cells (binary), or the mean over classes."""
    column = classes[1] if len(classes) == 2 else AVERAGE
    curves: dict[str, dict[str, dict[str, Any]]] = {}
    for method, of_method in results_by_method(results).items():
        by_size: dict[str, list[Result]] = defaultdict(list)
        for result in of_method:
            by_size[str(training_size(result["job"]["split"]))].append(result)
        curves[method] = {
            size: _overlap(of_size, "dice", classes)[column] for size, of_size in by_size.items()
        }
    return curves


def _of_method(results: Sequence[Result], classes: Sequence[str]) -> dict[str, Any]:
    return {
        **provenance(results),
        **summarise_fields_and_crops(results, classes),
        "detection": {figure: _over_folds(results, _at("detection", figure)) for figure in DETECTION},
        "cell_recall": {
            name: _over_folds(results, _at("cell_recall", place)) for place, name in enumerate(classes[1:])
        },
        "auc": {name: _over_folds(results, _at("roc", place, "auc")) for place, name in enumerate(classes)},
        "calibration_error": _over_folds(results, _at("calibration", "error")),
        "calibration": joined_calibration([result["calibration"] for result in results]),
        "confusion": np.sum([result["confusion"] for result in results], axis=0).tolist(),
        "cell_confusion": np.sum([result["cell_confusion"] for result in results], axis=0).tolist(),
        "roc": [_mean_roc([result["roc"][place] for result in results]) for place in range(len(classes))],
        "fit_seconds": _median([result["fit_seconds"] for result in results]),
    }


def summarise_fields_and_crops(results: Sequence[Result], classes: Sequence[str]) -> dict[str, Any]:
    """Of a method what its fields' and single crops' own figures tell, without its pixels.

    Parameters
    ----------
    results : sequence of dict
        Of one method: ``job``, ``fields`` and, where it classified them, ``crops`` of each.
    classes : sequence of str

    Returns
    -------
    dict
        ``overlap``, ``cell_errors``, ``count_error``; of the seeds that have them ``found_cell_errors`` and
        ``seeds_of_found_cells``; where all have them ``crops``.
    """
    summary: dict[str, Any] = {
        "overlap": {figure: _overlap(results, figure, classes) for figure in PER_CLASS},
        PIECES: summarise_cell_errors(results, classes),
        "count_error": _over_folds(results, _mean_count_error),
    }
    if known := having(FOUND_CELLS, results):
        summary[FOUND_CELLS] = summarise_cell_errors(known, classes, FOUND_CELLS)
        summary[SEEDS_OF_FOUND_CELLS] = sorted({result["job"]["seed"] for result in known})
    if all("crops" in result for result in results):
        summary["crops"] = _crops(results)
    return summary


def joined_calibration(calibrations: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Pixels of all in every bin of confidence, and of these the mean confidence and the share right.

    Parameters
    ----------
    calibrations : sequence of dict
        With ``pixels``, ``confidence`` and ``right``, each (bins,); the latter two undefined without pixels.

    Returns
    -------
    dict
        The same of all together.
    """
    pixels, confidence, right = (
        np.array([[number(value) for value in one[name]] for one in calibrations])
        for name in ("pixels", "confidence", "right")
    )
    total = pixels.sum(axis=0)
    sums = [np.nansum(pixels * values, axis=0) for values in (confidence, right)]
    means = [np.divide(one, total, out=np.full_like(one, np.nan), where=total > 0) for one in sums]
    return {"pixels": total.tolist(), "confidence": means[0].tolist(), "right": means[1].tolist()}


def _median(seconds: Sequence[float | None]) -> float:
    """Of those that are known: not of fits that went on after an interruption."""
    known = [value for value in seconds if value is not None]
    return float(np.median(known)) if known else float("nan")


def _overlap(results: Sequence[Result], figure: str, classes: Sequence[str]) -> dict[str, Any]:
    columns = {name: _per_field(figure, place) for place, name in enumerate(classes)}
    table: dict[str, Any] = {}
    for name, of_field in columns.items():
        values = np.concatenate([of_field(result) for result in results])
        table[name] = _over_folds(results, _mean_of(of_field))
        table[name]["fields_without"] = int(np.isnan(values).sum())
        table[name]["fields"] = len(values)
    table[AVERAGE] = _over_folds(
        results, lambda result: _mean(np.array([_mean(of_field(result)) for of_field in columns.values()]))
    )
    for count in ("fields_without", "fields"):
        table[AVERAGE][count] = sum(table[name][count] for name in classes)
    return table


def _at(*path: str | int) -> Callable[[Result], float]:
    """Reads the number at `path` of a result; NaN where it is not defined."""

    def read(result: Result) -> float:
        value: Any = result
        for key in path:
            value = value[key]
        return number(value)

    return read


def _mean_of(of_field: Callable[[Result], NDArray[np.float64]]) -> Callable[[Result], float]:
    return lambda result: _mean(of_field(result))


def _per_field(figure: str, place: int) -> Callable[[Result], NDArray[np.float64]]:
    return lambda result: np.array([number(field[figure][place]) for field in result["fields"]])


def summarise_cell_errors(
    results: Sequence[Result], classes: Sequence[str], counted_on: str = PIECES
) -> dict[str, Any]:
    """Of each of `ERRORS` and of `TOGETHER` ``per_fold`` and ``per_100_cells``, over folds and seeds."""
    return {error: _cell_errors(results, error, classes, counted_on) for error in (*ERRORS, TOGETHER)}


def _cell_errors(
    results: Sequence[Result], error: str, classes: Sequence[str], counted_on: str
) -> dict[str, Any]:
    """Counts a fold, and for every 100 true cells."""

    def count(result: Result) -> float:
        return sum(number_of_errors(field, error, classes, counted_on) for field in result["fields"])

    def per_100(result: Result) -> float:
        cells = sum(field["cell_errors"]["true_cells"] for field in result["fields"])
        return 100 * count(result) / cells if cells else float("nan")

    return {"per_fold": _over_folds(results, count), "per_100_cells": _over_folds(results, per_100)}


def _mean_count_error(result: Result) -> float:
    fields = result["fields"]
    return mean_count_error(
        [field["cells"] for field in fields], [field["cell_errors"]["true_cells"] for field in fields]
    )


def _over_folds(results: Iterable[Result], figure: Callable[[Result], float]) -> dict[str, Any]:
    """Mean and standard deviation (ddof = 1) over folds of the mean over seeds, and the spread over seeds.

    The latter is over folds that all seeds have, lest it be that of folds.
    """
    folds: dict[str, dict[int, float]] = defaultdict(dict)
    for result in results:
        folds[result["job"]["split"]][result["job"]["seed"]] = figure(result)
    all_seeds = {seed for of_fold in folds.values() for seed in of_fold}
    complete = [of_fold for of_fold in folds.values() if of_fold.keys() == all_seeds]
    of_seeds = [_mean(np.array([of_fold[seed] for of_fold in complete])) for seed in sorted(all_seeds)]
    means = {name: _mean(np.array(list(of_fold.values()))) for name, of_fold in folds.items()}
    return {
        **mean_and_sd(list(means.values())),
        "sd_over_seeds": mean_and_sd(of_seeds)["sd"],
        "folds": means,
    }


def mean_and_sd(values: Sequence[float]) -> dict[str, float]:
    """``mean`` and ``sd`` (ddof = 1) of the values that are defined; NaN of none, and of one the latter."""
    there = np.array([value for value in values if not np.isnan(value)])
    return {
        "mean": float(there.mean()) if len(there) else float("nan"),
        "sd": float(there.std(ddof=1)) if len(there) > 1 else float("nan"),
    }


def _mean(values: NDArray[np.float64]) -> float:
    """Over those that are defined; NaN where none is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def _mean_roc(curves: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """True positive rates averaged over jobs at the same false positive rates, dense near 0."""
    rates = np.r_[0, np.geomspace(1e-4, 1, 200)]
    heights = [
        np.interp(rates, curve["false_positive_rate"], curve["true_positive_rate"])
        for curve in curves
        if curve["auc"] is not None
    ]
    mean = np.mean(heights, axis=0).tolist() if heights else []
    return {"false_positive_rate": rates.tolist(), "true_positive_rate": mean}


def _crops(results: Sequence[Result]) -> dict[str, Any]:
    """How many single crops, the share given the right class, and mean recall, a value a seed."""
    of_seeds = [summarise_crops(crops) for _, crops in crops_table(results).groupby("seed")]
    return {
        "crops": [one["crops"] for one in of_seeds],
        "right": [one["right"] for one in of_seeds],
        "mean_recall": [one["mean_recall"] for one in of_seeds],
    }
