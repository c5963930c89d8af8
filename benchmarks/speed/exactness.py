"""How far each peer is from float64: python -m benchmarks.speed.exactness OUT.json

Peers of the speed benchmark, 512 x 512, batch 1: logits of the forward pass and gradients of all weights in
one training step, against those of plain PyTorch in float64.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmarks.speed import peers
from benchmarks.speed.machine import ROOT, conditions, cores

SIDE = 512
TRUTH = "dU-Net, float64"
_COMPARED = {
    "forward": (peers.OURS, "dU-Net, grid_sample", "dU-Net, torchvision", "dU-Net, ONNX Runtime"),
    "training step": (peers.OURS, "dU-Net, grid_sample", "dU-Net, torchvision"),
}


def compute(task: peers.Task) -> None:
    """Put the result of one peer, or the truth, into the task's file."""
    result = _truth(task) if task.peer == TRUTH else peers.build(task).run()
    np.save(task.file, peers.as_array(result))


def _truth(task: peers.Task) -> Any:
    import torch
    import torch.nn.functional as F

    os.environ["DREPANO_KERNEL"] = "reference"
    network = peers.load(task.folder, "dunet").double()
    images = torch.from_numpy(peers.random_images(task.batch, task.side)).double()
    if task.work == "forward":
        with torch.inference_mode():
            return network.eval()(images)
    places = (task.batch, task.side, task.side)
    classes = torch.from_numpy(np.random.default_rng(1).integers(0, peers.CLASSES, places))
    F.cross_entropy(network.train()(images), classes).backward()
    return [parameter.grad for parameter in network.parameters()]


def main(out: Path) -> None:
    rows = []
    with TemporaryDirectory() as folder:
        peers.write_networks(Path(folder))
        for work, names in _COMPARED.items():
            results = {}
            for name in (TRUTH, *names):
                file = f"{folder}/result.npy"
                task = peers.Task(work, name, SIDE, cores(), 1, folder, file)
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.speed.exactness",
                    "--one",
                    json.dumps(asdict(task)),
                ]
                subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
                results[name] = np.load(file)
            truth = results.pop(TRUTH)
            for name, result in results.items():
                difference = np.abs(result - truth)
                rows.append(
                    {
                        "work": work,
                        "peer": name,
                        "largest": float(difference.max() / np.abs(truth).max()),
                        "mean": float(difference.mean() / np.abs(truth).mean()),
                    }
                )
                sys.stderr.write(f"{rows[-1]}\n")
    made = conditions() | {"command": "python -m benchmarks.speed.exactness OUT.json"}
    out.write_text(json.dumps({"conditions": made, "relative_differences": rows}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        compute(peers.Task(**json.loads(sys.argv[2])))
    else:
        main(Path(sys.argv[1]))
