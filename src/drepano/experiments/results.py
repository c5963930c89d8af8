"""What the jobs of an experiment have measured: read from their folders, and as tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from drepano.errors import DrepanoError
from drepano.experiments.plan import RESULT, Job

Result = dict[str, Any]
"""What ``result.json`` holds; see `drepano.experiments.job.measure_job`."""

PER_CLASS = ("dice", "jaccard", "hausdorff", "hausdorff95", "surface_dice")
"""Figures of a field that have a value a class."""
ERRORS = ("joined", "artefacts", "incomplete", "misclassified", "missed")
"""Cell errors I, II, III (binary), III (multi-class), and cells of which less than a tenth was found."""
_NEEDED = (
    "job",
    "settings",
    "versions",
    "fit_seconds",
    "fields",
    "detection",
    "confusion",
    "cell_confusion",
    "cell_recall",
    "roc",
    "calibration",
)
_NEEDED_OF_FIELD = ("field", "patient", "cells", "cell_errors", *PER_CLASS)
TOGETHER = "together"
"""Errors I, II and III of the paper in one number."""
PIECES, FOUND_CELLS = "cell_errors", "found_cell_errors"
"""What errors are counted on: connected pieces of the map, as the paper does, and the cells found in them."""
OF_FOUND_CELLS = ("joined", "artefacts")
"""Errors that differ between the two; the others are told from true cells and the map alone."""
FOUND = "found "
"""Begins the name of these among the figures and columns of fields: "found joined"."""
DETECTION = ("f1", "panoptic_quality")
"""Figures of a field that tell how its cells were found."""
AUC = "auc"
"""Area under the ROC curve of a field's own pixels, a value a class; of results since version 0.8."""


def read_result(path: Path) -> Result:
    """What a job has written.

    Raises
    ------
    DrepanoError
        If it cannot be read, or is no job's result.
    """
    try:
        result: Result = json.loads(path.read_text())
        missing = [name for name in _NEEDED if name not in result]
        missing += [name for name in _NEEDED_OF_FIELD if any(name not in one for one in result["fields"])]
        if missing:
            raise ValueError(f"without {', '.join(missing)}")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DrepanoError(
            f"{path}: cannot be read ({error}); delete it and run the same command again"
        ) from error
    return result


def read_results(experiment: Path, jobs: Sequence[Job]) -> list[Result]:
    """The results of those of `jobs` that are finished, method by method, each's by split and seed.

    Raises
    ------
    DrepanoError
        If one cannot be read.
    """
    methods = list(dict.fromkeys(job.method for job in jobs))
    ordered = sorted(jobs, key=lambda job: (methods.index(job.method), job.split, job.seed))
    return [read_result(job.folder(experiment) / RESULT) for job in ordered if job.is_done(experiment)]


def results_by_method(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results of each method, methods in the order in which they come."""
    by_method: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_method[result["job"]["method"]].append(result)
    return dict(by_method)


def provenance(results: Sequence[Result]) -> dict[str, Any]:
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


def fields_table(results: Sequence[Result], classes: Sequence[str]) -> pd.DataFrame:
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
        ``true_cells``, the `ERRORS`, ``<figure> <class>`` for the figures in `PER_CLASS` and `AUC`,
        ``found <error>`` for those `OF_FOUND_CELLS`, and `DETECTION`; empty where a figure is not defined.
        Results of versions before 0.7 do not have the last two, those before 0.8 no `AUC`.
    """
    return pd.DataFrame(
        {
            **result["job"],
            **{name: field[name] for name in ("field", "patient", "cells")},
            **{name: field["cell_errors"][name] for name in ("true_cells", *ERRORS)},
            **{
                f"{figure} {name}": value
                for figure in (*PER_CLASS, AUC)
                if figure in field
                for name, value in zip(classes, field[figure], strict=True)
            },
            **{f"{FOUND}{name}": field[FOUND_CELLS][name] for name in OF_FOUND_CELLS if FOUND_CELLS in field},
            **{name: field[name] for name in DETECTION if name in field},
        }
        for result in results
        for field in result["fields"]
    )


def crops_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a single crop of a job: columns ``method``, ``split``, ``seed``, ``crop``, ``patient``,
    ``category``, ``true``, ``predicted``; empty where no crops were classified."""
    return pd.DataFrame({**result["job"], **crop} for result in results for crop in result.get("crops", ()))


def having(part: str, results: Sequence[Result]) -> list[Result]:
    """Of one method's results those of the seeds that have a part in all their fields, which results of
    earlier versions lack: `FOUND_CELLS`, `AUC`."""
    lacking = {
        result["job"]["seed"] for result in results if any(part not in field for field in result["fields"])
    }
    return [result for result in results if result["job"]["seed"] not in lacking]


def third_error(classes: Sequence[str]) -> str:
    """The paper's error III: an incomplete cell where cells are one class, else a cell of two classes."""
    return "incomplete" if len(classes) == 2 else "misclassified"


def number_of_errors(
    field: dict[str, Any], error: str, classes: Sequence[str], counted_on: str = PIECES
) -> float:
    """Cell errors of one kind in a field, one of `ERRORS` or `TOGETHER`."""
    counts = field[counted_on]
    if error == TOGETHER:
        return float(sum(counts[kind] for kind in ("joined", "artefacts", third_error(classes))))
    return float(counts[error])


def number(value: float | None) -> float:
    """NaN for None, which JSON has in its place."""
    return float("nan") if value is None else value
