"""Cells found in the maps of finished jobs, measured anew: python benchmarks/remeasure.py RUN...

After a change of how pieces of a map become cells (`drepano.cells.find_cells`), or of what is told of them.
Each RUN is a whole folder of `drepano compare`, with its maps: what `CellCounts` tells of every field, F1,
panoptic quality, recall and confusion of cells in its results become those of today. Jobs without maps
stay as they are, and are named. The same `compare` command then writes tables and report.
"""

import json
import sys
from pathlib import Path

import numpy as np

from drepano.experiments.jobs import MAPS
from drepano.experiments.measure import CellCounts, without_probabilities
from drepano.experiments.plan import FIELDS, JOBS, RESULT, Plan, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.working_copy import open_working_copy
from drepano.field import Field, Segmentation
from drepano.io import read_label_values, without_nan, write_text
from drepano.taxonomy import Taxonomy
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
    result = read_result(path)
    counts = CellCounts(plan.class_taxonomy)
    for row in result["fields"]:
        segmentation = read_map(path.parent, row["field"], plan.class_taxonomy)
        row.update(counts.add(fields[row["field"]], segmentation))
    return {**result, "cells_versions": versions(), **counts.figures()}


def read_map(job: Path, field: str, taxonomy: Taxonomy) -> Segmentation:
    """What a finished job made of a field, without probabilities: cells are found in the class map alone."""
    classes = read_label_values(job / MAPS / f"{field}.png").values.astype(np.uint8)
    return without_probabilities(classes, taxonomy)


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:]])
