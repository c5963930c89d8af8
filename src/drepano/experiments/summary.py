"""From the results of all jobs to the paper's tables: means over fields, then over seeds, then over folds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.experiments.evaluation import count_error, summarise_crops
from drepano.experiments.plan import JOBS, RESULT, Plan, read_result
from drepano.experiments.statistics import Difference, in_words, paired_difference
from drepano.methods import METHODS

PER_CLASS = ("dice", "jaccard", "hausdorff", "hausdorff95", "surface_dice")
"""Figures of a field that have a value a class."""
ERRORS = ("joined", "artefacts", "incomplete", "misclassified", "missed")
"""Cell errors I, II, III (binary), III (multi-class), and cells of which less than a tenth was found."""
TOGETHER = "together"
"""Errors I, II and III of the paper in one number."""
AVERAGE = "average"

_Result = dict[str, Any]
_FIGURES = {
    "dice": "Dice",
    "hausdorff": "Hausdorff distance in px",
    "hausdorff95": "HD95 in px",
    "joined": "errors I (joined cells) a field",
    "artefacts": "errors II (artefacts) a field",
    "incomplete": "errors III (incomplete cells) a field",
    "misclassified": "errors III (cells of two classes) a field",
    TOGETHER: "errors I to III together a field",
}
"""What methods are compared in on fields, pair by pair."""
_CROPS, _CROPS_IN_WORDS = "crops", "the share of single crops given the right class"
_SMALLER_IS_BETTER = {"hausdorff", "hausdorff95", *ERRORS, TOGETHER}


def read_results(experiment: Path, methods: Sequence[str]) -> list[_Result]:
    """The results of all finished jobs of `methods`, method by method.

    Raises
    ------
    DrepanoError
        If one cannot be read.
    """
    folders = [experiment / JOBS / method for method in methods]
    return [read_result(path) for folder in folders for path in sorted(folder.glob(f"*/*/{RESULT}"))]


def summarise(plan: Plan, results: Sequence[_Result]) -> dict[str, Any]:
    """Everything that tables and figures show, as JSON can hold it.

    Parameters
    ----------
    plan : Plan
    results : sequence of dict
        From `read_results`.

    Returns
    -------
    dict
        ``classes``; ``methods``, in the order of the results (per method: ``jobs``,
        ``seeds``, ``settings``, ``versions``, ``overlap``, ``cell_errors``, ``detection``, ``cell_recall``,
        ``count_error``, ``auc``, ``calibration_error``, ``calibration``, ``roc``, ``confusion``,
        ``cell_confusion``, ``crops``, ``fit_seconds``, NaN where all were interrupted); ``differences``.
    """
    by_method = results_by_method(results)
    return {
        "classes": list(plan.classes),
        "methods": {name: _of_method(of_method, plan.classes) for name, of_method in by_method.items()},
        "differences": method_differences(by_method, plan),
    }


def results_by_method(results: Sequence[_Result]) -> dict[str, list[_Result]]:
    """Results of each method, methods in the order in which they come."""
    by_method: dict[str, list[_Result]] = defaultdict(list)
    for result in results:
        by_method[result["job"]["method"]].append(result)
    return dict(by_method)


def provenance(results: Sequence[_Result]) -> dict[str, Any]:
    """Of one method's results: ``jobs``, ``seeds``, ``settings`` without the seed, and ``versions``: all that
    they were ``trained`` and ``measured`` with, and with what ``cells`` of maps were found."""
    versions: list[dict[str, Any]] = []
    for result in results:
        measured = result["versions"]
        one = {
            "trained": result.get("training_versions", measured),
            "measured": measured,
            "cells": result.get("cells_versions", measured),
        }
        if one not in versions:
            versions.append(one)
    settings = results[0]["settings"]
    if "config" in settings:
        config = {name: value for name, value in settings["config"].items() if name != "seed"}
        settings = {**settings, "config": config}
    return {
        "jobs": len(results),
        "seeds": sorted({result["job"]["seed"] for result in results}),
        "settings": settings,
        "versions": versions,
    }


def fields_table(results: Sequence[_Result], classes: Sequence[str]) -> pd.DataFrame:
    """One row a test field of a job: everything that the tables' means are made of.

    Parameters
    ----------
    results : sequence of dict
        From `read_results`.
    classes : sequence of str

    Returns
    -------
    pandas.DataFrame
        Columns ``method``, ``split``, ``seed``, ``field``, ``patient``, ``cells`` (predicted),
        ``true_cells``, the `ERRORS`, and ``<figure> <class>`` for the figures in `PER_CLASS`; empty where a
        figure is not defined.
    """
    return pd.DataFrame(
        {
            **result["job"],
            **{name: field[name] for name in ("field", "patient", "cells")},
            **{name: field["cell_errors"][name] for name in ("true_cells", *ERRORS)},
            **{
                f"{figure} {name}": value
                for figure in PER_CLASS
                for name, value in zip(classes, field[figure], strict=True)
            },
        }
        for result in results
        for field in result["fields"]
    )


def crops_table(results: Sequence[_Result]) -> pd.DataFrame:
    """One row a single crop of a job: columns ``method``, ``split``, ``seed``, ``crop``, ``patient``,
    ``category``, ``true``, ``predicted``; empty where no crops were classified."""
    return pd.DataFrame({**result["job"], **crop} for result in results for crop in result.get("crops", ()))


def _of_method(results: Sequence[_Result], classes: Sequence[str]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        **provenance(results),
        "overlap": {figure: _overlap(results, figure, classes) for figure in PER_CLASS},
        "cell_errors": {error: _cell_errors(results, error) for error in (*ERRORS, TOGETHER)},
        "detection": {
            figure: _over_folds(results, _at("detection", figure)) for figure in ("f1", "panoptic_quality")
        },
        "cell_recall": {
            name: _over_folds(results, _at("cell_recall", place)) for place, name in enumerate(classes[1:])
        },
        "count_error": _over_folds(results, _count_error),
        "auc": {name: _over_folds(results, _at("roc", place, "auc")) for place, name in enumerate(classes)},
        "calibration_error": _over_folds(results, _at("calibration", "error")),
        "calibration": _calibration(results),
        "confusion": np.sum([result["confusion"] for result in results], axis=0).tolist(),
        "cell_confusion": np.sum([result["cell_confusion"] for result in results], axis=0).tolist(),
        "roc": [_mean_roc([result["roc"][place] for result in results]) for place in range(len(classes))],
        "fit_seconds": _median([result["fit_seconds"] for result in results]),
    }
    if all("crops" in result for result in results):
        summary["crops"] = _crops(results)
    return summary


def _calibration(results: Sequence[_Result]) -> dict[str, list[float]]:
    """Pixels of all jobs in every bin of confidence, and of these the mean confidence and the share right."""
    pixels, confidence, right = (
        np.array([[_number(value) for value in result["calibration"][name]] for result in results])
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


def _overlap(results: Sequence[_Result], figure: str, classes: Sequence[str]) -> dict[str, Any]:
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


def _at(*path: str | int) -> Callable[[_Result], float]:
    """Reads the number at `path` of a result; NaN where it is not defined."""

    def read(result: _Result) -> float:
        value: Any = result
        for key in path:
            value = value[key]
        return _number(value)

    return read


def _mean_of(of_field: Callable[[_Result], NDArray[np.float64]]) -> Callable[[_Result], float]:
    return lambda result: _mean(of_field(result))


def _per_field(figure: str, place: int) -> Callable[[_Result], NDArray[np.float64]]:
    return lambda result: np.array([_number(field[figure][place]) for field in result["fields"]])


def _cell_errors(results: Sequence[_Result], error: str) -> dict[str, Any]:
    """Counts a fold, and for every 100 true cells."""

    def count(result: _Result) -> float:
        return sum(_errors(field, error) for field in result["fields"])

    def per_100(result: _Result) -> float:
        cells = sum(field["cell_errors"]["true_cells"] for field in result["fields"])
        return 100 * count(result) / cells if cells else float("nan")

    return {"per_fold": _over_folds(results, count), "per_100_cells": _over_folds(results, per_100)}


def _errors(field: dict[str, Any], error: str) -> float:
    """Errors III of the paper are incomplete cells where cells are one class, else cells of two classes."""
    counts = field["cell_errors"]
    if error != TOGETHER:
        return float(counts[error])
    third = "incomplete" if len(field["dice"]) == 2 else "misclassified"
    return float(counts["joined"] + counts["artefacts"] + counts[third])


def _count_error(result: _Result) -> float:
    fields = result["fields"]
    return count_error(
        [field["cells"] for field in fields], [field["cell_errors"]["true_cells"] for field in fields]
    )


def _over_folds(results: Iterable[_Result], figure: Callable[[_Result], float]) -> dict[str, Any]:
    """Mean and standard deviation (ddof = 1) over folds of the mean over seeds, and the spread over seeds."""
    folds: dict[str, list[float]] = defaultdict(list)
    seeds: dict[int, list[float]] = defaultdict(list)
    for result in results:
        value = figure(result)
        folds[result["job"]["split"]].append(value)
        seeds[result["job"]["seed"]].append(value)
    return {
        **_mean_and_sd([_mean(np.array(values)) for values in folds.values()]),
        "sd_over_seeds": _mean_and_sd([_mean(np.array(values)) for values in seeds.values()])["sd"],
        "folds": {name: _mean(np.array(values)) for name, values in folds.items()},
    }


def _mean_and_sd(values: Sequence[float]) -> dict[str, float]:
    there = np.array([value for value in values if not np.isnan(value)])
    return {
        "mean": float(there.mean()) if len(there) else float("nan"),
        "sd": float(there.std(ddof=1)) if len(there) > 1 else float("nan"),
    }


def _mean(values: NDArray[np.float64]) -> float:
    """Over those that are defined; NaN where none is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


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


