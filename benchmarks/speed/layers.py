"""Time of each deformable layer of the network, and what the machine could do at best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from benchmarks.speed.peers import Task, load, random_images
from torch import Tensor, nn

from drepano.models import for_inference
from drepano.ops import DeformableConv2d

_REPETITIONS = 9
_MATRIX_SIDE = 2048
_COPIED_FLOATS = 2**26


def measure(task: Task) -> dict[str, Any]:
    """Seconds of every layer on what it gets in the network, forward and backward, and the floor.

    A layer's multiply-adds are those of the offset convolution and of the product of weights and samples; for
    backward twice as many are counted, as for any convolution. Sampling is not counted, nor what backward
    makes anew.
    """
    torch.set_num_threads(task.threads)
    network = load(task.folder, "dunet").eval()
    folded = for_inference(network)
    seen: list[tuple[str, nn.Module, tuple[Tensor, ...], Tensor]] = []
    for name, layer in folded.named_modules():
        if isinstance(layer, DeformableConv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(
                lambda layer, inputs, output, name=name: seen.append((name, layer, inputs, output))
            )
    images = torch.from_numpy(random_images(task.batch, task.side))
    with torch.no_grad():
        folded(images.contiguous(memory_format=torch.channels_last))

    rows = []
    transposed = 0
    for name, layer, inputs, output in seen:
        in_channels, out_channels = sum(image.shape[1] for image in inputs), output.shape[1]
        numbers = sum(image.numel() for image in inputs)
        if isinstance(layer, nn.ConvTranspose2d):
            transposed += 9 * numbers * out_channels
            continue
        multiply_adds = 9 * numbers * (18 + out_channels)
        forward = _forward(layer, inputs)
        backward = _backward(network.get_submodule(name), inputs, needs_input=in_channels > 3)
        rows.append(
            {
                "name": name,
                "in_channels": in_channels,
                "out_channels": out_channels,
                "side": output.shape[-1],
                "multiply_adds": multiply_adds,
                "forward_s": forward,
                "forward_rate": multiply_adds / forward,
                "backward_s": backward,
                "backward_rate": 2 * multiply_adds / backward,
            }
        )
    multiply_adds = transposed + sum(row["multiply_adds"] for row in rows)
    moved = sum(tensor.nbytes for _, _, inputs, output in seen for tensor in (*inputs, output))
    product, copy = _product_rate(), _copy_bandwidth()
    floor = {
        "multiply_adds": multiply_adds,
        "product_rate": product,
        "product_s": multiply_adds / product,
        "bytes": moved,
        "bytes_per_s": copy,
        "copy_s": moved / copy,
    }
    return {"layers": rows, "floor": floor}


@torch.inference_mode()
def _forward(layer: nn.Module, images: Sequence[Tensor]) -> float:
    return _seconds(lambda: layer.forward(*images))


def _backward(layer: nn.Module, images: Sequence[Tensor], needs_input: bool) -> float:
    images = [image.clone().requires_grad_(needs_input) for image in images]
    output = layer(*images)
    gradient = torch.randn_like(output)
    wanted = [*layer.parameters(), *(images if needs_input else [])]
    return _seconds(lambda: torch.autograd.grad(output, wanted, gradient, retain_graph=True))


def _product_rate() -> float:
    """Multiply-adds a second of a large product of float32 matrices."""
    left, right = torch.randn(2, _MATRIX_SIDE, _MATRIX_SIDE)
    return _MATRIX_SIDE**3 / _seconds(lambda: left @ right)


def _copy_bandwidth() -> float:
    """Bytes a second that a copy reads and writes."""
    source, target = torch.zeros(2, _COPIED_FLOATS)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source))


def _seconds(call: Callable[[], object]) -> float:
    """Median of some repetitions after one to warm up."""
    call()
    times = []
    for _ in range(_REPETITIONS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return median(times)
