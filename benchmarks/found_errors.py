"""Errors I to III of the cells that are counted: python benchmarks/found_errors.py OUT.json RUN...

The tables of `drepano compare` count the errors of the class maps' connected pieces. Here
they are counted on the cells that `find_cells` makes of the same maps: touching ones parted, debris dropped.
Each RUN is a whole folder of `drepano compare`, with its maps; what several have is taken from the first.
"""

import sys
from collections import defaultdict
from pathlib import Path

from remeasure import read_map

from drepano.cells import find_cells
from drepano.experiments.plan import FIELDS, JOBS, RESULT, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.working_copy import open_working_copy
from drepano.io import write_json
from drepano.metrics import CellErrors, Detection, cell_errors, match_cells


def main(out: Path, runs: list[Path]) -> None:
    figures = {}
    for run in runs:
        plan = read_plan(run)
        fields = open_working_copy(run / FIELDS, plan.patients)
        for method in sorted(path.name for path in (run / JOBS).iterdir() if path.name not in figures):
            figures[method] = measure(run, method, plan, {field.id: field for field in fields})
            write_json(out, {"steps": plan.budget.steps, "methods": figures})


def measure(run: Path, method: str, plan, fields) -> dict[str, float]:
    errors: dict[str, CellErrors] = defaultdict(CellErrors)
    detection = Detection()
    for result in sorted((run / JOBS / method).glob(f"*/*/{RESULT}")):
        for row in read_result(result)["fields"]:
            field = fields[row["field"]]
            segmentation = read_map(result.parent, field.id, plan.class_taxonomy)
            classes, cells = segmentation.classes, find_cells(segmentation)
            detection += match_cells(field.instances, cells)
            errors["of pieces"] += cell_errors(field.instances, classes)
            errors["of cells counted"] += cell_errors(field.instances, classes, cells)
    per_100 = {
        kind: {
            name: round(100 * getattr(counted, name) / counted.true_cells, 2)
            for name in ("joined", "artefacts", "incomplete")
        }
        for kind, counted in errors.items()
    }
    return {
        "jobs": len(list((run / JOBS / method).glob(f"*/*/{RESULT}"))),
        "f1": round(detection.f1, 4),
        **{
            f"errors per 100 cells {kind}": {**one, "all": round(sum(one.values()), 2)}
            for kind, one in per_100.items()
        },
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
