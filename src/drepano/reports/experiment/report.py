"""Everything that an experiment leaves for people: JSON first, then Markdown, figures and one HTML page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from drepano.datasets import FieldDataset
from drepano.experiments.jobs import MAPS, TRAINING
from drepano.experiments.plan import FIELDS, JOBS, PLAN, RESULT, Plan, read_plan
from drepano.experiments.splits import Split
from drepano.experiments.summary import (
    crops_table,
    curve_differences,
    fields_table,
    learning_curves,
    read_results,
    summarise,
)
from drepano.experiments.working_copy import open_working_copy
from drepano.io import write_bytes, write_json, write_text
from drepano.reports.experiment import figures
from drepano.reports.experiment.page import write_page
from drepano.reports.experiment.tables import comparison_markdown, learning_curve_markdown

SUMMARY, PER_FIELD, PER_CROP = "summary.json", "fields.csv", "crops.csv"
TABLES, PAGE = "tables.md", "report.html"


def write_comparison(experiment: Path, methods: Sequence[str]) -> Path:
    """Tables I to IV, ROC, confusion matrices, validation curves and maps of what is finished so far.

    Parameters
    ----------
    experiment : Path
        Folder of `drepano compare`.
    methods : sequence of str
        In the order in which they are shown.

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
    results = read_results(experiment)
    summary: dict[str, Any] = {
        "title": f"Methods compared on {plan.data['name']}",
        "conditions": _conditions(plan, results),
        **summarise(plan, results, methods),
        "validation": _validation_curves(experiment, methods),
    }
    _write_json_and_table(experiment, summary, plan, results)
    markdown = comparison_markdown(summary)
    dataset = open_working_copy(experiment / FIELDS, plan.patients)
    maps = _draw_maps(experiment, plan, dataset, list(summary["methods"]))
    drawn = {
        "roc": ("ROC of pixels, logarithmic towards 0, mean over folds and seeds", figures.draw_roc(summary)),
        "confusion": (
            "Confusion of pixels, all folds and seeds together",
            figures.draw_confusion(summary),
        ),
        **_validation_figure(summary),
        "maps": ("A test field, its truth and the class map of every method", maps),
    }
    return _write(experiment, markdown, drawn)


def write_learning_curve(experiment: Path, methods: Sequence[str]) -> Path:
    """Dice by number of training fields, as table and figure; see `write_comparison`."""
    plan = read_plan(experiment)
    results = read_results(experiment)
    summary: dict[str, Any] = {
        "title": f"Learning curve on {plan.data['name']}",
        "conditions": _conditions(plan, results),
        "curves": learning_curves(results, methods, plan.classes),
        "differences": curve_differences(results, methods, plan),
        "validation": _validation_curves(experiment, methods),
    }
    _write_json_and_table(experiment, summary, plan, results)
    drawn = {
        "learning-curve": (
            "Dice against the number of training fields; bars are one SD over seeds",
            figures.draw_learning_curve(summary),
        ),
        **_validation_figure(summary),
    }
    return _write(experiment, learning_curve_markdown(summary), drawn)


