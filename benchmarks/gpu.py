"""Check and time the Triton kernels on an NVIDIA GPU: python benchmarks/gpu.py [--out FILE.json] [--quick]

Results must be those of plain PyTorch in float64. Then dU-Net is timed with its deformable layers computed by
our kernels, by torchvision and by plain PyTorch, which take turns, A B A B, so that whatever else the machine
does meets all of them; so is every layer alone. The file is written after every part. float32 means float32:
PyTorch may not use TF32. ``--tune`` times other ways to cut up the kernels' work and nothing else.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drepano.io import write_json
from drepano.models import for_inference
from drepano.models.unet import DUNet
from drepano.ops import DeformableConv2d, cuda, deform_conv2d

ROOT = Path(__file__).parents[1]
CLASSES = 5
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Largest difference from float64, relative to the largest magnitude."""
PEERS = ("triton", "torchvision", "reference")
PRODUCTS = ("ieee", "tf32x3")
"""Ways to multiply float32 in our kernels."""
TURN_S = 0.1
"""A peer repeats its call for about this long in its turn, at least once."""
MOST_REPETITIONS = 50


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    side: int = 512
    batches: Sequence[int] = (1, 8)
    layers_batch: int = 8
    rounds: int = 3


QUICK = Plan(side=128, batches=(1, 2), layers_batch=2, rounds=2)


