"""Which implementation computes a deformable layer: the one place that chooses."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

from drepano.errors import DrepanoError
from drepano.ops.library import fused_deformable_conv2d
from drepano.ops.reference import deform_conv2d

KERNELS = ("auto", "reference", "numba", "triton")
VARIABLE = "DREPANO_KERNEL"
"""Environment variable that chooses for the whole process."""

_INSTALLED = frozenset(package for package in ("numba", "triton") if find_spec(package))


class KernelError(DrepanoError, ValueError):
    """The kernel that was asked for, perhaps by the environment variable, cannot be used."""


def deformable_conv2d(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    scope: float = 2.0,
    relu: bool = False,
    kernel: str | None = None,
    skip: Tensor | None = None,
) -> Tensor:
    """A whole deformable layer: 3x3 convolution of samples shifted by ``scope * tanh(conv3x3(input))``.

    The paper's section III and figure 1, with the bilinear interpolation of equations 3 to 5; outside the
    image the input is 0. Height and width are kept. Differentiable in all tensors.

    Parameters
    ----------
    input : (N, C, H, W) float tensor
        Fastest with channels last in memory.
    offset_weight : (18, C + S, 3, 3) float tensor
        Of the offset convolution; its outputs are interleaved (dy0, dx0, dy1, dx1, ...) over the taps, row
        by row.
    weight : (O, C + S, 3, 3) float tensor
    bias : (O,) float tensor, optional
    scope : float
        Largest shift in pixels.
    relu : bool
        Whether negative outputs become 0.
    kernel : {"auto", "reference", "numba", "triton"}, optional
        "reference" is plain PyTorch and runs everywhere; "numba" is for the CPU, "triton" for NVIDIA GPUs.
        "auto" takes the fastest one that has been proved for the device, dtype and size. Without it the
        environment variable ``DREPANO_KERNEL`` chooses, and without that "auto".
    skip : (N, S, H, W) float tensor, optional
        More channels, behind those of `input`: the result is that of ``torch.cat([input, skip], dim=1)``,
        without that copy where the kernel numba predicts.

    Returns
    -------
    (N, O, H, W) float tensor

    Raises
    ------
    ValueError
        If the shapes do not fit together, or an image is too large for the kernel.
    KernelError
        If there is no such kernel, or it cannot be used for these tensors.
    """
    _check(input, skip, offset_weight, weight, bias, scope)
    chosen = _choose(kernel, input)
    if chosen == "reference":
        if skip is not None:
            input = torch.cat([input, skip], dim=1)
        shift = scope * torch.tanh(F.conv2d(input, offset_weight, padding=1))
        output = deform_conv2d(input, shift, weight, bias, padding=1)
        return _as_usual(output.relu() if relu else output, input)
    dtype = _compute_dtype(input)
    *tensors, skip = [
        None if tensor is None else tensor.to(dtype) for tensor in (input, offset_weight, weight, bias, skip)
    ]
    return _as_usual(fused_deformable_conv2d(*tensors, float(scope), relu, skip), input)


def _as_usual(output: Tensor, input: Tensor) -> Tensor:
    """In the type that ``F.conv2d`` gives, under autocast too."""
    device = input.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return output.to(torch.get_autocast_dtype(device) if autocast else input.dtype)


def _choose(kernel: str | None, input: Tensor) -> str:
    """ "reference", "numba" or "triton" for `input`."""
    wanted = kernel or os.environ.get(VARIABLE) or "auto"
    if wanted not in KERNELS:
        where = "kernel" if kernel else f"environment variable {VARIABLE}"
        raise KernelError(f"{where}={wanted!r}: expected one of {', '.join(KERNELS)}")
    for name, why_not in (("numba", _why_not_numba), ("triton", _why_not_triton)):
        if wanted not in ("auto", name):
            continue
        reason = why_not(input)
        if reason is None:
            return name
        if wanted == name:
            raise KernelError(f"the kernel {name} cannot be used: {reason}; take reference or auto")
    return "reference"


def _why_not_numba(input: Tensor) -> str | None:
    if input.device.type != "cpu":
        return f"the tensors are on {input.device.type}, not on the CPU"
    if "numba" not in _INSTALLED:
        return "the package numba is not installed"
    return None


def _why_not_triton(input: Tensor) -> str | None:
    if input.device.type != "cuda":
        return f"the tensors are on {input.device.type}, not on an NVIDIA GPU"
    if input.dtype == torch.float64:
        return "it has no float64"
    if "triton" not in _INSTALLED:
        return "the package triton is not installed"
    if torch.version.hip is not None:
        return "it has not been tried on AMD GPUs"
    fault = _fault_of_triton(input.device)
    return None if fault is None else f"it fails on this GPU ({fault})"


def _fault_of_triton(device: torch.device) -> str | None:
    from drepano.ops import cuda

    return cuda.fault(device)


def _compute_dtype(input: Tensor) -> torch.dtype:
    """What the kernels compute in: float32 or float64 on the CPU, also half precision on a GPU."""
    device = input.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else input.dtype
    return torch.promote_types(dtype, torch.float32) if device == "cpu" else dtype


def _check(
    input: Tensor,
    skip: Tensor | None,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
) -> None:
    for name, given in (("input", input), ("weight", weight)):
        if given.dim() != 4:
            raise ValueError(
                f"deformable_conv2d: {name} has shape {tuple(given.shape)}, expected 4 dimensions"
            )
    if not input.is_floating_point():
        raise ValueError(f"deformable_conv2d: input is {input.dtype}, expected floating point")
    channels = input.shape[1]
    if skip is not None:
        batch, _, height, width = input.shape
        if skip.dim() != 4 or (skip.shape[0], *skip.shape[2:]) != (batch, height, width):
            raise ValueError(
                f"deformable_conv2d: skip has shape {tuple(skip.shape)}, "
                f"expected {(batch, 'any', height, width)}"
            )
        channels += skip.shape[1]
    for name, tensor, expected in (
        ("offset_weight", offset_weight, (18, channels, 3, 3)),
        ("weight", weight, (weight.shape[0], channels, 3, 3)),
        ("bias", bias, (weight.shape[0],)),
    ):
        if tensor is not None and tuple(tensor.shape) != expected:
            raise ValueError(
                f"deformable_conv2d: {name} has shape {tuple(tensor.shape)}, expected {expected} for an "
                f"input of {channels} channels"
            )
    if not 0 <= scope < 1000:
        raise ValueError(f"deformable_conv2d: scope is {scope}, expected a number of pixels from 0 to 1000")