def _validation_figure(summary: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Nothing where no method is a network."""
    if not summary["validation"]:
        return {}
    png = figures.draw_validation(summary["validation"])
    return {"validation": ("Loss on inner validation fields, a line a training", png)}


def _write_json_and_table(
    experiment: Path, summary: dict[str, Any], plan: Plan, results: Sequence[dict[str, Any]]
) -> None:
    write_json(experiment / SUMMARY, summary)
    table = fields_table(results, plan.classes)
    write_text(experiment / PER_FIELD, table.to_csv(index=False, float_format="%.5g"))
    crops = crops_table(results)
    if len(crops):
        write_text(experiment / PER_CROP, crops.to_csv(index=False))


def _write(experiment: Path, markdown: str, drawn: dict[str, tuple[str, bytes]]) -> Path:
    """`drawn` has the caption and the PNG of every figure by the name of its file."""
    write_text(experiment / TABLES, markdown)
    for name, (_, png) in drawn.items():
        write_bytes(experiment / f"{name}.png", png)
    write_page(experiment / PAGE, markdown, dict(drawn.values()))
    return experiment / PAGE


def _conditions(plan: Plan, results: Sequence[dict[str, Any]]) -> list[str]:
    sizes = [len(split.training) for split in plan.splits], [len(split.test) for split in plan.splits]
    training, test = (
        f"{min(side)} to {max(side)}" if min(side) < max(side) else str(min(side)) for side in sizes
    )
    budget = plan.budget
    patients = len({patient for patient in plan.patients.values() if patient is not None})
    return [
        f"Data: {plan.data['name']}, {len(plan.patients)} fields, {patients or 'unknown'} patients; "
        f"{plan.data['origin']}.",
        f"Splits: {len(plan.splits)}, by {plan.group}; {training} training and {test} test fields.",
        *_tested_patients(plan),
        *plan.notes,
        f"Every network: {budget.steps} steps of {budget.batch_size} crops of {budget.crop_size} px, preset "
        "default, last step; cells of 45 px; a tenth of the training fields is held out to watch, not to "
        "choose.",
        *_training_settings(results),
        *_labelled_elsewhere(results),
        *_versions(results),
    ]


def _tested_patients(plan: Plan) -> list[str]:
    if plan.group != "patient":
        return [f"{PLAN} names the fields of every split."]
    tested = (
        f"{split.name} {', '.join(sorted({str(plan.patients[id_]) for id_ in split.test}))}"
        for split in plan.splits
    )
    return [f"Tested on, and not trained on: {'; '.join(tested)}."]


def _training_settings(results: Sequence[dict[str, Any]]) -> list[str]:
    """What all trainings of networks have in common, beside the budget."""
    configs = [result["settings"]["config"] for result in results if "config" in result["settings"]]
    if not configs:
        return []
    names = ("learning_rate", "schedule", "loss", "touching_weight", "normalisation", "augment")
    same = [name for name in names if all(config[name] == configs[0][name] for config in configs)]
    return ["Settings of training: " + ", ".join(f"{name} {configs[0][name]}" for name in same) + "."]


def _labelled_elsewhere(results: Sequence[dict[str, Any]]) -> list[str]:
    if all(result["job"]["method"] != "ilastik" for result in results):
        return []
    return [
        "ilastik: one project of the user's for all splits; fields that it was labelled on may be test "
        "fields, so it may look better here than on new ones."
    ]


def _versions(results: Sequence[dict[str, Any]]) -> list[str]:
    """A line for every machine and version that jobs ran with; of training where it began with others."""
    lines = []
    for result in results:
        measured = _listed(result["versions"])
        trained = _listed(result.get("training_versions", result["versions"]))
        lines.append(
            measured if trained == measured else f"training begun with {trained}; measured with {measured}"
        )
    return [f"Versions: {line}." for line in dict.fromkeys(lines)]


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def _validation_curves(experiment: Path, methods: Sequence[str]) -> dict[str, list[dict[str, list[float]]]]:
    """Steps and losses of every network's trainings; one that was interrupted has several logs."""
    curves: dict[str, list[dict[str, list[float]]]] = defaultdict(list)
    for method in methods:
        for result in sorted((experiment / JOBS / method).glob(f"*/*/{RESULT}")):
            logs = sorted((result.parent / TRAINING).glob("logs/version_*/metrics.csv"))
            if not logs:
                continue
            rows = pd.concat([pd.read_csv(log) for log in logs])
            if "validation_loss" in rows:
                rows = rows[rows["validation_loss"].notna()].drop_duplicates("step", keep="last")
                curves[method].append(
                    {"steps": rows["step"].tolist(), "losses": rows["validation_loss"].tolist()}
                )
    return dict(curves)


def _draw_maps(experiment: Path, plan: Plan, dataset: FieldDataset, methods: Sequence[str]) -> bytes:
    """Of the first test field of the split that most methods have finished."""

    def drawn(split: Split) -> dict[str, Path]:
        pictures = {
            method: next(
                (experiment / JOBS / method / split.name).glob(f"*/{MAPS}/{split.test[0]}.png"), None
            )
            for method in methods
        }
        return {method: path for method, path in pictures.items() if path is not None}

    split = max(plan.splits, key=lambda split: len(drawn(split)))
    field = dataset.with_ids(split.test[:1])[0]
    maps = {}
    for method, path in drawn(split).items():
        with Image.open(path) as picture:
            maps[method] = np.asarray(picture)
    taxonomy = plan.class_taxonomy
    return figures.draw_maps(field.image, field.class_map(taxonomy), maps, taxonomy)