def _crops(results: Sequence[_Result]) -> dict[str, Any]:
    """Share of single crops given the right class, and mean recall, over all patients, a value a seed."""
    of_seeds = [summarise_crops(crops) for _, crops in crops_table(results).groupby("seed")]
    return {
        "crops": of_seeds[0]["crops"],
        "right": [one["right"] for one in of_seeds],
        "mean_recall": [one["mean_recall"] for one in of_seeds],
    }


# --- in pairs ----------------------------------------------------------------------------------


def method_differences(by_method: Mapping[str, Sequence[_Result]], plan: Plan) -> list[dict[str, Any]]:
    """Every pair of methods, in what the paper compares: Dice, Hausdorff distances, cell errors; and crops.

    Parameters
    ----------
    by_method : mapping of method to its results
        Of which ``job``, ``fields`` and, where there are any, ``crops`` are used.
    plan : Plan

    Returns
    -------
    list of dict
        A `Difference` each, with the figure, the two methods, and ``words``.
    """
    differences = []
    for figure in _FIGURES:
        if figure == "misclassified" and len(plan.classes) == 2:
            continue
        for first, second in combinations(by_method, 2):
            difference = _difference(by_method[first], by_method[second], figure, plan)
            if difference is not None:
                titles = METHODS[first], METHODS[second]
                differences.append(_as_json(figure, (first, second), titles, difference, plan))
    for first, second in combinations(by_method, 2):
        difference = _crop_difference(by_method[first], by_method[second])
        if difference is not None:
            titles = METHODS[first], METHODS[second]
            differences.append(_as_json(_CROPS, (first, second), titles, difference, plan))
    return differences


