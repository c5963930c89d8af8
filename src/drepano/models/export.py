"""Trained networks for other programs: ONNX and OpenVINO files, each run and compared before it is kept.

An exported network takes normalised images, float32 (N, 3, H, W) with H and W multiples of the network's
stride, and gives logits (N, K, H, W). An image is normalised by subtracting from each channel its median over
the field and dividing by the contrast that the model card's "normalisation" names: 64 grey levels, or the
field's own (`drepano.preprocessing.measure_light`). The model card goes with the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from drepano.errors import DrepanoError, first_line
from drepano.io import ensure_writable_folder, read_image, write_bytes
from drepano.models.card import ModelCard
from drepano.models.inference import for_inference
from drepano.models.weights import CARD_KEY
from drepano.ops.choice import VARIABLE
from drepano.preprocessing import measure_light, normalise

CHECK_FIELD = Path(__file__).parent / "export_check" / "field.jpg"
"""A real field, a stained smear from Chula RBC-12 (MIT licence)."""

_OPSET = 19  # the first one with DeformConv
_LARGEST_DIFFERENCE = 1e-3
_LEAST_AGREEMENT = 0.999


@dataclass(frozen=True)
class ExportCheck:
    """How an exported network differs from ours on one field.

    Attributes
    ----------
    field : Path
    runtime : str
        The program that ran the exported network, with its version.
    largest_difference : float
        Of all logits.
    largest_logit : float
        Our largest absolute logit, to judge the difference by.
    same_classes : float
        Share of pixels that get the same class.
    """

    field: Path
    runtime: str
    largest_difference: float
    largest_logit: float
    same_classes: float


def export(
    network: nn.Module, card: ModelCard, path: Path, file_format: str, field: Path = CHECK_FIELD
) -> ExportCheck:
    """Write `network` for another program, and run it there on a real field.

    Parameters
    ----------
    network : torch.nn.Module
        As `load_network` gives it.
    card : ModelCard
    path : Path
        The file to write; OpenVINO writes a second one beside it, with the suffix .bin.
    file_format : {"onnx", "openvino"}
    field : Path
        Image on which the exported network is compared with ours.

    Returns
    -------
    ExportCheck

    Raises
    ------
    DrepanoError
        If the format is unknown, a package of the extra ``export`` is missing, the network cannot be
        exported, the field cannot be read, or the exported network does not give the same result; then
        nothing is written.
    """
    if file_format not in _FORMATS:
        raise DrepanoError(f"format {file_format!r}: not known; choose one of {', '.join(_FORMATS)}")
    write, run, suffix = _FORMATS[file_format]
    if path.suffix != suffix:
        raise DrepanoError(f"{path}: the file of format {file_format} must end in {suffix}; rename it")
    image = read_image(field)
    ensure_writable_folder(path.parent)
    folded = for_inference(network).to(memory_format=torch.contiguous_format)
    with TemporaryDirectory() as folder:
        draft = Path(folder) / path.name
        write(folded, card, draft)
        light = measure_light(image, card.normalisation)
        check = _compare(folded, draft, run, normalise(image, light), field)
        # The file that is asked for comes last: when it is there, all is there.
        if path.is_file():
            path.unlink()
        for made in sorted(Path(folder).iterdir(), key=lambda file: file.suffix == suffix):
            write_bytes(path.with_suffix(made.suffix), made.read_bytes())
    return check


def _compare(
    network: nn.Module,
    path: Path,
    run: Callable[[Path, NDArray[np.float32]], tuple[str, NDArray[np.float32]]],
    inputs: NDArray[np.float32],
    field: Path,
) -> ExportCheck:
    height, width = (side // _stride(network) * _stride(network) for side in inputs.shape[1:])
    if not height or not width:
        raise DrepanoError(
            f"{field}: too small to compare on; give a field of at least {_stride(network)} px"
        )
    window = inputs[None, :, :height, :width]
    with torch.inference_mode():
        ours = network(torch.from_numpy(window)).numpy()
    try:
        runtime, theirs = run(path, window)
    except DrepanoError:
        raise
    except Exception as error:  # whatever it is, the file is of no use
        raise DrepanoError(
            f"{path.name}: the exported network cannot be run ({first_line(error)}); not written"
        ) from error
    check = ExportCheck(
        field=field,
        runtime=runtime,
        largest_difference=float(np.abs(ours - theirs).max()),
        largest_logit=float(np.abs(ours).max()),
        same_classes=float((ours.argmax(1) == theirs.argmax(1)).mean()),
    )
    allowed = _LARGEST_DIFFERENCE * max(1.0, check.largest_logit)
    if not (check.largest_difference <= allowed and check.same_classes >= _LEAST_AGREEMENT):
        raise DrepanoError(
            f"{path.name}: {runtime} gives another result than drepano on {field.name} (logits differ by "
            f"{check.largest_difference:.2g}, {check.same_classes:.2%} of pixels have the same class); not "
            "written; update the packages of the extra export"
        )
    return check


def _stride(network: nn.Module) -> int:
    return int(getattr(network, "stride", 1))


# --- ONNX ---------------------------------------------------------------------------------------------------


def _write_onnx(network: nn.Module, card: ModelCard, path: Path) -> None:
    program = _trace(network)
    program.model.metadata_props[CARD_KEY] = card.model_dump_json()
    program.save(path)


def _trace(network: nn.Module) -> Any:
    with _extra():
        from onnxscript import opset19 as opset

    def deformable_layer(
        input: Any, offset_weight: Any, weight: Any, bias: Any, scope: float, relu: bool, skip: Any = None
    ) -> Any:
        if skip is not None:
            input = opset.Concat(input, skip, axis=1)
        pads = [1, 1, 1, 1]
        bounded = opset.Tanh(opset.Conv(input, offset_weight, pads=pads))
        shift = opset.Mul(opset.Constant(value_float=scope), bounded)
        biases = () if bias is None else (bias,)
        output = opset.DeformConv(input, weight, shift, *biases, pads=pads)
        return opset.Relu(output) if relu else output

    stride, size = _stride(network), torch.export.Dim
    shapes = ({0: size("batch"), 2: stride * size("rows"), 3: stride * size("columns")},)
    example = torch.zeros(1, 3, 4 * stride, 5 * stride)
    operator = torch.ops.drepano.deformable_conv2d.default
    try:
        with _any_kernel():
            return torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=_OPSET,
                custom_translation_table={operator: deformable_layer},
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=shapes,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise DrepanoError(f"this network cannot be exported ({first_line(error)})") from error


@contextmanager
def _any_kernel() -> Iterator[None]:
    """What the environment asks for is not for a file: there a deformable layer is always one operator."""
    asked = os.environ.pop(VARIABLE, None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ[VARIABLE] = asked


def run_onnx(path: Path, window: NDArray[np.float32]) -> tuple[str, NDArray[np.float32]]:
    """Name of the runtime, and the logits (N, K, H, W) of a normalised window (N, 3, H, W)."""
    with _extra():
        import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return f"ONNX Runtime {onnxruntime.__version__}", session.run(None, {"image": window})[0]


# --- OpenVINO -----------------------------------------------------------------------------------------------


def _write_openvino(network: nn.Module, card: ModelCard, path: Path) -> None:
    with _extra():
        import openvino
        from openvino.frontend.onnx import ConversionExtension
    with TemporaryDirectory() as folder:
        between = Path(folder) / "network.onnx"
        _write_onnx(network, card, between)
        # OpenVINO has the operator but does not read it from ONNX.
        rule = ConversionExtension("DeformConv", _convert_deformable)
        model = openvino.convert_model(between, extension=[rule])
    model.set_rt_info(card.model_dump_json(), [CARD_KEY])
    openvino.save_model(model, path, compress_to_fp16=False)


def _convert_deformable(node: Any) -> Any:
    from openvino import opset8

    image, weight, shift, *bias = (node.get_input(number) for number in range(node.get_input_size()))
    output = opset8.deformable_convolution(
        *(image, shift, weight),
        strides=[1, 1],
        pads_begin=[1, 1],
        pads_end=[1, 1],
        dilations=[1, 1],
        bilinear_interpolation_pad=True,
    )
    if bias:
        shape = opset8.constant(np.array([1, -1, 1, 1]))
        output = opset8.add(output, opset8.reshape(bias[0], shape, special_zero=False))
    return output.outputs()


def run_openvino(path: Path, window: NDArray[np.float32]) -> tuple[str, NDArray[np.float32]]:
    """Name of the runtime, and the logits (N, K, H, W) of a normalised window (N, 3, H, W), in float32."""
    with _extra():
        import openvino
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return f"OpenVINO {openvino.__version__.split('-')[0]}", compiled(window)[0]


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DrepanoError(
            f"exporting needs the extra export ({error}); install it with: pip install 'drepano[export]'"
        ) from error


_FORMATS: dict[str, tuple[Callable, Callable, str]] = {
    "onnx": (_write_onnx, run_onnx, ".onnx"),
    "openvino": (_write_openvino, run_openvino, ".xml"),
}
SUFFIXES = {name: suffix for name, (_, _, suffix) in _FORMATS.items()}
