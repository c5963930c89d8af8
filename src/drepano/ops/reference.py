"""Deformable convolution in plain PyTorch: the definition that every faster kernel is tested against."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IntPair = int | tuple[int, int]


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntPair = 1,
    padding: IntPair = 0,
    dilation: IntPair = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Deformable convolution with the arguments, layout and result of ``torchvision.ops.deform_conv2d``.

    Equation 2 of the paper, with the bilinear interpolation of equations 3 to 5; outside the image the
    input is 0. Differentiable in every tensor argument.

    Parameters
    ----------
    input : (N, C, H, W) float tensor
    offset : (N, 2 * offset_groups * KH * KW, OH, OW) float tensor
        Shift of every sampling position in pixels of `input`, interleaved (dy0, dx0, dy1, dx1, ...) over
        the kernel's positions row by row, one such block an offset group. The channels of `input` are
        divided evenly among the offset groups.
    weight : (O, C / groups, KH, KW) float tensor
        The number of groups follows from its shape.
    bias : (O,) float tensor, optional
    stride, padding, dilation : int or pair of int
        As in ``torch.nn.functional.conv2d``; a pair is (rows, columns).
    mask : (N, offset_groups * KH * KW, OH, OW) float tensor, optional
        Factor on every sample (the modulation of DCNv2).

    Returns
    -------
    (N, O, OH, OW) float tensor

    Raises
    ------
    ValueError
        If the shapes do not fit together; the message says which and what was expected.
    """
    stride_y, stride_x = _pair(stride)
    padding_y, padding_x = _pair(padding)
    dilation_y, dilation_x = _pair(dilation)
    offset_groups, groups, (out_height, out_width) = _check_shapes(
        input,
        offset,
        weight,
        bias,
        mask,
        (stride_y, stride_x),
        (padding_y, padding_x),
        (dilation_y, dilation_x),
    )
    batch, channels, height, width = input.shape
    out_channels, _, kernel_height, kernel_width = weight.shape
    taps = kernel_height * kernel_width

    # Half precision cannot hold positions: pixel 300 and its neighbours would be one number.
    precise = torch.promote_types(input.dtype, torch.float32)

    def steps(count: int) -> Tensor:
        return torch.arange(count, device=input.device, dtype=precise)

    kernel_y = (
        (steps(kernel_height) * dilation_y - padding_y).repeat_interleave(kernel_width).view(taps, 1, 1)
    )
    kernel_x = (steps(kernel_width) * dilation_x - padding_x).repeat(kernel_height).view(taps, 1, 1)
    row = steps(out_height).view(out_height, 1) * stride_y + kernel_y
    column = steps(out_width) * stride_x + kernel_x

    shifts = offset.to(precise).reshape(batch * offset_groups, taps, 2, out_height, out_width)
    grid = torch.stack(
        [_normalise(column + shifts[:, :, 1], width), _normalise(row + shifts[:, :, 0], height)], dim=-1
    )
    samples = F.grid_sample(
        input.to(precise).reshape(batch * offset_groups, channels // offset_groups, height, width),
        grid.view(batch * offset_groups, taps * out_height, out_width, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    ).to(input.dtype)
    samples = samples.view(batch, offset_groups, channels // offset_groups, taps, out_height * out_width)
    if mask is not None:
        samples = samples * mask.reshape(batch, offset_groups, 1, taps, out_height * out_width)

    columns = samples.view(batch, groups, channels // groups * taps, out_height * out_width)
    kernels = weight.reshape(groups, out_channels // groups, channels // groups * taps)
    output = (kernels @ columns).view(batch, out_channels, out_height, out_width)
    return output if bias is None else output + bias.view(1, -1, 1, 1)


def _pair(value: IntPair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _normalise(position: Tensor, size: int) -> Tensor:
    """Pixel positions as ``grid_sample`` wants them: -1 and 1 at the outer edges of the border pixels."""
    return (2 * position + 1) / size - 1


def _check_shapes(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int, tuple[int, int]]:
    """Offset groups, groups and output size, or a ValueError that names the shape that does not fit."""
    for name, tensor in (("input", input), ("offset", offset), ("weight", weight)):
        if tensor.dim() != 4:
            raise ValueError(f"deform_conv2d: {name} has shape {tuple(tensor.shape)}, expected 4 dimensions")
    batch, channels, *size = input.shape
    out_channels, channels_per_group, *kernel = weight.shape
    taps = kernel[0] * kernel[1]
    if (
        channels_per_group == 0
        or channels % channels_per_group
        or out_channels % (channels // channels_per_group)
    ):
        raise ValueError(
            f"deform_conv2d: weight of shape {tuple(weight.shape)} does not fit {channels} input channels; "
            "its second dimension is the number of input channels divided by the number of groups"
        )
    offset_groups = offset.shape[1] // (2 * taps)
    if offset_groups == 0 or offset.shape[1] % (2 * taps) or channels % offset_groups:
        raise ValueError(
            f"deform_conv2d: offset has {offset.shape[1]} channels, expected 2 * {taps} for each offset "
            f"group, and {channels} input channels divided evenly among the groups"
        )
    out_height, out_width = (
        (size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2)
    )
    if out_height < 1 or out_width < 1:
        raise ValueError(f"deform_conv2d: input of {size[0]} x {size[1]} is smaller than the kernel; pad it")
    if (offset.shape[0], *offset.shape[2:]) != (batch, out_height, out_width):
        raise ValueError(
            f"deform_conv2d: offset has shape {tuple(offset.shape)}, expected "
            f"({batch}, {offset.shape[1]}, {out_height}, {out_width})"
        )
    expected_mask = (batch, offset_groups * taps, out_height, out_width)
    if mask is not None and tuple(mask.shape) != expected_mask:
        raise ValueError(f"deform_conv2d: mask has shape {tuple(mask.shape)}, expected {expected_mask}")
    if bias is not None and tuple(bias.shape) != (out_channels,):
        raise ValueError(f"deform_conv2d: bias has shape {tuple(bias.shape)}, expected ({out_channels},)")
    return offset_groups, channels // channels_per_group, (out_height, out_width)