def _crop_difference(first: Sequence[_Result], second: Sequence[_Result]) -> Difference | None:
    """In single crops that are given the right class; None where the two have none in common."""
    tables = [crops_table(results) for results in (first, second)]
    if not all(map(len, tables)):
        return None
    one, other = (_right_by_crop(table) for table in tables)
    crops = pd.concat(tables)
    patients, folds = (dict(zip(crops["crop"], crops[name], strict=True)) for name in ("patient", "split"))
    return paired_difference(one, other, patients, folds) if one.keys() & other.keys() else None


def _right_by_crop(crops: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """For every crop whether it was given the right class, (seeds,); NaN where a seed lacks it."""
    right = (crops["true"] == crops["predicted"]).astype(float)
    table = crops.assign(right=right).pivot(index="crop", columns="seed", values="right")
    return {str(crop): row for crop, row in zip(table.index, table.to_numpy(), strict=True)}


def _difference(
    first: Sequence[_Result], second: Sequence[_Result], figure: str, plan: Plan
) -> Difference | None:
    """None where the two have no field in common on which the figure is defined.

    A field's figure is that of cells in binary, else the mean over those classes that are defined for both
    methods and all their seeds: a class that only one of them is asked for would count as that one's gain.
    """
    sides = [_by_field(results, figure) for results in (first, second)]
    values: list[dict[str, NDArray[np.float64]]] = [{}, {}]
    left_out = 0
    for field in [field for field in sides[0] if field in sides[1]]:
        rows = np.concatenate([side[field] for side in sides])
        defined = ~np.isnan(rows[~np.isnan(rows).all(axis=1)]).any(axis=0)
        left_out += int((~defined).sum())
        if defined.any():
            for value, side in zip(values, sides, strict=True):
                value[field] = side[field][:, defined].mean(axis=1)
    folds = {id_: split.fold for split in plan.splits for id_ in split.test}
    try:
        difference = paired_difference(values[0], values[1], plan.patients, folds)
    except ValueError:
        return None
    return replace(difference, left_out=left_out)


def _as_json(
    figure: str, names: tuple[str, str], titles: tuple[str, str], difference: Difference, plan: Plan
) -> dict[str, Any]:
    label, thing = (_CROPS_IN_WORDS, "crop") if figure == _CROPS else (_FIGURES[figure], "field")
    if figure in PER_CLASS and len(plan.classes) > 2:
        label = f"average {label}"
    return {
        "figure": figure,
        "first": names[0],
        "second": names[1],
        **asdict(difference),
        "more_than_chance": difference.more_than_chance,
        "words": in_words(*titles, label, difference, figure not in _SMALLER_IS_BETTER, thing),
    }


def _by_field(results: Sequence[_Result], figure: str) -> dict[str, NDArray[np.float64]]:
    """Of every field the figure, (seeds, classes); one column where it is one number, NaN without any."""
    values: dict[str, dict[int, list[float]]] = defaultdict(dict)
    for result in results:
        for field in result["fields"]:
            if figure in (*ERRORS, TOGETHER):
                row = [_errors(field, figure)]
            else:
                row = [_number(number) for number in field[figure]]
            values[field["field"]][result["job"]["seed"]] = row[1:] if len(row) == 2 else row
    seeds = sorted({result["job"]["seed"] for result in results})
    return {
        field: np.array([of_seed.get(seed, [np.nan] * len(next(iter(of_seed.values())))) for seed in seeds])
        for field, of_seed in values.items()
    }


def curve_differences(results: Sequence[_Result], plan: Plan) -> list[dict[str, Any]]:
    """Pairs of methods with equally many training fields, and either with half as many as the other.

    The paper's claim for its Fig. 7 is of the second kind: dU-Net does with half the fields what U-Net does.
    """
    by_point: dict[tuple[str, int], list[_Result]] = defaultdict(list)
    for result in results:
        by_point[result["job"]["method"], _size(result)].append(result)
    differences = []
    methods = results_by_method(results)
    sizes = sorted({size for _, size in by_point})
    points = [((first, size), (second, size)) for first, second in combinations(methods, 2) for size in sizes]
    points += [
        ((first, size), (second, 2 * size)) for first, second in permutations(methods, 2) for size in sizes
    ]
    for (first, fewer), (second, more) in points:
        difference = _difference(by_point[first, fewer], by_point[second, more], "dice", plan)
        if difference is not None:
            names = f"{first} with {_fields(fewer)}", f"{second} with {_fields(more)}"
            titles = f"{METHODS[first]} with {_fields(fewer)}", f"{METHODS[second]} with {_fields(more)}"
            differences.append(_as_json("dice", names, titles, difference, plan))
    return differences


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _size(result: _Result) -> int:
    """Training fields of a job of a learning curve."""
    return int(result["job"]["split"].rpartition("fields-")[2])


def learning_curves(
    results: Sequence[_Result], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Per method and number of training fields the Dice of cells (binary), or the mean over classes."""
    column = classes[1] if len(classes) == 2 else AVERAGE
    curves: dict[str, dict[str, dict[str, Any]]] = {}
    for method, of_method in results_by_method(results).items():
        by_size: dict[str, list[_Result]] = defaultdict(list)
        for result in of_method:
            by_size[str(_size(result))].append(result)
        curves[method] = {
            size: _overlap(of_size, "dice", classes)[column] for size, of_size in by_size.items()
        }
    return curves
