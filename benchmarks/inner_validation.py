"""Choose among runs and necks: python benchmarks/inner_validation.py OUT.json DATASET... -- RUN...

The DATASETs are those that the RUNs were trained on, in the same order. Cells are looked for in the fields
that each run's own splits.json held out of training, parted at several necks (`Segmentation.neck`); no test
field is looked at.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from drepano import load_model
from drepano.cells import part_cells
from drepano.datasets import open_dataset
from drepano.io import write_json
from drepano.metrics.detection import Detection, match_cells, mean_count_error
from drepano.metrics.pixel import dice_per_class
from drepano.taxonomy import BINARY

NECKS = (0.0, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


def main(out: Path, folders: list[str], runs: list[str]) -> None:
    datasets = [open_dataset(Path(folder)) for folder in folders]
    write_json(out, {Path(run).name: measure(Path(run), datasets) for run in runs})


def measure(run: Path, datasets) -> dict[str, dict[str, Any]]:
    segmenter = load_model(run / "model.safetensors")
    splits = json.loads((run / "splits.json").read_text())
    figures = {}
    for dataset, (name, split) in zip(datasets, splits.items(), strict=True):
        fields = [
            (field, segmenter.segment(field.image, dataset.cell_diameter))
            for field in dataset.with_ids(split["validation"])
        ]
        dice = [
            dice_per_class(field.class_map(BINARY), segmentation.classes, 2)[1]
            for field, segmentation in fields
        ]
        figures[name] = {
            "fields": len(fields),
            "dice": round(float(np.mean(dice)), 4),
            **{f"neck {neck}": count(fields, neck) for neck in NECKS},
        }
    return figures


def count(fields, neck: float, **large: float) -> dict[str, float]:
    """Figures of the cells of all fields, parted at a neck; for what is `large` see `part_cells`."""
    matches = [
        match_cells(
            field.instances,
            part_cells(segmentation.classes > 0, segmentation.cell_diameter, neck, **large),
        )
        for field, segmentation in fields
    ]
    found = sum(matches, Detection())
    return {
        "f1": round(found.f1, 4),
        "panoptic_quality": round(found.panoptic_quality, 4),
        "mean_count_error": round(
            mean_count_error([one.predicted_cells for one in matches], [one.true_cells for one in matches]), 4
        ),
    }


if __name__ == "__main__":
    middle = sys.argv.index("--")
    main(Path(sys.argv[1]), sys.argv[2:middle], sys.argv[middle + 1 :])
