"""How well a network does on fields or on single cells whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from drepano.cells import find_cells, measure_cells
from drepano.datasets import CellCrop, FieldDataset, read_crop
from drepano.datasets.cell_mask import background_level
from drepano.errors import DrepanoError
from drepano.field import Segmentation
from drepano.io import to_rgb8
from drepano.metrics import dice_per_class, match_cells, mean_count_error
from drepano.segmenter import Segmenter
from drepano.taxonomy import SCD

_CANVAS = 128
_FADE = 3.0

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
    _check_not_empty(dataset)
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


def evaluate_crops(
    segment: Callable[[NDArray[np.uint8]], Segmentation],
    dataset: FieldDataset,
    advance: Advance = lambda: None,
) -> pd.DataFrame:
    """The class given to every single real crop of xu2017.

    A crop is laid on a plain canvas of its own background level and segmented; the largest cell found there
    is taken for the crop's cell. A crop in which no cell is found counts as wrong.

    Parameters
    ----------
    segment : callable
        Image (H, W, 3) uint8 at the data set's scale to its segmentation.
    dataset : FieldDataset
        xu2017.
    advance : callable
        Called after every crop.

    Returns
    -------
    pandas.DataFrame
        Columns ``crop``, ``patient``, ``category`` (of eight), ``true`` and ``predicted`` (of four;
        "none" where no cell was found), ``probability``.

    Raises
    ------
    DrepanoError
        If there is no crop, or the network's classes are not the paper's.
    """
    _check_not_empty(dataset)
    rows = []
    for source in dataset.sources:
        crop = read_crop(source)
        result = segment(to_rgb8(on_canvas(crop)))
        if result.taxonomy.classes != SCD.classes:
            raise DrepanoError(
                f"single crops need a network with the classes {', '.join(SCD.classes)}; "
                f"this one has {', '.join(result.taxonomy.classes)}"
            )
        cells = measure_cells(result)
        found = cells.iloc[int(cells["area_px"].to_numpy().argmax())] if len(cells) else None
        rows.append(
            {
                "crop": crop.id,
                "patient": crop.patient,
                "category": crop.category,
                "true": SCD.classes[SCD.index(crop.category)],
                "predicted": "none" if found is None else found["class"],
                "probability": np.nan if found is None else found["class_probability"],
            }
        )
        advance()
    return pd.DataFrame(rows)


def _check_not_empty(dataset: FieldDataset) -> None:
    if len(dataset) == 0:
        raise DrepanoError(f"data set {dataset.name}: has nothing to measure on; give one with images")


def on_canvas(crop: CellCrop) -> NDArray[np.uint8]:
    """The crop in the middle of a larger image of its background level, fading in over 3 px at its edge."""
    height, width = crop.image.shape
    size = max(_CANVAS, height, width)
    top, left = (size - height) // 2, (size - width) // 2
    inside = np.pad(np.ones((height, width), bool), 1)
    fade = np.clip(ndimage.distance_transform_edt(inside)[1:-1, 1:-1] / _FADE, 0, 1)
    level = background_level(crop.image)
    canvas = np.full((size, size), level)
    canvas[top : top + height, left : left + width] += fade * (crop.image - level)
    return np.rint(canvas).astype(np.uint8)


def summarise_crops(table: pd.DataFrame) -> dict[str, Any]:
    """Share of crops given the right class, recall of every class, their mean, and the confusion matrix."""
    right = table["true"] == table["predicted"]
    recall = right.groupby(table["true"]).mean()
    return {
        "crops": len(table),
        "right": float(right.mean()),
        "recall": {name: float(value) for name, value in recall.items()},
        "mean_recall": float(recall.mean()),
        "confusion": pd.crosstab(table["true"], table["predicted"]).to_dict("index"),
    }


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
