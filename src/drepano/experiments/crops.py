"""Which class is given to single crops, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from drepano.cells import measure_cells
from drepano.datasets import CellCrop, FieldDataset, read_crop
from drepano.datasets.cell_mask import background_level
from drepano.errors import DrepanoError
from drepano.experiments.evaluation import Advance, check_not_empty
from drepano.field import Segmentation
from drepano.io import to_rgb8
from drepano.taxonomy import SCD

_CANVAS = 128
_FADE = 3.0


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
    check_not_empty(dataset)
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
