"""Cells found in the maps of finished jobs, measured anew: python benchmarks/remeasure.py RUN...

After a change of how pieces of a map become cells (`drepano.cells.find_cells`). Each RUN is a whole folder of
`drepano compare`, with its maps: the number of cells of every field, F1, panoptic quality, recall and
confusion of cells in its results become those of today. Jobs without maps stay as they are, and are named.
The same `compare` command then writes tables and report.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from drepano.cells import find_cells
from drepano.experiments.jobs import MAPS
from drepano.experiments.plan import FIELDS, JOBS, RESULT, Plan, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.working_copy import CELL_DIAMETER, open_working_copy
from drepano.field import Field, Segmentation
from drepano.io import without_nan, write_text
from drepano.metrics import Detection, cell_confusion, cell_recall, match_cells
from drepano.training import versions


def main(runs: list[Path]) -> None:
    for run in runs:
        plan = read_plan(run)
        fields = {field.id: field for field in open_working_copy(run / FIELDS, plan.patients)}
        for path in sorted((run / JOBS).glob(f"*/*/*/{RESULT}")):
            if (path.parent / MAPS).is_dir():
                write_text(path, json.dumps(without_nan(remeasured(path, plan, fields))))
            else:
                sys.stdout.write(f"{path.parent}: has no maps\n")


def remeasured(path: Path, plan: Plan, fields: dict[str, Field]) -> dict:
    result, taxonomy = read_result(path), plan.class_taxonomy
    detection = Detection()
    counts = np.zeros((len(taxonomy), len(taxonomy)), np.int64)
    for row in result["fields"]:
        field = fields[row["field"]]
        classes = np.asarray(Image.open(path.parent / MAPS / f"{field.id}.png"))
        probabilities = np.empty((0, *classes.shape), np.float32)  # cells are found in the class map alone
        cells = find_cells(Segmentation(classes, probabilities, taxonomy, CELL_DIAMETER))
        row["cells"] = int(cells.max(initial=0))
        detection += match_cells(field.instances, cells)
        counts += cell_confusion(field.instances, cells, field.class_map(taxonomy), classes, len(taxonomy))
    return {
        **result,
        "cells_versions": versions(),
        "detection": {
            **asdict(detection),
            "f1": detection.f1,
            "panoptic_quality": detection.panoptic_quality,
        },
        "cell_confusion": counts.tolist(),
        "cell_recall": cell_recall(counts).tolist(),
    }


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:]])
