"""What is compared: for every peer a function that builds one call, a forward pass or a training step.

All get the same weights and the same input, both random. A peer gets what is best for it: the dU-Nets that
predict through another operator or program have batch normalisation folded into the convolutions as ours has,
contiguous in memory, where they are faster than channels last, and OpenVINO knows the size of the image.
Packages are imported where they are used, so that a process holds only what its peer needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

CLASSES = 5
OURS, OUR_UNET = "dU-Net, ours", "U-Net, ours"


@dataclass(frozen=True)
class Task:
    """What one worker does: `folder` holds the networks, `file` gets the result of the first call."""

    work: str
    peer: str
    side: int
    threads: int
    batch: int
    folder: str
    file: str = ""


@dataclass(frozen=True)
class Call:
    """What is timed, and a remark on it."""

    run: Callable[[], Any]
    note: str = ""


def build(task: Task) -> Call:
    return PEERS[task.work][task.peer](task)


def as_array(result: Any) -> NDArray[np.float32]:
    """Logits, or the gradients of all weights one behind the other."""
    parts = result if isinstance(result, list) else [result]
    return np.concatenate([np.asarray(part).ravel() for part in parts])


def write_networks(folder: Path) -> None:
    """The random networks, for PyTorch, ONNX and OpenVINO; for a file that cannot be made, the reason."""
    import torch
    from torch import nn

    from drepano.models import create
    from drepano.models.card import ModelCard
    from drepano.models.export import export
    from drepano.ops import DeformableConv2d

    for name, formats in (("dunet", {"onnx": "onnx", "openvino": "xml"}), ("unet", {"openvino": "xml"})):
        torch.manual_seed(0)
        network = create(name, CLASSES)
        for module in network.modules():
            if isinstance(module, DeformableConv2d):
                # Shifts of half a pixel, some of more than one. With larger ones a random network is chaotic:
                # rounding in the first layer changes the logits by a tenth.
                nn.init.normal_(module.offset.weight, std=0.25 * (9 * module.weight.shape[1]) ** -0.5)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                module.momentum = 1.0  # one pass sets the statistics
        with torch.no_grad():
            network.train()(torch.from_numpy(random_images(1, 128)))
        torch.save(network.state_dict(), folder / f"{name}.pt")
        card = ModelCard(
            name=f"random {name}",
            architecture={"name": name},
            taxonomy="benchmark",
            classes=[f"class {number}" for number in range(CLASSES)],
            cell_diameter=45,
            training={},
            data=[],
            version="benchmark",
        )
        for file_format, suffix in formats.items():
            try:
                export(network, card, folder / f"{name}.{suffix}", file_format)
            except Exception as error:
                (folder / f"{name}.{suffix}.failed").write_text(str(error))


def load(folder: str, name: str) -> nn.Module:
    import torch

    from drepano.models import create

    network = create(name, CLASSES)
    network.load_state_dict(torch.load(Path(folder) / f"{name}.pt", weights_only=True))
    return network


def _exported(task: Task, file: str) -> Path:
    path = Path(task.folder) / file
    if not path.exists():
        raise RuntimeError(f"not exported: {path.with_name(f'{file}.failed').read_text()}")
    return path


def random_images(batch: int, side: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((batch, 3, side, side), dtype=np.float32)


# --- how the deformable layers of this process are computed: ours, unless one of these is called ------------


def _by_grid_sample() -> None:
    os.environ["DREPANO_KERNEL"] = "reference"


def _by_torchvision() -> None:
    import torch
    from torchvision.ops import deform_conv2d

    from drepano.ops import DeformableConv2d

    def forward(layer: DeformableConv2d, input: Tensor, skip: Tensor | None = None) -> Tensor:
        if skip is not None:
            input = torch.cat([input, skip], dim=1)
        shift = layer.scope * torch.tanh(layer.offset(input))
        output = deform_conv2d(input, shift, layer.weight, layer.bias, padding=1)
        return output.relu() if layer.relu else output

    DeformableConv2d.forward = forward


_LAYERS = {"ours": lambda: None, "grid_sample": _by_grid_sample, "torchvision": _by_torchvision}


# --- forward ------------------------------------------------------------------------------------------------


def _predict(
    task: Task,
    name: str,
    layers: str = "ours",
    folded: bool = True,
    channels_last: bool = False,
    compiled: bool = False,
) -> Call:
    import torch

    from drepano.models import for_inference

    _LAYERS[layers]()
    torch.set_num_threads(task.threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = load(task.folder, name).eval()
    network = (for_inference(network) if folded else network).to(memory_format=layout)
    if compiled:
        network.compile()
    images = torch.from_numpy(random_images(task.batch, task.side)).contiguous(memory_format=layout)

    @torch.inference_mode()
    def run() -> Tensor:
        return network(images)

    return Call(run)


def _onnx_runtime(task: Task) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    # Its threads may spin during a call, but not while it is the turn of others.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    path = _exported(task, "dunet.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images = random_images(task.batch, task.side)
    return Call(lambda: session.run(None, {"image": images})[0])


def _openvino(task: Task, name: str, precision: str) -> Call:
    import openvino

    core = openvino.Core()
    images = random_images(task.batch, task.side)
    model = core.read_model(_exported(task, f"{name}.xml"))
    model.reshape(list(images.shape))
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": task.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return Call(
        lambda: request.infer([images], share_inputs=True, share_outputs=True)[0],
        note="" if used == precision else f"this machine has no {precision}, computed in {used}",
    )


# --- training step ------------------------------------------------------------------------------------------


def _train(
    task: Task, name: str, layers: str = "ours", channels_last: bool = False, compiled: bool = False
) -> Call:
    import torch
    import torch.nn.functional as F

    _LAYERS[layers]()
    torch.set_num_threads(task.threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = load(task.folder, name).train().to(memory_format=layout)
    if compiled:
        network.compile()
    optimiser = torch.optim.Adam(network.parameters())
    images = torch.from_numpy(random_images(task.batch, task.side)).contiguous(memory_format=layout)
    places = (task.batch, task.side, task.side)
    classes = torch.from_numpy(np.random.default_rng(1).integers(0, CLASSES, places))

    def run() -> list[Tensor]:
        optimiser.zero_grad()
        F.cross_entropy(network(images), classes).backward()
        optimiser.step()
        return [parameter.grad for parameter in network.parameters()]

    return Call(run)


COMPILED = "dU-Net, grid_sample compiled"

PEERS: dict[str, dict[str, Callable[[Task], Call]]] = {
    "forward": {
        OURS: partial(_predict, name="dunet", channels_last=True),
        "dU-Net, torchvision": partial(_predict, name="dunet", layers="torchvision"),
        "dU-Net, grid_sample": partial(_predict, name="dunet", layers="grid_sample"),
        COMPILED: partial(_predict, name="dunet", layers="grid_sample", compiled=True),
        "dU-Net, ONNX Runtime": _onnx_runtime,
        "dU-Net, OpenVINO f32": partial(_openvino, name="dunet", precision="f32"),
        "dU-Net, OpenVINO bf16": partial(_openvino, name="dunet", precision="bf16"),
        OUR_UNET: partial(_predict, name="unet", channels_last=True),
        "U-Net, PyTorch": partial(_predict, name="unet", folded=False),
        "U-Net, OpenVINO f32": partial(_openvino, name="unet", precision="f32"),
        "U-Net, OpenVINO bf16": partial(_openvino, name="unet", precision="bf16"),
    },
    "training step": {
        OURS: partial(_train, name="dunet", channels_last=True),
        "dU-Net, torchvision": partial(_train, name="dunet", layers="torchvision"),
        "dU-Net, grid_sample": partial(_train, name="dunet", layers="grid_sample"),
        COMPILED: partial(_train, name="dunet", layers="grid_sample", compiled=True),
        OUR_UNET: partial(_train, name="unet", channels_last=True),
        "U-Net, PyTorch": partial(_train, name="unet"),
    },
}
"""Forward and training step of each peer. "compiled" is by torch.compile with its default backend. Our U-Net
is channels last, and folded for the forward pass; PyTorch's is contiguous and as it was trained."""