def main(out: Path, plan: Plan, tune: bool) -> int:
    """0 if all results were right."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    results: dict[str, Any] = {"conditions": conditions(), "plan": asdict(plan)}
    parts: dict[str, Callable[[Plan], Any]] = {
        "correctness": lambda _: check(),
        "floor": floor,
        "networks": time_networks,
        "distance": lambda _: distance(results),
        "layers": time_layers,
    }
    if tune:
        parts = {"tuning": time_schedules}
    for name, part in parts.items():
        begin = time.perf_counter()
        results[name] = part(plan)
        results[f"{name}_s"] = time.perf_counter() - begin
        write_json(out, results)
        write_table(name, results[name])
    return 0 if all(row["right"] for row in results.get("correctness", [])) else 1


def conditions() -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(0)
    return {
        "command": f"python benchmarks/gpu.py {' '.join(sys.argv[1:])}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _output("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "tree_clean": _output("git", "-C", str(ROOT), "status", "--porcelain", "--", "src", "benchmarks")
        == "",
        "gpu": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "memory_gb": round(properties.total_memory / 1e9, 1),
        "driver": _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "system": f"{platform.platform()}, {os.cpu_count()} cores",
        "load_before": os.getloadavg(),
        "tf32": False,
        "float32_product": cuda.FLOAT32_PRODUCT,
        "schedules": {"forward": asdict(cuda.FORWARD), "backward": asdict(cuda.BACKWARD)},
        "versions": {
            "python": platform.python_version(),
            "cuda": torch.version.cuda,
            **{name: _version(name) for name in ("drepano", "torch", "triton", "torchvision")},
        },
    }


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


# --- correctness --------------------------------------------------------------------------------------------


def check() -> list[dict[str, Any]]:
    """Largest differences of output and gradients from float64, relative to the largest magnitude."""
    pairs = sorted({layer_size(layer) for layer in deformable_layers(DUNet(CLASSES))} | {(10, 12), (70, 66)})
    rows = []
    for (channels, outputs), dtype, scope in product(pairs, TOLERANCE, (0.5, 2.0, 7.0)):
        for way in _products(dtype):
            with multiplying(way):
                differences = _differences(channels, outputs, dtype, scope)
            # What is not the default is only told.
            counts = way in ("", cuda.FLOAT32_PRODUCT)
            rows.append(
                {
                    "layer": f"{channels} to {outputs}",
                    "scope": scope,
                    "type": f"{_name(dtype)} {way}".strip(),
                    **differences,
                    "right": not counts or max(differences.values()) <= TOLERANCE[dtype],
                }
            )
    return rows


def _differences(channels: int, outputs: int, dtype: torch.dtype, scope: float) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to("cuda", dtype)

    spread = (9 * channels) ** -0.5
    input, towards = normal(2, channels, 61, 83), normal(2, outputs, 61, 83)
    offset_weight, weight = normal(18, channels, 3, 3) * spread, normal(outputs, channels, 3, 3) * spread
    bias = normal(outputs)

    leaves = [tensor.double().requires_grad_() for tensor in (input, offset_weight, weight, bias)]
    shift = scope * torch.tanh(F.conv2d(leaves[0], leaves[1], padding=1))
    true_output = deform_conv2d(leaves[0], shift, leaves[2], leaves[3], padding=1)
    # On whole shifts the gradient jumps, and rounding decides to which side: none where one is that close.
    towards *= ((shift - shift.round()).abs() > 1e-4).all(1, keepdim=True)
    true_output.backward(towards.double())
    output = cuda.forward(input, offset_weight, weight, bias, scope, False)
    gradients = cuda.backward(towards, input, offset_weight, weight, scope, True)

    names = ("output", "input", "offset_weight", "weight", "bias")
    truths = (true_output.detach(), *(leaf.grad for leaf in leaves))
    return {
        name: float((result.double() - truth).abs().max() / truth.abs().max())
        for name, result, truth in zip(names, (output, *gradients), truths, strict=True)
        if truth is not None
    }


# --- what is compared ---------------------------------------------------------------------------------------


@contextmanager
def computed_by(peer: str) -> Iterator[None]:
    """Deformable layers are computed by one of `PEERS`."""
    if peer == "torchvision":
        with mock.patch.object(DeformableConv2d, "forward", _by_torchvision):
            yield
    else:
        with mock.patch.dict(os.environ, {"DREPANO_KERNEL": peer}):
            yield


def _by_torchvision(layer: DeformableConv2d, input: Tensor, skip: Tensor | None = None) -> Tensor:
    from torchvision.ops import deform_conv2d

    if skip is not None:
        input = torch.cat([input, skip], 1)
    shift = layer.scope * torch.tanh(layer.offset(input))
    output: Tensor = deform_conv2d(input, shift, layer.weight, layer.bias, padding=1)
    return output.relu() if layer.relu else output


@contextmanager
def multiplying(way: str) -> Iterator[None]:
    """Our kernels multiply float32 in one of `PRODUCTS`; nothing changes without a name."""
    with mock.patch.object(cuda, "FLOAT32_PRODUCT", way or cuda.FLOAT32_PRODUCT):
        yield


def _products(dtype: torch.dtype) -> Sequence[str]:
    return PRODUCTS if dtype == torch.float32 else ("",)


def available_peers() -> list[str]:
    try:
        import_module("torchvision.ops")
    except (ImportError, RuntimeError) as error:
        sys.stdout.write(f"torchvision is left out, it cannot be imported: {error}\n")
        return [peer for peer in PEERS if peer != "torchvision"]
    return list(PEERS)


def make_network() -> DUNet:
    """Random, with shifts of half a pixel, some of more than one, as in a trained one."""
    torch.manual_seed(0)
    network = DUNet(CLASSES)
    for layer in deformable_layers(network):
        nn.init.normal_(layer.offset.weight, std=0.25 * (9 * layer.weight.shape[1]) ** -0.5)
    return network.cuda()


def deformable_layers(network: nn.Module) -> list[DeformableConv2d]:
    return [module for module in network.modules() if isinstance(module, DeformableConv2d)]


def layer_size(layer: DeformableConv2d) -> tuple[int, int]:
    """Channels and outputs."""
    outputs, channels = layer.weight.shape[:2]
    return channels, outputs


# --- networks -----------------------------------------------------------------------------------------------


def time_networks(plan: Plan) -> list[dict[str, Any]]:
    """A forward pass and a training step of dU-Net, of every peer."""
    rows = []
    dtypes = (torch.float32, torch.bfloat16)
    for work, dtype, batch in product((_forward, _training_step), dtypes, plan.batches):
        images = torch.randn(batch, 3, plan.side, plan.side, device="cuda")
        calls = {peer: work(peer, dtype, images) for peer in available_peers()}
        name = work.__name__.strip("_").replace("_", " ")
        for peer, measured in take_turns(calls, plan.rounds).items():
            rows.append({"work": name, "type": _name(dtype), "batch": batch, "peer": peer, **measured})
    return rows


def _forward(peer: str, dtype: torch.dtype, images: Tensor) -> Callable[[], Any]:
    """Batch normalisation and ReLU folded into the convolutions; in the order that is best for the peer."""
    network = for_inference(make_network()).to(memory_format=_order(peer))
    images = images.contiguous(memory_format=_order(peer))

    @torch.inference_mode()
    def run() -> Tensor:
        with computed_by(peer), torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            logits: Tensor = network(images)
            return logits

    return run


def _training_step(peer: str, dtype: torch.dtype, images: Tensor) -> Callable[[], Any]:
    network = make_network().train().to(memory_format=_order(peer))
    images = images.contiguous(memory_format=_order(peer))
    classes = torch.randint(CLASSES, (len(images), *images.shape[2:]), device="cuda")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def run() -> None:
        optimizer.zero_grad()
        with computed_by(peer), torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            loss = F.cross_entropy(network(images), classes)
        loss.backward()
        optimizer.step()

    return run


def _order(peer: str) -> torch.memory_format:
    return torch.channels_last if peer == "triton" else torch.contiguous_format


# --- layers -------------------------------------------------------------------------------------------------


def time_layers(plan: Plan) -> list[dict[str, Any]]:
    """Every deformable layer alone, forward and backward, on random numbers of the size it has in dU-Net."""
    rows = []
    others = [(peer, "") for peer in available_peers()[1:]]
    for (size, side), dtype in product(_layer_sizes(plan.side), (torch.float32, torch.bfloat16)):
        input = torch.randn(plan.layers_batch, size[0], side, side, device="cuda", dtype=dtype)
        peers = [("triton", way) for way in _products(dtype)] + others
        for work in (_layer_forward, _layer_forward_and_backward):
            calls = {f"{peer} {way}".strip(): work(peer, way, size, input) for peer, way in peers}
            name = work.__name__.removeprefix("_layer_").replace("_", " ")
            for peer, measured in take_turns(calls, plan.rounds).items():
                layer = {"layer": "{} to {}".format(*size), "side": side, "type": _name(dtype)}
                rows.append({**layer, "work": name, "peer": peer, **measured})
    return rows


def _layer_sizes(side: int) -> list[tuple[tuple[int, int], int]]:
    """Channels, outputs and side of all layers, each once."""
    seen: dict[tuple[tuple[int, int], int], None] = {}
    network = make_network().eval()
    for layer in deformable_layers(network):
        layer.register_forward_hook(
            lambda layer, inputs, _: seen.setdefault((layer_size(layer), inputs[0].shape[-1]))
        )
    with torch.inference_mode(), computed_by("reference"):
        network(torch.zeros(1, 3, side, side, device="cuda"))
    return list(seen)


def _make_layer(size: tuple[int, int], dtype: torch.dtype) -> DeformableConv2d:
    layer = DeformableConv2d(*size)
    nn.init.normal_(layer.offset.weight, std=0.25 * (9 * size[0]) ** -0.5)
    return layer.to("cuda", dtype)


def _layer_forward(peer: str, way: str, size: tuple[int, int], input: Tensor) -> Callable[[], Any]:
    layer = _make_layer(size, input.dtype)
    input = input.contiguous(memory_format=_order(peer))

    @torch.inference_mode()
    def run() -> Tensor:
        with computed_by(peer), multiplying(way):
            output: Tensor = layer(input)
            return output

    return run


def _layer_forward_and_backward(
    peer: str, way: str, size: tuple[int, int], input: Tensor
) -> Callable[[], Any]:
    """Together, since what forward keeps for backward is memory too."""
    layer = _make_layer(size, input.dtype)
    leaf = input.detach().clone(memory_format=_order(peer)).requires_grad_()
    towards = torch.randn(len(input), size[1], *input.shape[2:], device="cuda", dtype=input.dtype)
    towards = towards.contiguous(memory_format=_order(peer))

    def run() -> Any:
        with computed_by(peer), multiplying(way):
            return torch.autograd.grad(layer(leaf), [leaf, *layer.parameters()], towards)

    return run


# --- other schedules ----------------------------------------------------------------------------------------


def time_schedules(plan: Plan) -> list[dict[str, Any]]:
    """Two layers with tiles, warps and registers that are not the default, and with other products."""
    cuts = ((4, 4, 1), (4, 8, 1), (4, 8, 2), (8, 8, 2), (8, 8, 4), (8, 16, 4))
    rows = []
    for (size, part), dtype in product((((8, 8), 1), ((32, 16), 4)), (torch.float32, torch.bfloat16)):
        side = plan.side // part
        input = torch.randn(plan.layers_batch, size[0], side, side, device="cuda", dtype=dtype)
        for way, work in product(_products(dtype), (_layer_forward, _layer_forward_and_backward)):
            kernel = "FORWARD" if work is _layer_forward else "BACKWARD"
            settings = [cuda.Schedule(*cut) for cut in cuts]
            if kernel == "BACKWARD":
                settings += [cuda.Schedule(*cut, registers=128) for cut in ((4, 4, 1), (8, 8, 4))]
            settings += [cuda.Schedule(programs=16), cuda.Schedule(programs=64)]
            for setting in settings:
                with mock.patch.object(cuda, kernel, setting):
                    measured = take_turns({"": work("triton", way, size, input)}, plan.rounds)[""]
                layer = {
                    "layer": "{} to {}".format(*size),
                    "side": side,
                    "type": f"{_name(dtype)} {way}".strip(),
                }
                rows.append({**layer, "kernel": kernel.lower(), **asdict(setting), **measured})
    return sorted(
        rows, key=lambda row: (row["kernel"], row["layer"], row["type"], row.get("median_ms", torch.inf))
    )


# --- time and memory ----------------------------------------------------------------------------------------


def take_turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, Any]]:
    """Of every call the median time and the most memory, in turn A B A B; what fails is told and left out."""
    results: dict[str, dict[str, Any]] = {}
    for name, call in calls.items():
        results[name] = _attempt(lambda call=call: _first(call))  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            if "failed" not in results[name]:
                repetitions = min(MOST_REPETITIONS, max(1, round(1000 * TURN_S / results[name]["warm_ms"])))
                times[name].append(_milliseconds(call, repetitions))
    for name, spent in times.items():
        if spent:
            results[name] |= {"median_ms": median(spent), "least_ms": min(spent), "most_ms": max(spent)}
    return results


def _attempt(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return measure()
    except torch.OutOfMemoryError:
        reason = "out of memory"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:300]
    # Only here, where the error no longer holds the call's tensors.
    gc.collect()
    torch.cuda.empty_cache()
    return {"failed": reason}


def _first(call: Callable[[], Any]) -> dict[str, Any]:
    """Compile and warm up; then the memory that one call takes besides what is there before."""
    begin = time.perf_counter()
    call()
    torch.cuda.synchronize()
    first = time.perf_counter() - begin
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    return {
        "first_s": first,
        "peak_mb": peak / 1e6,
        "besides_mb": (peak - before) / 1e6,
        "warm_ms": _milliseconds(call, 1),
    }


def _milliseconds(call: Callable[[], Any], repetitions: int) -> float:
    """Of one call of several in a row, with what Python takes for them."""
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(repetitions):
        call()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - begin) / repetitions


# --- distance from the floor --------------------------------------------------------------------------------


def floor(plan: Plan) -> dict[str, Any]:
    """What the GPU can do, and what the network asks of it for one image.

    Multiply-adds are those of the offset convolutions, of the products with the samples and of the transposed
    convolutions, twice as many again backward; sampling is not counted. Numbers are moved if every
    convolution reads its input and writes its output once, and backward reads input and gradient of the
    output and writes the gradient of the input.
    """
    multiply_adds = forward_numbers = backward_numbers = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal multiply_adds, forward_numbers, backward_numbers
        read, written = sum(tensor.numel() for tensor in inputs), output.numel()
        with_offsets = isinstance(layer, DeformableConv2d)
        multiply_adds += 9 * read * (output.shape[1] + (18 if with_offsets else 0))
        forward_numbers += read + written
        backward_numbers += 2 * read + written

    network = for_inference(make_network())
    for module in network.modules():
        if isinstance(module, DeformableConv2d | nn.ConvTranspose2d):
            module.register_forward_hook(count)
    with torch.inference_mode(), computed_by("reference"):
        network(torch.zeros(1, 3, plan.side, plan.side, device="cuda"))
    return {
        "multiply_adds": multiply_adds,
        "forward_numbers": forward_numbers,
        "backward_numbers": backward_numbers,
        "copied_bytes_per_s": _copy_bandwidth(),
        "float32_multiply_adds_per_s": _product_rate(torch.float32, 4096),
        "bfloat16_multiply_adds_per_s": _product_rate(torch.bfloat16, 8192),
    }


def _copy_bandwidth() -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.zeros(2**30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / (1e-3 * _best_ms(lambda: target.copy_(source)))


def _product_rate(dtype: torch.dtype, side: int) -> float:
    """Multiply-adds a second of a large product of matrices."""
    left, right = torch.randn(2, side, side, device="cuda", dtype=dtype)
    return float(side**3 / (1e-3 * _best_ms(lambda: left @ right)))


def _best_ms(call: Callable[[], Any]) -> float:
    return min(_milliseconds(call, 5) for _ in range(7))


def distance(results: dict[str, Any]) -> list[dict[str, Any]]:
    """How many times the floor a network takes: the longer of moving its numbers and multiplying them."""
    able = results["floor"]
    rows = []
    for row in results["networks"]:
        if "median_ms" not in row:
            continue
        size = 4 if row["type"] == "float32" else 2
        training = row["work"] == "training step"
        numbers = able["forward_numbers"] + training * able["backward_numbers"]
        multiply_adds = able["multiply_adds"] * (3 if training else 1)
        moving = 1000 * row["batch"] * size * numbers / able["copied_bytes_per_s"]
        multiplying = 1000 * row["batch"] * multiply_adds / able[f"{row['type']}_multiply_adds_per_s"]
        rows.append(
            {
                **{key: row[key] for key in ("work", "type", "batch", "peer", "median_ms")},
                "moving_ms": moving,
                "multiplying_ms": multiplying,
                "times_the_floor": row["median_ms"] / max(moving, multiplying),
            }
        )
    return rows


# --- tables -------------------------------------------------------------------------------------------------


def write_table(title: str, part: Any) -> None:
    rows = part if isinstance(part, list) else [part]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([_cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.rjust, line, widths)) for line in cells)
    sys.stdout.write("\n".join([f"\n{title}", *lines, ""]))
    sys.stdout.flush()


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:60]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "gpu.json")
    parser.add_argument("--quick", action="store_true", help="small, to see whether it runs")
    parser.add_argument("--tune", action="store_true", help="only time other schedules of the kernels")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("PyTorch sees no NVIDIA GPU here")
    sys.exit(main(given.out, QUICK if given.quick else Plan(), given.tune))
