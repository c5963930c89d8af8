"""How many pixels keep their class in bfloat16: python benchmarks/bfloat16.py OUT.json MODEL=FOLDER...

Computes with whatever the CPU has, slowly where it must imitate bfloat16, so that the agreement can be
measured anywhere; the time means something only where ``has_bfloat16`` is true. Both precisions take turns,
field by field, on PyTorch's number of threads. FOLDER has images.
"""

import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch

from drepano.devices import check_precision
from drepano.errors import DrepanoError
from drepano.io import read_image, write_json
from drepano.models import find_weights, load_network
from drepano.segmenter import Segmenter

_SUFFIXES = (".png", ".jpg", ".tif", ".tiff")


def agreement(model: str, folder: Path) -> dict:
    """Share of pixels with the same class in both precisions, over all and in the worst field; time."""
    network, card = load_network(find_weights(model))
    segmenters = [Segmenter(network, card, torch.device("cpu"), name) for name in ("float32", "bfloat16")]
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    shares, seconds = [], []
    segmenters[0].segment(read_image(paths[0]))  # compiles the kernels
    for path in paths:
        image = read_image(path)
        maps, times = [], []
        for segmenter in segmenters:
            begin = time.perf_counter()
            maps.append(segmenter.segment(image).classes)
            times.append(time.perf_counter() - begin)
        shares.append(float((maps[0] == maps[1]).mean()))
        seconds.append(times[1] / times[0])
        sys.stderr.write(f"{model} {path.name}: {shares[-1]:.5%}\n")
    return {
        "model": model,
        "network": card.architecture["name"],
        "fields": len(shares),
        "folder": "/".join(folder.parts[-2:]),
        "same_class_mean": sum(shares) / len(shares),
        "same_class_least": min(shares),
        "time_against_float32": median(seconds),
    }


def _has_bfloat16() -> bool:
    try:
        check_precision("bfloat16", "cpu")
    except DrepanoError:
        return False
    return True


def main(out: Path, pairs: list[str]) -> None:
    rows = [agreement(model, Path(folder)) for model, _, folder in (pair.partition("=") for pair in pairs)]
    conditions = {
        "command": "python benchmarks/bfloat16.py OUT.json MODEL=FOLDER...",
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "has_bfloat16": _has_bfloat16(),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in ("drepano", "torch")},
    }
    write_json(out, {"conditions": conditions, "agreement": rows})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
