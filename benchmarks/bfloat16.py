"""How many pixels keep their class in bfloat16: python benchmarks/bfloat16.py OUT.json MODEL=FOLDER...

Computes with whatever the CPU has, slowly where it must imitate bfloat16, so that the agreement can be
measured anywhere. FOLDER is a data set or has images.
"""

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from drepano.io import read_image
from drepano.models import find_weights, load_network
from drepano.segmenter import Segmenter

_SUFFIXES = (".png", ".jpg", ".tif", ".tiff")


def agreement(model: str, folder: Path) -> dict:
    """Share of pixels with the same class in both precisions, over all and in the worst field."""
    network, card = load_network(find_weights(model))
    segmenters = [Segmenter(network, card, torch.device("cpu"), name) for name in ("float32", "bfloat16")]
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    shares = []
    for path in paths:
        full, half = (segmenter.segment(read_image(path)).classes for segmenter in segmenters)
        shares.append(float((full == half).mean()))
        sys.stderr.write(f"{model} {path.name}: {shares[-1]:.5%}\n")
    return {
        "model": model,
        "network": card.architecture["name"],
        "fields": len(shares),
        "folder": "/".join(folder.parts[-2:]),
        "same_class_mean": sum(shares) / len(shares),
        "same_class_least": min(shares),
    }


def main(out: Path, pairs: list[str]) -> None:
    rows = [agreement(model, Path(folder)) for model, _, folder in (pair.partition("=") for pair in pairs)]
    conditions = {
        "command": "python benchmarks/bfloat16.py OUT.json MODEL=FOLDER...",
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        **{name: version(name) for name in ("drepano", "torch")},
    }
    out.write_text(json.dumps({"conditions": conditions, "agreement": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
