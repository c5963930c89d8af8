"""What the contrast of fields does to networks: python benchmarks/contrast.py OUT.json DATASET NAME=MODEL...

Every tenth field, its differences from the background multiplied by FACTORS; Dice over the classes of cells.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from drepano import load_model
from drepano.datasets import open_dataset
from drepano.io import write_json
from drepano.metrics import dice_per_class
from drepano.preprocessing import background_colour

FACTORS = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0)


def main(out: Path, folder: Path, models: list[str]) -> None:
    torch.set_num_threads(1)
    dataset = open_dataset(folder)
    fields = [dataset[number] for number in range(0, len(dataset), 10)]
    figures: dict[str, object] = {"data": dataset.name, "fields": len(fields)}
    for name, model in (one.split("=") for one in models):
        segmenter = load_model(model)
        figures[name] = {
            f"contrast x {factor:g}": mean_dice(segmenter, fields, factor, dataset.cell_diameter)
            for factor in FACTORS
        }
    write_json(out, figures)


def mean_dice(segmenter, fields, factor, diameter) -> float:
    values = []
    for field in fields:
        background = background_colour(field.image)
        changed = np.clip(background + factor * (field.image - background), 0, 255).astype(np.uint8)
        called = segmenter.segment(changed, diameter).classes
        values.append(dice_per_class(field.classes, called, len(segmenter.card.classes))[1:])
    return round(float(np.nanmean(values)), 3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
