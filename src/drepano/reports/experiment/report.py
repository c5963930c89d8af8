"""Everything that an experiment leaves for people: JSON first, then Markdown, figures and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError, first_line
from drepano.experiments.differences import curve_differences, method_differences
from drepano.experiments.job import MAPS, TRAINING
from drepano.experiments.measure import measure_truth
from drepano.experiments.plan import FIELDS, Job, Plan, read_plan
from drepano.experiments.results import (
    FOUND_CELLS,
    PIECES,
    crops_table,
    fields_table,
    provenance,
    read_results,
    results_by_method,
)
from drepano.experiments.summary import learning_curves, summarise_cell_errors, summarise_methods
from drepano.experiments.working_copy import open_working_copy
from drepano.field import Field
from drepano.io import read_label_values, write_bytes, write_json, write_text
from drepano.methods import METHODS
from drepano.reports.experiment import figures
from drepano.reports.experiment.conditions import conditions
from drepano.reports.experiment.tables import comparison_markdown, learning_curve_markdown
from drepano.reports.page import write_page

SUMMARY, PER_FIELD, PER_CROP = "summary.json", "fields.csv", "crops.csv"
TABLES, PAGE = "tables.md", "report.html"
_DIFFERENCES, _VALIDATION = "differences", "validation"


def write_comparison(experiment: Path, jobs: Sequence[Job]) -> Path:
    """Tables I to IV, ROC, confusion matrices, validation curves and maps of what is finished so far.

    Parameters
    ----------
    experiment : Path
        Folder of `drepano compare`.
    jobs : sequence of Job
        All that were asked for, whether they have a result or not; their methods are shown in this order.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DrepanoError
        If the folder has no plan, or cannot be written.
    """
    plan = read_plan(experiment)
    results = read_results(experiment, jobs)
    of_methods = summarise_methods(results, plan.classes)
    dataset = open_working_copy(experiment / FIELDS, plan.patients)
    summary: dict[str, Any] = {
        "title": f"Methods compared on {plan.data['name']}",
        "conditions": conditions(plan, of_methods, jobs),
        "budget": asdict(plan.budget),
        "splits": [asdict(split) for split in plan.splits],
        "classes": list(plan.classes),
        "methods": of_methods,
        "truth": truth_errors(plan, dataset),
        "differences": method_differences(results, plan),
        "validation": validation_curves(experiment, jobs),
    }
    write_data(experiment, plan, summary, results)
    markdown = comparison_markdown(summary)
    typical, hardest = _typical_and_hardest(results, plan.classes)
    drawn = {
        **comparison_figures(summary),
        "maps": _maps(
            experiment,
            plan,
            dataset.with_ids([typical])[0],
            jobs,
            f"A test field, its truth and the class map of every method (the paper's Fig. 6): {typical}, "
            "of median Dice",
        ),
        "maps-hardest": _maps(
            experiment,
            plan,
            dataset.with_ids([hardest])[0],
            jobs,
            f"The same of the test field with the lowest Dice: {hardest}",
        ),
    }
    return _write_pages(experiment, markdown, drawn)


def write_learning_curve(experiment: Path, jobs: Sequence[Job]) -> Path:
    """Dice by number of training fields, as table and figure; see `write_comparison`."""
    plan = read_plan(experiment)
    results = read_results(experiment, jobs)
    ran = {name: provenance(of_method) for name, of_method in results_by_method(results).items()}
    summary: dict[str, Any] = {
        "title": f"Learning curve on {plan.data['name']}",
        "conditions": conditions(plan, ran, jobs),
        "budget": asdict(plan.budget),
        "splits": [asdict(split) for split in plan.splits],
        "methods": ran,
        "curves": learning_curves(results, plan.classes),
        "differences": curve_differences(results, plan),
        "validation": validation_curves(experiment, jobs),
    }
    write_data(experiment, plan, summary, results)
    drawn = {
        "learning-curve": (
            "Dice against the number of training fields"
            + ("; bars are one SD over seeds" if len({job.seed for job in jobs}) > 1 else ""),
            figures.draw_learning_curve(summary),
        ),
        **_validation_figure(summary),
    }
    return _write_pages(experiment, learning_curve_markdown(summary), drawn)


def truth_errors(plan: Plan, dataset: FieldDataset) -> dict[str, Any]:
    """Cell errors of the true class maps of all test fields: ``cell_errors`` and ``found_cell_errors``.

    They are charged with touching cells, of one class or of two, that they have no line of background
    between.
    """
    rows = {row["field"]: row for row in measure_truth(dataset, plan.class_taxonomy)}
    results = [
        {"job": {"split": split.name, "seed": 0}, "fields": [rows[id_] for id_ in split.test]}
        for split in plan.splits
    ]
    return {
        counted_on: summarise_cell_errors(results, plan.classes, counted_on)
        for counted_on in (PIECES, FOUND_CELLS)
    }


def comparison_figures(summary: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """By name, caption and PNG of every figure of a comparison that its summary alone tells.

    Without differences where no two methods have a field in common, without validation where none is a
    network.
    """
    drawn = {}
    if summary["differences"]:
        drawn[_DIFFERENCES] = (
            "The first method against the others, pair by pair on the same fields",
            figures.draw_differences(summary["differences"]),
        )
    drawn["roc"] = (
        "ROC of pixels (the paper's Fig. 5), linear up to 0.001 and logarithmic from there, mean over folds "
        "and seeds",
        figures.draw_roc(summary),
    )
    drawn["confusion"] = (
        "Confusion of pixels, all folds and seeds together",
        figures.draw_confusion(summary),
    )
    drawn["calibration"] = (
        "Calibration of pixels, all folds and seeds together",
        figures.draw_calibration(summary),
    )
    return {**drawn, **_validation_figure(summary)}


def _validation_figure(summary: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Nothing where no method is a network."""
    if not summary["validation"]:
        return {}
    png = figures.draw_validation(summary["validation"])
    return {_VALIDATION: ("Loss on inner validation fields, a line a training", png)}


