"""Choose how `scd` is trained: python benchmarks/scd_recipes.py OUT.json RECIPE...

A RECIPE is a folder that has, for each patient, a run that never saw them and what `drepano evaluate` wrote
of their crops and of composed fields of their cells, as `train_shipped.sh` leaves them; or an earlier
OUT.json, whose recipes are taken over as they are. A patient's own crops have no say in the choice for them:
it is the recipe that gave more of the others' crops the right class. The figures of that choice are what new
patients may expect.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from shipped_metrics import crop_tables, inner_validation

from drepano.experiments import summarise_crops
from drepano.experiments.statistics import paired_difference
from drepano.io import write_json

Patients = dict[str, dict[str, Any]]


def main(out: Path, sources: list[Path]) -> None:
    recipes: dict[str, Patients] = {}
    for source in sources:
        recipes |= taken_over(source) if source.suffix == ".json" else {source.name: measured(source)}
    patients = sorted(next(iter(recipes.values())))
    for name, of in recipes.items():
        if sorted(of) != patients:
            sys.exit(f"error: {name}: has patients {', '.join(sorted(of))}, the first {', '.join(patients)}")
    chosen = {
        patient: best(recipes, [other for other in patients if other != patient]) for patient in patients
    }
    write_json(
        out,
        {
            "recipes": {name: {**figures(list(of.values())), "patients": of} for name, of in recipes.items()},
            "differences": {
                f"{later} - {earlier}": differences(recipes[later], recipes[earlier])
                for earlier, later in pairwise(recipes)
            },
            "chosen": best(recipes, patients),
            "chosen_without": chosen,
            "of_the_chosen": figures([recipes[recipe][patient] for patient, recipe in chosen.items()]),
        },
    )


def taken_over(path: Path) -> dict[str, Patients]:
    return {name: recipe["patients"] for name, recipe in json.loads(path.read_text())["recipes"].items()}


def measured(folder: Path) -> Patients:
    """Of every patient what the network that never saw them did with their crops and fields."""
    patients = {}
    for patient, table in crop_tables(folder).items():
        summary = summarise_crops(table)
        fields = json.loads((folder / f"fields-dunet-{patient}.json").read_text())
        patients[patient] = {
            "crops_right": round(summary["right"], 4),
            "mean_recall": round(summary["mean_recall"], 4),
            "confusion": summary["confusion"],
            # 0 for Dic+Ovl of MGH184_61915, who has none
            "composed_fields_dice": {name: round(value, 4) for name, value in fields["dice"].items()},
            "composed_fields_f1": round(fields["f1"], 4),
            "composed_fields_count_error": round(fields["mean_count_error"], 4),
            **inner_validation(folder, patient),
        }
    return patients


def best(recipes: dict[str, Patients], patients: list[str]) -> str:
    """The recipe with the largest share of these patients' crops right."""

    def right(recipe: str) -> float:
        return figures([recipes[recipe][patient] for patient in patients])["crops_right"]

    return max(recipes, key=right)


def figures(patients: list[dict[str, Any]]) -> dict[str, float]:
    """Of the crops of these patients together."""
    crops = [
        {"true": true, "predicted": predicted}
        for patient in patients
        for true, row in patient["confusion"].items()
        for predicted, count in row.items()
        for _ in range(count)
    ]
    summary = summarise_crops(pd.DataFrame(crops))
    return {"crops_right": round(summary["right"], 4), "mean_recall": round(summary["mean_recall"], 4)}


def differences(first: Patients, second: Patients) -> dict[str, dict[str, float]]:
    """Mean over patients, each with trainings of their own, of the first's lead, and its 95 % interval."""
    compared = {}
    for kind in compared_figures(next(iter(first.values()))):
        one, other = (
            {patient: np.array([compared_figures(of)[kind]]) for patient, of in recipe.items()}
            for recipe in (first, second)
        )
        itself = {patient: patient for patient in one}
        difference = paired_difference(one, other, patients=itself, folds=itself)
        compared[kind] = {end: round(getattr(difference, end), 4) for end in ("mean", "low", "high")}
    return compared


def compared_figures(patient: dict[str, Any]) -> dict[str, float]:
    kinds = ("crops_right", "mean_recall", "composed_fields_f1", "composed_fields_count_error")
    dice = float(np.mean(list(patient["composed_fields_dice"].values())))
    return {"composed_fields_dice": dice, **{kind: patient[kind] for kind in kinds}}


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(source) for source in sys.argv[2:]])
