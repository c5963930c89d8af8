"""Touching cells: python benchmarks/parting.py OUT.json NAME=MODEL=DATASET[=PATIENT]...

Cells found with and without parting, with other necks, and with the network's own neck for pieces too large
for a cell as well, against true cells. What has the same NAME is counted together; PATIENT takes the fields
of one patient only, whom MODEL should not have seen. `cut` counts true cells of which two found cells each
cover a tenth or more, by true class.
"""

import sys
from collections import defaultdict
from pathlib import Path

from drepano import load_model
from drepano.cells import part_cells
from drepano.datasets import open_dataset
from drepano.io import write_json
from drepano.metrics import CellErrors, cell_errors
from drepano.metrics.counting import count_pairs, number_cells
from drepano.metrics.detection import Detection, match_cells, mean_count_error

NECKS = {"connected components": 0.0, **{f"neck {neck}": neck for neck in (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)}}


def main(out: Path, places: list[str]) -> None:
    segmented = defaultdict(list)
    for place in places:
        name, model, folder, *patient = place.split("=")
        segmenter, dataset = load_model(model), open_dataset(Path(folder))
        for field in dataset:
            if not patient or field.patient == patient[0]:
                segmentation = segmenter.segment(field.image, dataset.cell_diameter)
                segmented[name].append((field, segmentation, dataset.taxonomy))
    figures = {}
    for name, fields in segmented.items():
        figures[name] = {"fields": len(fields), "neck of the network": fields[0][1].neck}
        for parting, neck in NECKS.items():
            figures[name][parting] = measure(fields, neck)
            write_json(out, figures)
        figures[name]["the network's neck for large pieces too"] = measure(
            fields, fields[0][1].neck, large_share=float("inf")
        )
        write_json(out, figures)


def measure(fields, neck: float, **large: float) -> dict:
    found, errors, counts, cut = Detection(), CellErrors(), [], defaultdict(int)
    for field, segmentation, taxonomy in fields:
        cells = part_cells(segmentation.classes > 0, segmentation.cell_diameter, neck, **large)
        found += match_cells(field.instances, cells)
        errors += cell_errors(field.instances, segmentation.classes, cells)
        true, count = number_cells(field.instances)
        counts.append((int(cells.max(initial=0)), count))
        shared = count_pairs(true, cells, count + 1, int(cells.max(initial=0)) + 1)
        in_parts = (shared[1:, 1:] >= 0.1 * shared[1:].sum(axis=1, keepdims=True)).sum(axis=1) > 1
        of_class = count_pairs(true, field.classes, count + 1, len(taxonomy))[1:, 1:].argmax(axis=1) + 1
        for index, name in enumerate(taxonomy.cell_classes, start=1):
            cut[name] += int((in_parts & (of_class == index)).sum())
    return {
        "true_cells": errors.true_cells,
        "f1": round(found.f1, 4),
        "panoptic_quality": round(found.panoptic_quality, 4),
        "mean_count_error": round(mean_count_error(*zip(*counts, strict=True)), 4),
        "joined": errors.joined,
        "artefacts": errors.artefacts,
        "incomplete": errors.incomplete,
        "cut": dict(cut),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
