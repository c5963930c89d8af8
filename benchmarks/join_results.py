"""Methods and seeds that were run later, or elsewhere: python benchmarks/join_results.py RESULTS RUN

RESULTS is a folder of ``benchmarks/results/``, of which no whole run is left; RUN is one of `drepano compare`
with the same plan, with jobs that RESULTS lacks. What RESULTS has of every field and crop, and its means, are
joined with those of the jobs, so that it shows what one run of all of them would: figures of fields to five
digits, as ``fields.csv`` has them, all else exactly, but for the time of a fit of a method whose seeds are
joined, which is left out. Notes on the splits are RUN's, in today's words. If RUN has only ``plan.json`` and
``fields/``, RESULTS is written anew with everything that this version reports.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drepano.changes import first_change
from drepano.errors import DrepanoError
from drepano.experiments import summary
from drepano.experiments.differences import method_differences
from drepano.experiments.plan import FIELDS, Job, Plan, finished_jobs, read_plan, write_plan
from drepano.experiments.results import (
    AUC,
    DETECTION,
    ERRORS,
    FOUND,
    FOUND_CELLS,
    OF_FOUND_CELLS,
    PER_CLASS,
    PIECES,
    Result,
    read_results,
    results_by_method,
)
from drepano.experiments.working_copy import open_working_copy
from drepano.io import without_nan, write_bytes, write_text
from drepano.methods import METHODS
from drepano.reports.experiment import report
from drepano.reports.experiment.conditions import conditions
from drepano.reports.experiment.tables import comparison_markdown

Summary = dict[str, Any]


def main(folder: Path, run: Path) -> None:
    plan, other = read_plan(folder), read_plan(run)
    check_plans(plan, other, folder, run)
    plan = replace(plan, notes=other.notes)
    there, here = stored_results(folder, plan), read_results(run, finished_jobs(run))
    check_jobs(there, here, plan, run)
    stored = _with_nan(json.loads((folder / report.SUMMARY).read_text()))
    methods, of_methods = stored["methods"], results_by_method([*there, *here])
    for name, method in summary.summarise_methods(here, plan.classes).items():
        if name in methods:
            check_settings(name, methods[name], method, run)
            method = joined(methods[name], method, of_methods[name], plan.classes)
        methods[name] = method
    methods = {
        name: {**summary.summarise_fields_and_crops(of_methods[name], plan.classes), **methods[name]}
        for name in METHODS
        if name in methods
    }
    results = [result for name in methods for result in of_methods[name]]
    jobs = [
        Job(name, split.name, seed)
        for name, method in methods.items()
        for split in plan.splits
        for seed in method["seeds"]
    ]
    validation = report.validation_curves(run, finished_jobs(run))
    of_all = {
        **stored,
        "conditions": conditions(plan, methods, jobs),
        "methods": methods,
        "truth": report.truth_errors(plan, open_working_copy(run / FIELDS, plan.patients)),
        "differences": method_differences(results, plan),
        "validation": {
            name: [*stored["validation"].get(name, []), *validation.get(name, [])]
            for name in methods
            if name in stored["validation"] or name in validation
        },
    }
    write(folder, plan, of_all, results)


def _with_nan(value: Any) -> Any:
    """As summaries are before they become JSON, which has no NaN."""
    if isinstance(value, dict):
        return {key: _with_nan(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_nan(part) for part in value]
    return nan if value is None else value


def check_plans(plan: Plan, other: Plan, folder: Path, run: Path) -> None:
    """Raises DrepanoError where they differ in more than notes, which follow from the rest."""
    if replace(plan, notes=()) != replace(other, notes=()):
        raise DrepanoError(f"{run}: is of another plan than {folder}; give a run of the same data and budget")


def check_jobs(there: list[Result], here: list[Result], plan: Plan, run: Path) -> None:
    """Raises DrepanoError where a seed is there already, or not in all splits."""
    done = {tuple(result["job"].values()) for result in there}
    new = {tuple(result["job"].values()) for result in here}
    for method, split, seed in sorted(new):
        if (method, split, seed) in done:
            raise DrepanoError(f"{run}: {method}, {split}, seed {seed} is there already")
    for method, seed in {(method, seed) for method, _, seed in new}:
        if any((method, split.name, seed) not in new for split in plan.splits):
            raise DrepanoError(f"{run}: {method}, seed {seed} is not finished in all splits")


def check_settings(name: str, stored: Summary, new: Summary, run: Path) -> None:
    """Raises DrepanoError where a method was trained with others, which no plan says."""
    change = first_change(without_nan(stored["settings"]), without_nan(new["settings"]))
    if change is not None:
        raise DrepanoError(f"{run}: {name} has other settings there ({change}); join seeds of the same ones")


def stored_results(folder: Path, plan: Plan) -> list[Result]:
    """Of every job what the tables of fields and crops hold."""
    fields = _read_table(folder / report.PER_FIELD)
    crops = folder / report.PER_CROP
    table = _read_table(crops) if crops.is_file() else None
    results = []
    for (method, split, seed), rows in fields.groupby(["method", "split", "seed"], sort=False):
        job = {"method": method, "split": split, "seed": int(seed)}
        of_seed = fields[(fields["method"] == method) & (fields["seed"] == seed)]
        later = measured_later(of_seed, plan.classes)
        result: Result = {
            "job": job,
            "fields": [_field(row, plan.classes, later) for _, row in rows.iterrows()],
        }
        if table is not None:
            own = table[(table["method"] == method) & (table["split"] == split) & (table["seed"] == seed)]
            if len(own):
                result["crops"] = own.drop(columns=list(job)).to_dict("records")
        results.append(result)
    return results


def _read_table(path: Path) -> pd.DataFrame:
    """A patient may be called NA, which is no missing value."""
    names = {"field": str, "patient": str, "crop": str}
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def measured_later(rows: pd.DataFrame, classes: tuple[str, ...]) -> set[str]:
    """Of a method's seed what it has of `FOUND_CELLS` and `AUC`, which earlier versions did not measure.

    A field without cells has no area, so all of a seed's are looked at.
    """
    columns = {FOUND_CELLS: [f"{FOUND}{name}" for name in OF_FOUND_CELLS], AUC: [f"{AUC} {classes[0]}"]}
    return {
        name
        for name, needed in columns.items()
        if set(needed) <= set(rows) and rows[needed].notna().any(axis=None)
    }


def _field(row: pd.Series, classes: tuple[str, ...], later: set[str]) -> dict[str, Any]:
    def values(figure: str) -> list[float | None]:
        return [None if pd.isna(row[f"{figure} {name}"]) else row[f"{figure} {name}"] for name in classes]

    errors = {name: int(row[name]) for name in ("true_cells", *ERRORS)}
    more: dict[str, Any] = {}
    if FOUND_CELLS in later and not row[[f"{FOUND}{name}" for name in OF_FOUND_CELLS]].isna().any():
        of_found = {name: row[f"{FOUND}{name}"] for name in OF_FOUND_CELLS}
        more |= {FOUND_CELLS: errors | of_found, **row[[*DETECTION]]}
    if AUC in later:
        more[AUC] = values(AUC)
    return {
        "field": row["field"],
        "patient": None if pd.isna(row["patient"]) else row["patient"],
        "cells": int(row["cells"]),
        PIECES: errors,
        **{figure: values(figure) for figure in PER_CLASS},
        **more,
    }


def joined(one: Summary, other: Summary, results: list[Result], classes: Sequence[str]) -> Summary:
    """What `summarise_methods` says of a method's two sets of seeds, of both together.

    What the figures of fields and crops tell is of them, all else of either's means.
    """
    seeds = [len(side["seeds"]) for side in (one, other)]
    result: Summary = {
        "jobs": one["jobs"] + other["jobs"],
        "seeds": sorted([*one["seeds"], *other["seeds"]]),
        "settings": one["settings"],
        "versions": [*one["versions"], *(v for v in other["versions"] if v not in one["versions"])],
        **summary.summarise_fields_and_crops(results, classes),
    }
    for name in ("detection", "cell_recall", "auc", "calibration_error"):
        result[name] = _joined_means(one[name], other[name], seeds)
    result["calibration"] = summary.joined_calibration([one["calibration"], other["calibration"]])
    for name in ("confusion", "cell_confusion"):
        result[name] = (np.array(one[name]) + np.array(other[name])).tolist()
    result["roc"] = [
        {
            **first,
            "true_positive_rate": np.average(
                [curve["true_positive_rate"] for curve in (first, second)], axis=0, weights=seeds
            ).tolist(),
        }
        for first, second in zip(one["roc"], other["roc"], strict=True)
    ]
    result["fit_seconds"] = nan  # a median, which two medians do not tell
    return result


def _joined_means(one: Summary, other: Summary, seeds: list[int]) -> Summary:
    """Over folds, of either's seeds together; see `drepano.experiments.summary`."""
    if "folds" not in one:
        return {name: _joined_means(value, other[name], seeds) for name, value in one.items()}
    folds = {
        fold: _defined_mean([value, other["folds"][fold]], seeds) for fold, value in one["folds"].items()
    }
    return {
        **summary.mean_and_sd(list(folds.values())),
        "sd_over_seeds": _joined_sd([one, other], seeds),
        "folds": folds,
    }


def _defined_mean(values: list[float], weights: list[int]) -> float:
    """Without those that are undefined; NaN where all are."""
    known = ~np.isnan(values)
    return float(np.average(np.array(values)[known], weights=np.array(weights)[known])) if any(known) else nan


def _joined_sd(sides: list[Summary], seeds: list[int]) -> float:
    """Of all seeds' means, from the mean, number and standard deviation of each of two sets."""
    mean = np.average([side["mean"] for side in sides], weights=seeds)
    squares = [
        count * (side["mean"] - mean) ** 2 + (0.0 if count == 1 else (count - 1) * side["sd_over_seeds"] ** 2)
        for side, count in zip(sides, seeds, strict=True)
    ]
    return sqrt(sum(squares) / (sum(seeds) - 1))


def write(folder: Path, plan: Plan, of_all: Summary, results: list[Result]) -> None:
    write_plan(folder, plan)
    report.write_data(folder, plan, of_all, results)
    write_text(folder / report.TABLES, comparison_markdown(of_all))
    for name, (_, png) in report.comparison_figures(of_all).items():
        write_bytes(folder / f"{name}.png", png)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except DrepanoError as error:
        sys.exit(f"error: {error}")
