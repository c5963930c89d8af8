"""How well a network does on fields whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from drepano.cells import find_cells
from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError
from drepano.metrics import dice_per_class, match_cells, mean_count_error
from drepano.models import ModelCard
from drepano.segmenter import Segmenter

Advance = Callable[[], None]


def evaluate_fields(
    segmenter: Segmenter, dataset: FieldDataset, advance: Advance = lambda: None
) -> pd.DataFrame:
    """Dice of every class and count of cells, field by field, each in the field's own size.

    A network with one class of cells is compared with the fields' cells of all classes.

    Parameters
    ----------
    segmenter : Segmenter
    dataset : FieldDataset
        With class maps; images are scaled by its cell diameter.
    advance : callable
        Called after every field.

    Returns
    -------
    pandas.DataFrame
        Columns ``field``, ``patient``, ``dice <class>`` (NaN where a class is absent from truth and
        prediction), ``cells`` predicted, ``true_cells``, and ``matched_cells``, those that overlap by
        more than half (IoU); the last two empty where true cells are not known one by one.

    Raises
    ------
    DrepanoError
        If there is no field, one has no class map, or the data set's classes are not the network's.
    """
    check_not_empty(dataset)
    taxonomy = segmenter.card.class_taxonomy
    binary = len(taxonomy) == 2
    if not binary and taxonomy.classes != dataset.taxonomy.classes:
        raise DrepanoError(
            f"data set {dataset.name} has the classes {', '.join(dataset.taxonomy.classes)}, "
            f"the network {', '.join(taxonomy.classes)}; evaluate on data with the network's classes"
        )
    rows = []
    for field in dataset:
        result = segmenter.segment(field.image, cell_diameter=dataset.cell_diameter)
        true = field.class_map(taxonomy)
        dice = dice_per_class(true, result.classes, len(taxonomy))
        row: dict[str, Any] = {"field": field.id, "patient": field.patient}
        row |= {f"dice {name}": value for name, value in zip(taxonomy.classes, dice, strict=True)}
        cells = find_cells(result)
        row |= {"cells": int(cells.max()), "true_cells": None, "matched_cells": None}
        if field.instances is not None:
            match = match_cells(field.instances, cells)
            row |= {"true_cells": match.true_cells, "matched_cells": match.matched}
        rows.append(row)
        advance()
    return pd.DataFrame(rows)


def summarise_fields(table: pd.DataFrame) -> dict[str, Any]:
    """Mean Dice of every class over the fields that have it, how many lack it, and the error of the count."""
    dice = table.filter(like="dice ")
    summary: dict[str, Any] = {
        "fields": len(table),
        "dice": {str(name).removeprefix("dice "): float(value) for name, value in dice.mean().items()},
        "fields_without_class": {
            str(name).removeprefix("dice "): int(value) for name, value in dice.isna().sum().items()
        },
    }
    if table["true_cells"].notna().all():
        summary["mean_count_error"] = mean_count_error(
            table["cells"].to_numpy(), table["true_cells"].to_numpy(int)
        )
        cells = table["cells"].sum() + table["true_cells"].sum()
        summary["f1"] = float(2 * table["matched_cells"].sum() / cells) if cells else None
    return summary


def seen_in_training(card: ModelCard, dataset: FieldDataset) -> str | None:
    """A caution where the network may have learned from these cells: by data set, and patients if known."""
    for use in card.data:
        both = sorted({*use.patients} & {*dataset.patients})
        known = use.patients and dataset.patients
        if use.name in (dataset.name, f"composed from {dataset.name}") and (both or not known):
            patients = f", patients {', '.join(both)}" if both else ""
            return (
                f"the network was trained on a data set called {use.name}{patients}: figures of cells that "
                "it was trained on say nothing about new ones"
            )
    return None


def check_not_empty(dataset: FieldDataset) -> None:
    """Raises DrepanoError if there is nothing to measure on."""
    if len(dataset) == 0:
        raise DrepanoError(f"data set {dataset.name}: has nothing to measure on; give one with images")
