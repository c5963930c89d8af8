"""The deformable layer as an operator of ``torch.library``: one name for all devices, with its gradient.

``torch.ops.drepano.deformable_conv2d`` runs the Numba kernels on the CPU and the Triton kernels on a GPU;
fake tensors pass through it, so that ``torch.compile`` and ``torch.export`` see one operator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NAME = "drepano::deformable_conv2d"


@torch.library.custom_op(NAME, mutates_args=(), device_types="cpu")
def fused_deformable_conv2d(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
    relu: bool,
) -> Tensor:
    """As `drepano.ops.deformable_conv2d`, without a choice of kernel; channels last."""
    from drepano.ops import cpu

    return cpu.forward(input, offset_weight, weight, bias, scope, relu)


@fused_deformable_conv2d.register_kernel("cuda")
def _on_gpu(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
    relu: bool,
) -> Tensor:
    from drepano.ops import cuda

    return cuda.forward(input, offset_weight, weight, bias, scope, relu)


@fused_deformable_conv2d.register_fake
def _fake(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
    relu: bool,
) -> Tensor:
    batch, _, height, width = input.shape
    return torch.empty(
        (batch, weight.shape[0], height, width),
        dtype=input.dtype,
        device=input.device,
        memory_format=torch.channels_last,
    )


@torch.library.custom_op(f"{NAME}_backward", mutates_args=(), device_types="cpu")
def _backward(
    gradient: Tensor,
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    scope: float,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of input (empty if not needed), offset weight, weight and bias."""
    from drepano.ops import cpu

    return cpu.backward(gradient, input, offset_weight, weight, scope, needs_input)


@_backward.register_kernel("cuda")
def _backward_on_gpu(
    gradient: Tensor,
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    scope: float,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from drepano.ops import cuda

    return cuda.backward(gradient, input, offset_weight, weight, scope, needs_input)


@_backward.register_fake
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
    input, offset_weight, weight, _, scope, relu = inputs
    ctx.save_for_backward(input, offset_weight, weight, output if relu else None)
    ctx.scope = scope


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, offset_weight, weight, output = ctx.saved_tensors
    if output is not None:
        gradient = gradient * (output > 0)
    needs_input, _, _, needs_bias, _, _ = ctx.needs_input_grad
    of_input, of_offset_weight, of_weight, of_bias = _backward(
        gradient, input, offset_weight, weight, ctx.scope, needs_input
    )
    return (
        of_input if needs_input else None,
        of_offset_weight,
        of_weight,
        of_bias if needs_bias else None,
        None,
        None,
    )


fused_deformable_conv2d.register_autograd(_differentiate, setup_context=_remember)
