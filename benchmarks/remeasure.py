"""Cells found in the maps of finished jobs, measured anew: python benchmarks/remeasure.py RUN...

After a change of how pieces of a map become cells (`drepano.cells.part_cells`), or of what is told of them.
Each RUN is a whole folder of `drepano compare`, with its maps: what `CellCounts` tells of every field, F1,
panoptic quality, recall and confusion of cells in its results become those of today. Jobs without maps
stay as they are, and are named. The same `compare` command then writes tables and report.
"""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drepano.cells import part_cells
from drepano.experiments.job import MAPS
from drepano.experiments.measure import CellCounts
from drepano.experiments.plan import FIELDS, JOBS, RESULT, Plan, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.working_copy import CELL_DIAMETER, open_working_copy
from drepano.field import Field
from drepano.io import read_label_values, without_nan, write_text
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
        classes = read_map(path.parent, row["field"])
        row.update(counts.add(fields[row["field"]], classes, part_cells(classes > 0, CELL_DIAMETER)))
    return {**result, "cells_versions": versions(), **counts.figures()}


def read_map(job: Path, field: str) -> NDArray[np.uint8]:
    """What a finished job made of a field: a class map (H, W)."""
    return read_label_values(job / MAPS / f"{field}.png").values.astype(np.uint8)


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:]])
