"""Time of everything after the network: python benchmarks/postprocessing.py OUT.json [FIELD.png...]

Simulated fields of three sizes, and real ones if given, which `rbc` reads at a cell diameter of 105 px.
Medians of REPEATS in one process and thread, in units of what `Segmenter.segment` takes on that field.
`rest of drepano predict` is all else that is done with a field: the steps, files read and written.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from drepano import load_model
from drepano.cells import find_cells, measure_cells
from drepano.datasets.simulated import simulate_field
from drepano.exports import trace_outlines
from drepano.io import read_image, write_json
from drepano.prediction.field_files import FieldFile
from drepano.prediction.one_field import Options, analyse_field, write_field
from drepano.prediction.records import FieldIdentity
from drepano.quality import check_quality
from drepano.reports import draw_overlay

REPEATS = 7
SIMULATED = {  # name: model, size, cells, cell diameter
    "512 x 512, 10 cells": ("scd", (512, 512), 10, 45.0),
    "1200 x 1600, 150 cells": ("scd", (1200, 1600), 150, 45.0),
    "1200 x 1600, 150 large cells": ("rbc", (1200, 1600), 150, 90.0),
}


def main(out: Path, paths: list[str]) -> None:
    torch.set_num_threads(1)
    figures = {}
    for name, (model, size, cells, diameter) in SIMULATED.items():
        field = simulate_field(1, size, cells, diameter)
        figures[f"{model}, simulated, {name}"] = measure(load_model(model), field.image, diameter)
    for path in paths:
        figures[f"rbc, {Path(path).name}"] = measure(load_model("rbc"), read_image(Path(path)), 105.0)
    write_json(out, {"repeats": REPEATS, "fields": figures})


def measure(segmenter, image, diameter) -> dict[str, float]:
    seconds = defaultdict(list)
    for _ in range(REPEATS):
        took = Stopwatch()
        segmentation = segmenter.segment(image, diameter)
        seconds["network"].append(took())
        instances = find_cells(segmentation)
        seconds["cells"].append(took())
        table = measure_cells(segmentation, instances, image)
        seconds["table"].append(took())
        check_quality(
            image,
            segmentation.seen,
            table,
            0,
            diameter,
            segmenter.card.cell_diameter,
            segmenter.card.appearance,
        )
        seconds["quality"].append(took())
        trace_outlines(instances)
        draw_overlay(image, instances, None, segmentation.taxonomy, "")
        seconds["pictures"].append(took())
        seconds["predict"].append(predict(segmenter, image, diameter))
    medians = {step: float(np.median(times)) for step, times in seconds.items()}
    network, whole = medians.pop("network"), medians.pop("predict")
    shares = {step: round(median / network, 3) for step, median in medians.items()}
    return {
        "found": len(table),
        "network_seconds": round(network, 3),
        **shares,
        "all": round(sum(shares.values()), 3),
        "rest of drepano predict": round(whole / network - 1, 3),
    }


def predict(segmenter, image, diameter) -> float:
    """Seconds from a PNG file on until all that a field gets is written."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(image).save(folder / "field.png")
        field = FieldFile("field", folder / "field.png")
        took = Stopwatch()
        found = analyse_field(field, segmenter, Options(diameter))
        write_field(field, found, FieldIdentity("", None, {}), folder, ())
        return took()


class Stopwatch:
    def __init__(self):
        self.last = time.perf_counter()

    def __call__(self) -> float:
        """Seconds since the last call."""
        before, self.last = self.last, time.perf_counter()
        return self.last - before


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