def write_data(
    experiment: Path, plan: Plan, summary: dict[str, Any], results: Sequence[dict[str, Any]]
) -> None:
    """Write the summary as JSON; as CSV the figures of every field and of every crop, if there are any."""
    write_json(experiment / SUMMARY, summary)
    table = fields_table(results, plan.classes)
    write_text(experiment / PER_FIELD, table.to_csv(index=False, float_format="%.5g"))
    crops = crops_table(results)
    if len(crops):
        write_text(experiment / PER_CROP, crops.to_csv(index=False))
    else:
        (experiment / PER_CROP).unlink(missing_ok=True)


def _write_pages(experiment: Path, markdown: str, drawn: Mapping[str, tuple[str, bytes]]) -> Path:
    """Tables as Markdown, figures as PNG, and all of it on one page."""
    write_text(experiment / TABLES, markdown)
    for name in {_DIFFERENCES, _VALIDATION} - drawn.keys():  # of methods that were asked for before
        (experiment / f"{name}.png").unlink(missing_ok=True)
    for name, (_, png) in drawn.items():
        write_bytes(experiment / f"{name}.png", png)
    write_page(experiment / PAGE, markdown, dict(drawn.values()))
    return experiment / PAGE


def _methods(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.method for job in jobs))


def validation_curves(experiment: Path, jobs: Sequence[Job]) -> dict[str, list[dict[str, list[float]]]]:
    """Steps and losses of every network's trainings; one that was interrupted has several logs."""
    curves: dict[str, list[dict[str, list[float]]]] = {method: [] for method in _methods(jobs)}
    for job in sorted(jobs, key=lambda job: (job.split, job.seed)):
        logs = sorted((job.folder(experiment) / TRAINING).glob("logs/version_*/metrics.csv"))
        if not logs or not job.is_done(experiment):
            continue
        rows = pd.concat([_read_log(log) for log in logs])
        if "validation_loss" in rows:
            rows = rows[rows["validation_loss"].notna()].drop_duplicates("step", keep="last")
            rows = rows.sort_values("step")
            curves[job.method].append(
                {"steps": rows["step"].tolist(), "losses": rows["validation_loss"].tolist()}
            )
    return {method: of_method for method, of_method in curves.items() if of_method}


def _read_log(log: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(log)
    except (OSError, ValueError) as error:
        raise _damaged(log, error) from error


def _damaged(path: Path, error: Exception) -> DrepanoError:
    return DrepanoError(
        f"{path}: cannot be read ({first_line(error)}); delete it and run the same command again, whose page "
        "goes without it"
    )


def _typical_and_hardest(results: Sequence[dict[str, Any]], classes: Sequence[str]) -> tuple[str, str]:
    """Of the fields that most methods have been tested on the ids of two: median and lowest Dice of cells."""
    table = fields_table(results, classes)
    dice = table[[f"dice {name}" for name in classes[1:]]].mean(axis=1).groupby(table["field"]).mean()
    methods = table.groupby("field")["method"].nunique()
    # A field without cells in which none were found has no Dice.
    order = dice.fillna(1.0)[methods == methods.max()].sort_values(kind="stable").index
    return str(order[len(order) // 2]), str(order[0])


def _maps(experiment: Path, plan: Plan, field: Field, jobs: Sequence[Job], caption: str) -> tuple[str, bytes]:
    """A test field and what every method that has been tested on it makes of it, with its first seed.

    The caption says at its end whose maps are not there any more.
    """
    split = next(split for split in plan.splits if field.id in split.test)
    maps: dict[str, NDArray[np.uint8]] = {}
    tested = [job for job in jobs if job.split == split.name and job.is_done(experiment)]
    for job in tested:
        path = job.folder(experiment) / MAPS / f"{field.id}.png"
        if job.method not in maps and path.is_file():
            try:
                maps[job.method] = read_label_values(path).values.astype(np.uint8)
            except DrepanoError as error:
                raise _damaged(path, error) from error
    gone = [METHODS[name] for name in _methods(tested) if name not in maps]
    if gone:
        caption += f" (the maps of {', '.join(gone)} have been deleted)"
    taxonomy = plan.class_taxonomy
    return caption, figures.draw_maps(field.image, field.class_map(taxonomy), maps, taxonomy)
