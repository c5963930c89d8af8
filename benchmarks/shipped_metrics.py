"""Gather the figures of the shipped networks: python benchmarks/shipped_metrics.py SCD RBC.json RESULTS

Reads what `drepano train` and `drepano evaluate` wrote into SCD and of rbc's fields, and writes into RESULTS
scd-metrics.json and rbc-metrics.json, lists of {name, value, conditions} for model cards, scd-confusion.json,
how many crops of each patient and class were called each class, and shipped.json with all of it.
"""

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from drepano.experiments import summarise_crops
from drepano.io import write_json, write_text
from drepano.taxonomy import SCD

CROPS = (
    "915 single real crops of xu2017 on a plain canvas, every patient's crops classified by a network "
    "that was trained on composed fields of the other three patients; one seed, last step; of three recipes "
    "of training the one that gave more of the other patients' crops the right class was taken, the same "
    "for all four (scd-recipes.json; the same with twice the width has 0.914); dU-Net was chosen over U-Net "
    "by the loss on inner validation fields (scd-choice.json); but earlier networks had been looked at on "
    "these crops, and the one before this had 0.896 right and a mean recall of 0.906, by patient "
    "no more than chance less; of loss, scope, augmentation, width and normalisation a search with patients "
    "held out found nothing better than the preset by more than chance (search.json)"
)
SAME_CROPS = "the same crops"
FIELDS = (
    "9 fields of BBBC041Seg val at 1600 x 1200 without their margin of 105 px, in which cells are not "
    "labelled throughout, never trained on, mean over fields; one seed, last step; whether a patient of "
    "theirs is among the training fields is not known; val's tenth, 2b369d75, is left out, since some of "
    "its cells are in a training field too (overlapping-fields.json has the figures with it)"
)
COUNT = (
    f"{FIELDS}; relative error; the weight of 20 between touching cells over 1, 7500 steps over 2500, the "
    "size of what counts as a cell at the border and the neck of 0.75 were chosen by the F1 on inner "
    "validation fields of the training data with version 0.4 (rbc-choice.json); from what size on and up to "
    "what neck a large piece is parted, by a cross-validation over the 80 training fields of BBBC041Seg "
    "(large-pieces.json); the network was then trained on all training fields. Earlier networks and the "
    "parting of touching cells had been looked at on all ten fields before, among other necks one of 0.75. "
    "On all ten this network has an F1 of 0.952 and a count error of 0.029, the one before, trained on nine "
    "tenths of the fields, 0.947 and 0.038; by field the two differ by no more than chance there. Scope, "
    "and the loss but for that weight, are the preset's: others were tried over the five classes of "
    "unstained cells only (search.json)"
)
FOUND = f"{COUNT.replace('; relative error', '')}; cells that overlap true ones by more than half"


def metric(name: str, value: float, conditions: str) -> dict[str, object]:
    return {"name": name, "value": round(value, 4), "conditions": conditions}


def main(runs: Path, fields_of_rbc: Path, results: Path) -> None:
    tables = crop_tables(runs)
    pooled = summarise_crops(pd.concat(tables.values(), ignore_index=True))
    patients = {patient: summarise_crops(table) for patient, table in tables.items()}
    scd = [metric("share of crops given the right class", pooled["right"], CROPS)]
    scd.append(metric("mean recall over the four classes", pooled["mean_recall"], SAME_CROPS))
    scd += [metric(f"recall of {name}", value, SAME_CROPS) for name, value in pooled["recall"].items()]
    scd += [
        metric(
            f"share of crops right, patient {patient} left out", summary["right"], f"{summary['crops']} crops"
        )
        for patient, summary in patients.items()
    ]
    conditions = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{name: version(name) for name in ("drepano", "torch", "lightning")},
        "command": "benchmarks/train_shipped.sh DATA RUNS",
    }
    write_json(results / "scd-metrics.json", scd)
    confusions = [confusion_matrix(summary["confusion"]) for summary in patients.values()]
    write_text(results / "scd-confusion.json", json.dumps(confusions))
    scd_figures = {
        "conditions": conditions,
        "folds": {patient: inner_validation(runs, patient) for patient in tables},
        "all_patients": pooled,
        "patients": patients,
    }
    fields = json.loads(fields_of_rbc.read_text())
    rbc = [
        metric("Dice of cells", fields["dice"]["cell"], FIELDS),
        metric("mean error of the cell count", fields["mean_count_error"], COUNT),
        metric("F1 of cells found", fields["f1"], FOUND),
    ]
    write_json(results / "rbc-metrics.json", rbc)
    everything = {"scd": scd_figures, "rbc": {"conditions": conditions, "fields": fields}}
    write_json(results / "shipped.json", everything)


def confusion_matrix(called: dict[str, dict[str, int]]) -> list[list[int]]:
    names = SCD.cell_classes
    return [[called.get(true, {}).get(name, 0) for name in names] for true in names]


def crop_tables(runs: Path) -> dict[str, pd.DataFrame]:
    """The crops of every patient, as a network that never saw that patient classified them."""
    start = "crops-dunet-"
    return {path.stem.removeprefix(start): pd.read_csv(path) for path in sorted(runs.glob(f"{start}*.csv"))}


def inner_validation(runs: Path, patient: str) -> dict[str, float]:
    """Loss and Dice on the inner validation fields of the network that never saw `patient`."""
    logs = sorted((runs / f"dunet-without-{patient}").glob("logs/version_*/metrics.csv"))
    log = pd.concat([pd.read_csv(path) for path in logs]).sort_values("step", kind="stable")
    last = log[log["validation_loss"].notna()].iloc[-1]
    dice = last.filter(regex="^validation_dice/(?!background)")
    return {
        "inner_validation_loss": round(float(last["validation_loss"]), 4),
        "inner_validation_dice_of_cells": round(float(dice.mean()), 4),
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
