"""The deformable layer as an operator of ``torch.library``: one name for all devices, with its gradient.

``torch.ops.drepano.deformable_conv2d`` runs the Numba kernels on the CPU and the Triton kernels on a GPU;
fake tensors pass through it, so that ``torch.compile`` and ``torch.export`` see one operator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NAME = "drepano::deformable_conv2d"
BACKWARD = f"{NAME}_backward"

# Defined by schema: torch.library.custom_op would import the compiler of PyTorch with the first call.
torch.library.define(
    NAME,
    "(Tensor input, Tensor offset_weight, Tensor weight, Tensor? bias, float scope, bool relu, "
    "Tensor? skip) -> Tensor",
    tags=torch.Tag.pt2_compliant_tag,
)
torch.library.define(
    BACKWARD,
    "(Tensor gradient, Tensor input, Tensor offset_weight, Tensor weight, float scope, bool needs_input)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
    tags=torch.Tag.pt2_compliant_tag,
)


@torch.library.impl(NAME, "CPU")
def _on_cpu(*arguments: Any) -> Tensor:
    from drepano.ops import cpu

    return cpu.forward(*arguments)


@torch.library.impl(NAME, "CUDA")
def _on_gpu(*arguments: Any) -> Tensor:
    from drepano.ops import cuda

    return cuda.forward(*arguments)


@torch.library.impl(BACKWARD, "CPU")
def _backward_on_cpu(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from drepano.ops import cpu

    return cpu.backward(*arguments)


@torch.library.impl(BACKWARD, "CUDA")
def _backward_on_gpu(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from drepano.ops import cuda

    return cuda.backward(*arguments)


def _fake(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
    relu: bool,
    skip: Tensor | None = None,
) -> Tensor:
    batch, _, height, width = input.shape
    return torch.empty(
        (batch, weight.shape[0], height, width),
        dtype=input.dtype,
        device=input.device,
        memory_format=torch.channels_last,
    )


def _fake_backward(
    gradient: Tensor,
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    scope: float,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    input_gradient = (
        torch.empty_like(input, memory_format=torch.channels_last) if needs_input else input.new_empty(0)
    )
    return (
        input_gradient,
        torch.empty_like(offset_weight, memory_format=torch.contiguous_format),
        torch.empty_like(weight, memory_format=torch.contiguous_format),
        weight.new_empty(weight.shape[0]),
    )


def _remember(ctx: Any, inputs: tuple, output: Tensor) -> None:
    input, offset_weight, weight, _, scope, relu, skip = inputs
    ctx.save_for_backward(input, offset_weight, weight, skip, output if relu else None)
    ctx.scope = scope


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, offset_weight, weight, skip, output = ctx.saved_tensors
    if output is not None:
        gradient = gradient * (output > 0)
    needs_input, _, _, needs_bias, _, _, needs_skip = ctx.needs_input_grad
    joined = input if skip is None else torch.cat([input, skip], dim=1)
    of_joined, of_offset_weight, of_weight, of_bias = torch.ops.drepano.deformable_conv2d_backward(
        gradient, joined, offset_weight, weight, ctx.scope, needs_input or needs_skip
    )
    channels = input.shape[1]
    return (
        of_joined[:, :channels] if needs_input else None,
        of_offset_weight,
        of_weight,
        of_bias if needs_bias else None,
        None,
        None,
        of_joined[:, channels:] if needs_skip else None,
    )


def _refuse_second_derivative(ctx: Any, *gradients: Tensor) -> None:
    raise RuntimeError(
        "deformable_conv2d: this kernel has no second derivative; take the kernel reference for it"
    )


torch.library.register_fake(NAME, _fake)
torch.library.register_fake(BACKWARD, _fake_backward)
torch.library.register_autograd(NAME, _differentiate, setup_context=_remember)
torch.library.register_autograd(BACKWARD, _refuse_second_derivative)

fused_deformable_conv2d = torch.ops.drepano.deformable_conv2d
"""As `drepano.ops.deformable_conv2d`, without a choice of kernel; its output is channels last."""
