"""The deformable layer on the CPU: offsets, tanh, sampling and product in one pass, forward and backward.

Images are channels last. The rows of an image are done in bands and a band in tiles of pixels of one row,
small enough that everything made for a tile stays in the cache: nothing of the size of the samples (9 x
channels x height x width) is ever in memory, and the offsets are not either. Backward makes both anew.

Since tanh bounds the shift, a band adds to the gradient of its own rows and of a few beside them only. Bands
of even number run first, those of odd number after them: no two that run together touch the same row, and
every sum is taken in the same order however many threads there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from drepano.ops.cpu_kernels import (
    PADDED_SHIFTS,
    SHIFTS,
    TAPS,
    TILE_STEP,
    backward_band,
    forward_band,
    pad_channels,
)
from drepano.ops.simd import LANES
from drepano.ops.threads import run_in_threads

BAND_ROWS = 16
_PADDED_TOGETHER = 1 << 15
_LARGEST_PLACE = 2**31 - 1
TILE = 32
"""Pixels of a row that are done together."""


def forward(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
    relu: bool,
    skip: Tensor | None = None,
) -> Tensor:
    """The layer's output, channels last; see `drepano.ops.deformable_conv2d`."""
    height, width = input.shape[2:]
    if min(height, width) < 2:
        # The kernels read two rows and two columns; zeros are what lies beyond the border anyway.
        grown_skip = None if skip is None else _grow(skip)
        grown = forward(_grow(input), offset_weight, weight, bias, scope, relu, grown_skip)
        return grown[..., :height, :width].clone(memory_format=torch.channels_last)
    layer = _Layer.of(input, offset_weight, weight, scope, skip)
    image = layer.channels_last(input, layer.channels - layer.skip_channels)
    skips = np.empty((layer.batch, 0), layer.dtype)
    if skip is not None:
        skips = _flat(layer.channels_last(skip, layer.skip_channels))
    out = torch.empty(
        (layer.batch, layer.out_channels, layer.height, layer.width),
        dtype=input.dtype,
        memory_format=torch.channels_last,
    )
    padded_bias = np.zeros(layer.outputs, layer.dtype)
    if bias is not None:
        padded_bias[: layer.out_channels] = bias.detach().numpy()
    images, outs = _flat(image), _flat(out.permute(0, 2, 3, 1).numpy())

    def band(number: int, top: int, bottom: int) -> None:
        forward_band(
            images[number],
            skips[number],
            layer.offset_rows,
            layer.weight_rows,
            padded_bias,
            outs[number],
            top,
            bottom,
            layer.height,
            layer.width,
            layer.channels,
            layer.skip_channels,
            layer.terms,
            layer.out_channels,
            layer.outputs,
            layer.tile,
            layer.scope,
            relu,
        )

    run_in_threads(band, layer.bands(BAND_ROWS))
    return out  # not a view, so that it may be changed in place


