"""Time and memory of one field, network and post-processing: python benchmarks/segmentation.py OUT.json

The fields are a bundled one repeated as in a mirror: the numbers are about size, not about accuracy.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

SIZES = ((512, 512), (1200, 1600), (3000, 3000), (6000, 6000))
FIELD = Path(__file__).parents[1] / "examples" / "chula-rbc12" / "chula-109.jpg"


def measure(height: int, width: int) -> dict[str, float]:
    """Seconds and peak memory (MB, of the process) for one field, in a process of its own."""
    import drepano
    from drepano.cells import find_cells
    from drepano.io import read_image

    model = drepano.load_model("rbc")
    field = read_image(FIELD)
    rows, columns = height - field.shape[0], width - field.shape[1]
    image = np.pad(field, ((0, max(0, rows)), (0, max(0, columns)), (0, 0)), mode="symmetric")[
        :height, :width
    ]
    model.segment(image[:256, :256])
    before = peak()
    begin = time.perf_counter()
    result = model.segment(image)
    network = time.perf_counter() - begin
    after_network = peak()
    begin = time.perf_counter()
    cells = drepano.measure_cells(result, find_cells(result))
    return {
        "height": height,
        "width": width,
        "cells": len(cells),
        "network_s": network,
        "cells_s": time.perf_counter() - begin,
        "arrays_mb": (image.nbytes + result.classes.nbytes + result.probabilities.nbytes) / 1e6,
        "peak_before_mb": before,
        "peak_network_mb": after_network,
        "peak_cells_mb": peak(),
    }


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main(out: Path) -> None:
    from drepano.io import write_json

    rows = []
    for height, width in SIZES:
        code = f"import segmentation, json; print(json.dumps(segmentation.measure({height}, {width})))"
        answer = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, check=True
        )
        rows.append(json.loads(answer.stdout))
        sys.stderr.write(f"{rows[-1]}\n")
    conditions = {
        "command": "python benchmarks/segmentation.py OUT.json",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        **{name: version(name) for name in ("drepano", "torch")},
    }
    write_json(out, {"conditions": conditions, "fields": rows})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
