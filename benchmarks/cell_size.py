"""How well --cell-diameter auto does: python benchmarks/cell_size.py OUT.json NAME=MODEL:DATASET...

Every field with known cells is taken at scales 0.5 to 3 of its own; of large ones the middle, so that no
scale has more than four million pixels. Written are, for each data set, the error of the estimated diameter
against the median cell that the border does not cut, and the Dice of cells beside that at the data set's own
cell diameter and scale. The bundled examples, which have no known cells, are measured against `BY_HAND`.
"""

import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from drepano import load_model
from drepano.cells import typical_diameter
from drepano.datasets import open_dataset
from drepano.field import Field
from drepano.io import read_image, write_json
from drepano.metrics.pixel import dice_per_class
from drepano.preprocessing import nearest, scale_image
from drepano.taxonomy import BINARY

EXAMPLES = Path(__file__).parents[1] / "examples" / "chula-rbc12"
BY_HAND = {"chula-55": 42.5, "chula-109": 37.5, "chula-172": 31.5, "chula-714": 36.0}
"""Median over 22 to 31 whole cells of the root of width times height, read off a grid to about 1 px."""
SCALES = (0.5, 1.0, 2.0, 3.0)
MOST_FIELDS = 10
MOST_PIXELS = 4e6


def main(out: Path, sets: dict[str, str]) -> None:
    results = {}
    for name, given in sets.items():
        model, folder = given.split(":", 1)
        results[name] = {"model": model, **measure(model, Path(folder))}
    results["bundled examples"] = {"model": "rbc", **measure_examples()}
    conditions = {
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {package: version(package) for package in ("drepano", "torch", "scikit-image")},
        "fields": f"at most {MOST_FIELDS} a data set, spread over it",
    }
    write_json(out, {"conditions": conditions, "results": results})


def measure(model: str, folder: Path) -> dict[str, object]:
    segmenter, dataset = load_model(model), open_dataset(folder)
    errors: dict[float, list[float]] = {scale: [] for scale in SCALES}
    losses: dict[float, list[float]] = {scale: [] for scale in SCALES}
    for index in np.linspace(0, len(dataset) - 1, min(MOST_FIELDS, len(dataset))).astype(int):
        field = middle(dataset[index])
        true = typical_diameter(field.instances)
        native = dice(field, segmenter.segment(field.image, dataset.cell_diameter).classes)
        for scale in SCALES:
            result = segmenter.segment(scale_image(field.image, scale), "auto")
            errors[scale].append(abs(result.cell_diameter / scale / true - 1))
            losses[scale].append(native - dice(field, nearest(result.classes, field.classes.shape)))
    return {
        f"scale {scale:g}": {
            "fields": len(errors[scale]),
            "mean_error": round(float(np.mean(errors[scale])), 4),
            "largest_error": round(float(np.max(errors[scale])), 4),
            "mean_loss_of_dice": round(float(np.mean(losses[scale])), 4),
            "largest_loss_of_dice": round(float(np.max(losses[scale])), 4),
        }
        for scale in SCALES
    }


def measure_examples() -> dict[str, object]:
    segmenter = load_model("rbc")
    errors = {
        scale: [
            segmenter.segment(scale_image(read_image(EXAMPLES / f"{name}.jpg"), scale), "auto").cell_diameter
            / scale
            / true
            - 1
            for name, true in BY_HAND.items()
        ]
        for scale in SCALES
    }
    return {
        f"scale {scale:g}": {
            "fields": len(of_scale),
            "mean_error": round(float(np.mean(np.abs(of_scale))), 4),
            "largest_error": round(float(np.max(np.abs(of_scale))), 4),
        }
        for scale, of_scale in errors.items()
    }


def middle(field: Field) -> Field:
    """The middle of a field, so large that its largest scale has at most `MOST_PIXELS`."""
    height, width = field.image.shape[:2]
    share = min(1.0, (MOST_PIXELS / (height * width)) ** 0.5 / max(SCALES))
    rows, columns = (
        slice(round(side * (1 - share) / 2), round(side * (1 + share) / 2)) for side in (height, width)
    )
    return replace(
        field,
        image=field.image[rows, columns],
        classes=field.classes[rows, columns],
        instances=field.instances[rows, columns],
    )


def dice(field, classes) -> float:
    return float(dice_per_class(field.class_map(BINARY), (classes > 0).astype(np.uint8), 2)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(pair.split("=", 1) for pair in sys.argv[2:]))