def backward(
    gradient: Tensor,
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    scope: float,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of input (empty if not needed), offset weight, weight and bias."""
    height, width = input.shape[2:]
    if min(height, width) < 2:
        grown = backward(_grow(gradient), _grow(input), offset_weight, weight, scope, needs_input)
        of_input, of_offset_weight, of_weight, of_bias = grown
        if needs_input:
            of_input = of_input[..., :height, :width].clone(memory_format=torch.channels_last)
        return of_input, of_offset_weight, of_weight, of_bias
    layer = _Layer.of(input, offset_weight, weight, scope)
    images = _flat(layer.channels_last(input, layer.channels))
    gradients = _flat(layer.channels_last(gradient, layer.out_channels))
    image_gradient = np.zeros(
        (layer.batch, layer.height, layer.width, layer.channels) if needs_input else (layer.batch, 0),
        layer.dtype,
    )
    image_gradients = _flat(image_gradient)

    reach = math.ceil(scope) + 2
    rows = max(BAND_ROWS, 2 * reach)
    bands = layer.bands(rows)
    # One sum a band, added up in the order of the bands.
    weight_parts = np.zeros((len(bands), layer.terms, layer.outputs), layer.dtype)
    offset_parts = np.zeros((len(bands), TAPS * layer.channels, PADDED_SHIFTS), layer.dtype)
    bias_parts = np.zeros((len(bands), layer.outputs), layer.dtype)
    weight_flat = _flat(weight_parts)
    offset_flat = _flat(offset_parts)
    place = {band: index for index, band in enumerate(bands)}

    def band(number: int, top: int, bottom: int) -> None:
        part = place[number, top, bottom]
        backward_band(
            images[number],
            layer.offset_rows,
            layer.offset_columns,
            layer.weight_columns,
            gradients[number],
            image_gradients[number],
            offset_flat[part],
            weight_flat[part],
            bias_parts[part],
            top,
            bottom,
            layer.height,
            layer.width,
            layer.channels,
            layer.terms,
            layer.out_channels,
            layer.outputs,
            layer.tile,
            layer.scope,
            needs_input,
        )

    for odd in (0, 1):
        run_in_threads(band, [band_ for band_ in bands if band_[1] // rows % 2 == odd])
    offset_gradient = offset_parts.sum(0)[:, :SHIFTS].reshape(3, 3, layer.channels, SHIFTS)
    weight_gradient = weight_parts.sum(0)[: TAPS * layer.channels].reshape(
        3, 3, layer.channels, layer.outputs
    )
    if needs_input:
        image_gradient = np.ascontiguousarray(image_gradient[..., : layer.in_channels]).transpose(0, 3, 1, 2)
    return (
        torch.from_numpy(image_gradient if needs_input else np.empty(0, layer.dtype)),
        _like_weight(offset_gradient[:, :, : layer.in_channels]),
        _like_weight(weight_gradient[:, :, : layer.in_channels, : layer.out_channels]),
        torch.from_numpy(bias_parts.sum(0)[: layer.out_channels]),
    )


def _flat(arrays: NDArray) -> NDArray:
    """One row each; there may be none."""
    return arrays.reshape(len(arrays), math.prod(arrays.shape[1:]))


def _grow(images: Tensor) -> Tensor:
    """With zeros at the right and below, 2 x 2 at least."""
    height, width = images.shape[2:]
    return F.pad(images, (0, max(0, 2 - width), 0, max(0, 2 - height)))


def _like_weight(array: NDArray) -> Tensor:
    """(3, 3, C, O) to (O, C, 3, 3)."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(3, 2, 0, 1)))


@dataclass(frozen=True)
class _Layer:
    """Sizes of one layer, and its weights in the order in which the kernels read them."""

    batch: int
    height: int
    width: int
    in_channels: int
    channels: int
    """Those that the kernels see: of the image and of the skip, each filled up to a multiple of 4."""
    skip_channels: int
    out_channels: int
    dtype: np.dtype
    scope: Any
    offset_rows: NDArray
    """(row, channel, column) x shifts"""
    offset_columns: NDArray
    """shifts x terms (row, column, channel)"""
    weight_rows: NDArray
    """terms (row, column, channel) x outputs"""
    weight_columns: NDArray
    """outputs x terms"""

    @classmethod
    def of(
        cls, input: Tensor, offset_weight: Tensor, weight: Tensor, scope: float, skip: Tensor | None = None
    ) -> _Layer:
        batch, image_channels, height, width = input.shape
        of_skip = 0 if skip is None else skip.shape[1]
        in_channels = image_channels + of_skip
        skip_channels = _round_up(of_skip, 4)
        channels = _round_up(image_channels, 4) + skip_channels
        places = np.r_[:image_channels, channels - skip_channels : channels - skip_channels + of_skip]
        if not input.dtype == offset_weight.dtype == weight.dtype:
            raise ValueError(
                f"deformable_conv2d: image and weights are {input.dtype}, {offset_weight.dtype} and "
                f"{weight.dtype}; convert them to one type"
            )
        if height * width * channels > _LARGEST_PLACE:
            raise ValueError(
                f"deformable_conv2d: an image of {height} x {width} with {in_channels} channels is too large "
                "for places of 32 bits; cut it into tiles"
            )
        out_channels = weight.shape[0]
        outputs = _round_up(out_channels, LANES)
        offsets = offset_weight.detach().numpy().transpose(2, 3, 1, 0)
        weights = weight.detach().numpy().transpose(2, 3, 1, 0)
        dtype = weights.dtype
        offset_rows = np.zeros((3, channels, 3, SHIFTS), dtype)
        offset_rows[:, places] = offsets.swapaxes(1, 2)
        weight_rows = np.zeros((_round_up(TAPS * channels, 24), outputs), dtype)
        offset_columns = np.zeros((len(weight_rows), SHIFTS), dtype)
        for rows, values in ((weight_rows, weights), (offset_columns, offsets)):
            in_order = rows[: TAPS * channels].reshape(3, 3, channels, -1)
            in_order[:, :, places, : values.shape[-1]] = values
        return cls(
            batch=batch,
            height=height,
            width=width,
            in_channels=in_channels,
            channels=channels,
            skip_channels=skip_channels,
            out_channels=out_channels,
            dtype=dtype,
            scope=dtype.type(scope),
            offset_rows=offset_rows.reshape(-1),
            offset_columns=np.ascontiguousarray(offset_columns.T).reshape(-1),
            weight_rows=weight_rows.reshape(-1),
            weight_columns=np.ascontiguousarray(weight_rows.T).reshape(-1),
        )

    @property
    def outputs(self) -> int:
        return _round_up(self.out_channels, LANES)

    @property
    def terms(self) -> int:
        return _round_up(TAPS * self.channels, 24)

    @property
    def tile(self) -> int:
        return min(TILE, _round_up(self.width, TILE_STEP))

    def bands(self, rows: int) -> list[tuple[int, int, int]]:
        """Image, first row and row after the last of every band."""
        return [
            (number, top, min(top + rows, self.height))
            for number in range(self.batch)
            for top in range(0, self.height, rows)
        ]

    def channels_last(self, images: Tensor, channels: int) -> NDArray:
        """(N, C, H, W) to (N, H, W, channels), zeros in the channels that are added."""
        last = images.detach().permute(0, 2, 3, 1).contiguous().numpy()
        given = last.shape[-1]
        if channels == given:
            return last
        padded = np.zeros((*last.shape[:-1], channels), last.dtype)
        source, target = last.reshape(-1), padded.reshape(-1)
        pixels = math.prod(last.shape[:-1])

        def part(first: int) -> None:
            pad_channels(target, source, first, min(first + _PADDED_TOGETHER, pixels), given, channels)

        run_in_threads(part, [(first,) for first in range(0, pixels, _PADDED_TOGETHER)])
        return padded


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
