"""Choose how `scd` is trained: python benchmarks/scd_recipes.py OUT.json RECIPE_FOLDER...

Every folder has, for each patient, a run that never saw them and what `drepano evaluate` wrote of their crops
and of composed fields of their cells, as `train_shipped.sh` leaves them. A patient's own crops have no say in
the choice for them: it is the recipe that gave more of the others' crops the right class. The figures of
that choice are what new patients may expect.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from shipped_metrics import crop_tables, inner_validation

from drepano.experiments import summarise_crops
from drepano.io import write_json


def main(out: Path, folders: list[Path]) -> None:
    tables = {folder.name: crop_tables(folder) for folder in folders}
    patients = sorted(next(iter(tables.values())))
    chosen = {
        patient: best(tables, [other for other in patients if other != patient]) for patient in patients
    }
    write_json(
        out,
        {
            "recipes": {
                folder.name: {
                    **figures([tables[folder.name][patient] for patient in patients]),
                    "patients": {
                        patient: {
                            **figures([tables[folder.name][patient]]),
                            **of_composed_fields(folder, patient),
                            **inner_validation(folder, patient),
                        }
                        for patient in patients
                    },
                }
                for folder in folders
            },
            "chosen": best(tables, patients),
            "chosen_without": chosen,
            "of_the_chosen": figures([tables[recipe][patient] for patient, recipe in chosen.items()]),
        },
    )


def best(tables: dict[str, dict[str, pd.DataFrame]], patients: list[str]) -> str:
    """The recipe with the largest share of these patients' crops right."""

    def right(recipe: str) -> float:
        return figures([tables[recipe][patient] for patient in patients])["crops_right"]

    return max(tables, key=right)


def of_composed_fields(folder: Path, patient: str) -> dict[str, Any]:
    """Dice of every class (0 for Dic+Ovl of MGH184_61915, who has none), F1 of cells, error of the count."""
    measured = json.loads((folder / f"fields-dunet-{patient}.json").read_text())
    return {
        "composed_fields_dice": {name: round(value, 4) for name, value in measured["dice"].items()},
        "composed_fields_f1": round(measured["f1"], 4),
        "composed_fields_count_error": round(measured["mean_count_error"], 4),
    }


def figures(tables: list[pd.DataFrame]) -> dict[str, Any]:
    summary = summarise_crops(pd.concat(tables, ignore_index=True))
    return {
        "crops_right": round(summary["right"], 4),
        "mean_recall": round(summary["mean_recall"], 4),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
