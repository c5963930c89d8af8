"""Which shapes tell cells apart: python benchmarks/shapes.py OUT.json XU2017

Single real crops with masks made by a rule (`drepano.datasets.cell_mask`), not by a network. Written are
medians by category and, for pairs of categories, the area under the ROC curve of every measurement alone.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from drepano.cells import measure_cells
from drepano.datasets import open_dataset
from drepano.datasets.cell_mask import cell_mask
from drepano.datasets.xu2017 import read_crop
from drepano.field import Segmentation
from drepano.io import write_json
from drepano.taxonomy import BINARY

MEASUREMENTS = ["area_px", "aspect_ratio", "eccentricity", "circularity", "solidity", "bend", "mean_contrast"]
PAIRS = {
    "sickle and oval": (["Sickle"], ["Oval"]),
    "sickle and elongated": (["Sickle"], ["Elongated"]),
    "elongated and oval": (["Elongated"], ["Oval"]),
    "El+Sk and Dic+Ovl": (["Sickle", "Elongated"], ["Discocyte", "Oval"]),
}


def main(out: Path, folder: Path) -> None:
    table = pd.DataFrame(measured(folder))
    medians = table.groupby("category")[MEASUREMENTS].median().round(3)
    areas = {name: separation(table, *pair) for name, pair in PAIRS.items()}
    write_json(out, {"cells": len(table), "medians": medians.to_dict("index"), "area_under_roc_curve": areas})


def measured(folder: Path):
    for source in open_dataset(folder).sources:
        crop = read_crop(source)
        mask = cell_mask(crop.image)
        if not mask.any():
            continue
        cell = mask.astype(np.int32)
        probabilities = np.stack([1 - cell, cell]).astype(np.float32)
        segmentation = Segmentation(mask.astype(np.uint8), probabilities, BINARY, 45.0)
        row = measure_cells(segmentation, cell, np.repeat(crop.image[..., None], 3, axis=2)).iloc[0]
        yield {**row.to_dict(), "category": crop.category}


def separation(table: pd.DataFrame, one: list[str], other: list[str]) -> dict[str, float]:
    chosen = table[table["category"].isin(one + other)]
    areas = {name: roc_auc_score(chosen["category"].isin(one), chosen[name]) for name in MEASUREMENTS}
    return {name: round(float(max(area, 1 - area)), 3) for name, area in areas.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
