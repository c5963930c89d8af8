"""The compiled kernels of the deformable layer on the CPU: one band of rows, forward and backward.

In the names below, a flat array of (k, o) numbers is ``k x o`` with o running fastest. `channels` is padded
to a multiple of 4, `outputs` to one of 8, and `terms`, 9 x channels, to one of 24.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import types
from numba.extending import overload

from drepano.ops.simd import (
    LANES,
    absolute,
    counting,
    floor,
    load,
    make_blend,
    make_blend_backward,
    make_tile_product,
    make_transpose_tile,
    maximum,
    minimum,
    splat,
    store,
    to_float_like,
    to_integer,
    where_equal,
)

TAPS = 9
SHIFTS = 2 * TAPS
PADDED_SHIFTS = 24
"""`SHIFTS` as whole vectors."""
TILE_STEP = 16
"""Tiles are multiples of two vectors of pixels wide."""

# tanh(x) = x P(x^2) / Q(x^2) for |x| <= 8, where tanh is 1 to seven digits: the smallest largest relative
# error of a P of degree 3 over a Q of degree 4, found with linear programming; 1.6e-7, 4.5e-7 as evaluated.
_TANH_END = np.float32(8)
_P = tuple(map(np.float32, (9.99999861e-01, 1.29246976e-01, 2.95000062e-03, 1.14176494e-05)))
_Q = tuple(map(np.float32, (1.0, 4.62579124e-01, 2.38113295e-02, 2.38526342e-04, 2.45581200e-07)))

SIMD_DIGEST = "1533c8912aff5830"
"""Of simd.py. Numba's cache on disk notices changes of this file only: change it when that one changes."""

_transpose_4 = make_transpose_tile(4)
_transpose_8 = make_transpose_tile(8)
_convolve = make_tile_product(6, 2, count=3)
_product_4x2 = make_tile_product(4, 2)
_product_8x1 = make_tile_product(8, 1)
_product_4x3 = make_tile_product(4, 3)
_add_product_6x2 = make_tile_product(6, 2, accumulate=True)
_add_product_8x1 = make_tile_product(8, 1, accumulate=True)
_add_product_4x3 = make_tile_product(4, 3, accumulate=True)
_blend_4 = make_blend(4)
_blend_8 = make_blend(8)
_blend_8_of_8 = make_blend(8, channels=8)
_blend_8_of_16 = make_blend(8, channels=16)
_blend_backward_4 = make_blend_backward(4)
_blend_backward_8 = make_blend_backward(8)
_blend_backward_8_of_8 = make_blend_backward(8, channels=8)
_blend_backward_dots = make_blend_backward(4, with_image=False)


def _compiled(function):
    """`function`, compiled when first called and kept on disk; in memory where no disk can be written."""
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # Numba found no folder for its cache
        return numba.njit(nogil=True, error_model="numpy")(function)


@_compiled
def pad_channels(padded, image, first, last, channels, padded_channels):
    """Copy pixels to where they have more channels."""
    for pixel in range(first, last):
        for channel in range(channels):
            padded[pixel * padded_channels + channel] = image[pixel * channels + channel]


@_compiled
def forward_band(
    image,
    skip,
    offset_rows,
    weight_rows,
    bias,
    out,
    top,
    bottom,
    height,
    width,
    channels,
    skip_channels,
    terms,
    out_channels,
    outputs,
    tile,
    scope,
    relu,
):
    """The last `skip_channels` of the `channels` are those of `skip`."""
    image_channels = channels - skip_channels
    planes = np.zeros((bottom - top + 2) * channels * (tile + TILE_STEP), image.dtype)
    shifts = np.empty(SHIFTS * tile, image.dtype)
    corners = np.empty(TAPS * tile, np.int32)
    coefficients = np.empty(4 * TAPS * tile, image.dtype)
    samples = np.zeros(tile * terms, image.dtype)
    products = np.empty(tile * outputs, image.dtype)
    for left in range(0, width, tile):
        count = min(tile, width - left)
        planes[:] = 0
        _fill_planes(
            planes, tile, image, 0, image_channels, channels, top, bottom, left, count, height, width
        )
        if skip_channels > 0:
            _fill_planes(
                *(planes, tile, skip, image_channels, skip_channels, channels),
                *(top, bottom, left, count, height, width),
            )
        for row in range(top, bottom):
            _find_shifts(shifts, planes, offset_rows, row - top, tile, count, channels)
            _place_samples(corners, coefficients, shifts, tile, count, row, left, height, width, scope, False)
            _sample(
                *(samples, image, 0, image_channels, channels, terms),
                *(corners, coefficients, tile, count, width),
            )
            if skip_channels > 0:
                _sample(
                    *(samples, skip, image_channels, skip_channels, channels, terms),
                    *(corners, coefficients, tile, count, width),
                )
            _multiply(products, samples, weight_rows, count, terms, outputs)
            first = (row * width + left) * out_channels
            _finish(out, first, products, bias, count, out_channels, outputs, relu)


@_compiled
def backward_band(
    image,
    offset_rows,
    offset_columns,
    weight_columns,
    gradient,
    image_gradient,
    offset_gradient,
    weight_gradient,
    bias_gradient,
    top,
    bottom,
    height,
    width,
    channels,
    terms,
    out_channels,
    outputs,
    tile,
    scope,
    needs_input,
):
    planes = np.zeros((bottom - top + 2) * channels * (tile + TILE_STEP), image.dtype)
    shifts = np.empty(SHIFTS * tile, image.dtype)
    corners = np.empty(TAPS * tile, np.int32)
    coefficients = np.empty(12 * TAPS * tile, image.dtype)
    samples = np.zeros(tile * terms, image.dtype)
    sample_gradient = np.zeros(tile * terms, image.dtype)
    dots = np.empty(4 * TAPS * tile, image.dtype)
    shift_planes = np.zeros(PADDED_SHIFTS * tile, image.dtype)
    shift_gradient = np.empty(tile * PADDED_SHIFTS, image.dtype)
    towards = np.zeros(tile * outputs, image.dtype)
    for left in range(0, width, tile):
        count = min(tile, width - left)
        planes[:] = 0
        _fill_planes(planes, tile, image, 0, channels, channels, top, bottom, left, count, height, width)
        for row in range(top, bottom):
            _find_shifts(shifts, planes, offset_rows, row - top, tile, count, channels)
            _place_samples(corners, coefficients, shifts, tile, count, row, left, height, width, scope, True)
            _copy_gradient(
                towards, gradient, (row * width + left) * out_channels, count, out_channels, outputs
            )

            for pixel in range(0, count, 4):
                for term in range(0, terms, 24):
                    _product_4x3(
                        *(1, outputs),
                        *(towards, pixel * outputs, 0, 1, outputs),
                        *(weight_columns, term, 0, terms),
                        *(sample_gradient, pixel * terms + term, terms),
                    )
            _sample_backward(
                samples,
                sample_gradient,
                dots,
                image_gradient,
                image,
                corners,
                coefficients,
                tile,
                count,
                width,
                channels,
                terms,
                needs_input,
            )
            _add_weight_gradient(weight_gradient, samples, towards, count, terms, outputs)
            for pixel in range(count):
                for output in range(0, outputs, LANES):
                    total = load(bias_gradient, output) + load(towards, pixel * outputs + output)
                    store(bias_gradient, output, total)

            _find_shift_gradient(shift_planes, shift_gradient, dots, coefficients, shifts, tile, count, scope)
            _add_offset_gradient(offset_gradient, planes, shift_gradient, row - top, tile, count, channels)

            if needs_input:
                for pixel in range(0, count, 4):
                    for term in range(0, terms, 24):
                        _product_4x3(
                            *(1, SHIFTS),
                            *(shift_gradient, pixel * PADDED_SHIFTS, 0, 1, PADDED_SHIFTS),
                            *(offset_columns, term, 0, terms),
                            *(sample_gradient, pixel * terms + term, terms),
                        )
                _add_patches(
                    image_gradient, sample_gradient, row, left, count, height, width, channels, terms
                )


@_compiled
def _fill_planes(
    planes, tile, image, first_channel, image_channels, channels, top, bottom, left, count, height, width
):
    """The band's strip of the image with a border of one, a plane of pixels for every row and channel.

    `channels` are all that there are planes for; those of `image` begin with number `first_channel`.
    """
    stride = tile + TILE_STEP
    first = max(left - 1, 0)
    last = min(left + count + 1, width)
    for row in range(max(top - 1, 0), min(bottom + 1, height)):
        plane = ((row - top + 1) * channels + first_channel) * stride - left + 1
        pixels = row * width
        whole = first + (last - first) // LANES * LANES
        for column in range(first, whole, LANES):
            source = (pixels + column) * image_channels
            if image_channels % LANES == 0:
                for channel in range(0, image_channels, LANES):
                    target = plane + channel * stride + column
                    _transpose_8(image, source + channel, image_channels, planes, target, stride)
            else:
                for channel in range(0, image_channels, 4):
                    target = plane + channel * stride + column
                    _transpose_4(image, source + channel, image_channels, planes, target, stride)
        for column in range(whole, last):
            source = (pixels + column) * image_channels
            for channel in range(image_channels):
                planes[plane + channel * stride + column] = image[source + channel]


@_compiled
def _find_shifts(shifts, planes, offset_rows, row, tile, count, channels):
    """tanh of the offset convolution: shifts x pixels."""
    stride = tile + TILE_STEP
    for shift in range(0, SHIFTS, 6):
        for pixel in range(0, count, TILE_STEP):
            _convolve(
                *(3 * channels, 3),
                *(offset_rows, shift, 3 * SHIFTS, SHIFTS, 1),
                *(planes, row * channels * stride + pixel, stride, 1),
                *(shifts, shift * tile + pixel, tile),
            )
    _tanh_in_place(shifts)


def _tanh_in_place(values):
    """tanh of a flat array whose length is a multiple of `LANES`."""


@overload(_tanh_in_place)
def _choose_tanh(values):
    def rational(values):
        end = splat(_TANH_END)
        for start in range(0, values.size, LANES):
            x = maximum(splat(-_TANH_END), minimum(end, load(values, start)))
            s = x * x
            p = ((splat(_P[3]) * s + splat(_P[2])) * s + splat(_P[1])) * s + splat(_P[0])
            q = (((splat(_Q[4]) * s + splat(_Q[3])) * s + splat(_Q[2])) * s + splat(_Q[1])) * s + splat(_Q[0])
            store(values, start, x * p / q)

    def library(values):
        for index in range(values.size):
            values[index] = math.tanh(values[index])

    return rational if values.dtype == types.float32 else library


@_compiled
def _place_on_axis(shift, place, last):
    """Where bilinear interpolation reads along one axis.

    The first of two neighbouring pixels, both inside the image, and the weights of the two; a weight is 0
    where the position has no part of that pixel, which is how zeros beyond the border come about. The last
    result is how far the position's own pixel lies from the first one.
    """
    whole = floor(shift)
    pixel = place + to_integer(whole)
    first = minimum(maximum(pixel, splat(np.int32(0))), splat(last))
    away = pixel - first
    position = shift - whole + to_float_like(away, shift)
    zero = shift - shift
    one = to_float_like(splat(np.int32(1)), shift)
    return first, maximum(one - absolute(position), zero), maximum(one - absolute(position - one), zero), away


@_compiled
def _slopes(away, like):
    """Derivatives of the two weights of `_place_on_axis` towards the position."""
    zero = splat(np.int32(0))
    one = splat(np.int32(1))
    minus = splat(np.int32(-1))
    first = where_equal(away, zero, minus, where_equal(away, minus, one, zero))
    second = where_equal(away, zero, one, where_equal(away, one, minus, zero))
    return to_float_like(first, like), to_float_like(second, like)


@_compiled
def _place_samples(corners, coefficients, shifts, tile, count, row, left, height, width, scope, with_slopes):
    """Where and with what weights every tap of every pixel samples: taps x pixels."""
    step = TAPS * tile
    for tap in range(TAPS):
        row_place = splat(np.int32(row + tap // 3 - 1))
        for pixel in range(0, count, LANES):
            y, y0, y1, y_away = _place_on_axis(
                splat(scope) * load(shifts, 2 * tap * tile + pixel), row_place, np.int32(height - 2)
            )
            x, x0, x1, x_away = _place_on_axis(
                splat(scope) * load(shifts, (2 * tap + 1) * tile + pixel),
                counting() + splat(np.int32(left + pixel + tap % 3 - 1)),
                np.int32(width - 2),
            )
            at = tap * tile + pixel
            store(corners, at, y * splat(np.int32(width)) + x)
            store(coefficients, at, y0 * x0)
            store(coefficients, at + step, y0 * x1)
            store(coefficients, at + 2 * step, y1 * x0)
            store(coefficients, at + 3 * step, y1 * x1)
            if with_slopes:
                y0_slope, y1_slope = _slopes(y_away, y0)
                x0_slope, x1_slope = _slopes(x_away, x0)
                store(coefficients, at + 4 * step, y0_slope * x0)
                store(coefficients, at + 5 * step, y0_slope * x1)
                store(coefficients, at + 6 * step, y1_slope * x0)
                store(coefficients, at + 7 * step, y1_slope * x1)
                store(coefficients, at + 8 * step, y0 * x0_slope)
                store(coefficients, at + 9 * step, y0 * x1_slope)
                store(coefficients, at + 10 * step, y1 * x0_slope)
                store(coefficients, at + 11 * step, y1 * x1_slope)


@_compiled
def _sample(
    samples,
    image,
    first_channel,
    image_channels,
    channels,
    terms,
    corners,
    coefficients,
    tile,
    count,
    width,
):
    """The samples of every pixel, pixels x terms: of each tap's `channels` those of `image`."""
    step = TAPS * tile
    below = width * image_channels
    for tap in range(TAPS):
        for pixel in range(count):
            at = tap * tile + pixel
            corner = np.intp(corners[at]) * image_channels
            to = pixel * terms + tap * channels + first_channel
            if image_channels == 8:
                _blend_8_of_8(
                    *(image_channels, image, corner, image_channels, below),
                    *(coefficients, at, step, samples, to),
                )
            elif image_channels == 16:
                _blend_8_of_16(
                    *(image_channels, image, corner, image_channels, below),
                    *(coefficients, at, step, samples, to),
                )
            elif image_channels % 8 == 0:
                _blend_8(
                    *(image_channels, image, corner, image_channels, below),
                    *(coefficients, at, step, samples, to),
                )
            else:
                _blend_4(
                    *(image_channels, image, corner, image_channels, below),
                    *(coefficients, at, step, samples, to),
                )


@_compiled
def _sample_backward(
    samples,
    sample_gradient,
    dots,
    image_gradient,
    image,
    corners,
    coefficients,
    tile,
    count,
    width,
    channels,
    terms,
    needs_input,
):
    """Samples anew, and, if needed, what they add to the gradient of the image.

    `dots`, taps x pixels x 4, gets the scalar products of a sample's gradient with the four pixels around it.
    """
    step = TAPS * tile
    below = width * channels
    for pixel in range(count):
        for tap in range(TAPS):
            at = tap * tile + pixel
            corner = np.intp(corners[at]) * channels
            to = pixel * terms + tap * channels
            if not needs_input:
                _blend_backward_dots(
                    *(channels, image, corner, channels, below, coefficients, at, step),
                    *(sample_gradient, samples, to, image_gradient, dots, 4 * at),
                )
            elif channels == 8:
                _blend_backward_8_of_8(
                    *(channels, image, corner, channels, below, coefficients, at, step),
                    *(sample_gradient, samples, to, image_gradient, dots, 4 * at),
                )
            elif channels % 8 == 0:
                _blend_backward_8(
                    *(channels, image, corner, channels, below, coefficients, at, step),
                    *(sample_gradient, samples, to, image_gradient, dots, 4 * at),
                )
            else:
                _blend_backward_4(
                    *(channels, image, corner, channels, below, coefficients, at, step),
                    *(sample_gradient, samples, to, image_gradient, dots, 4 * at),
                )


@_compiled
def _find_shift_gradient(planes, gradient, dots, coefficients, shifts, tile, count, scope):
    """Gradient of the offset convolution's outputs: pixels x padded shifts.

    `planes` is room for the same numbers as shifts x pixels.
    """
    step = TAPS * tile
    products = np.empty(4 * LANES, dots.dtype)
    for tap in range(TAPS):
        for pixel in range(0, count, LANES):
            at = tap * tile + pixel
            _transpose_4(dots, 4 * at, 4, products, 0, LANES)
            for axis in range(2):
                slope = load(coefficients, at + (4 + 4 * axis) * step) * load(products, 0)
                for corner in range(1, 4):
                    weight = load(coefficients, at + (4 + 4 * axis + corner) * step)
                    slope = slope + weight * load(products, corner * LANES)
                place = (2 * tap + axis) * tile + pixel
                bounded = load(shifts, place)
                one = to_float_like(splat(np.int32(1)), bounded)
                store(planes, place, slope * splat(scope) * (one - bounded * bounded))
    for shift in range(0, PADDED_SHIFTS, LANES):
        for pixel in range(0, count, LANES):
            place = pixel * PADDED_SHIFTS + shift
            _transpose_8(planes, shift * tile + pixel, tile, gradient, place, PADDED_SHIFTS)


@_compiled
def _multiply(products, samples, weight_rows, count, terms, outputs):
    """Samples times weights: pixels x outputs."""
    if outputs % (2 * LANES) == 0:
        for output in range(0, outputs, 2 * LANES):
            for pixel in range(0, count, 4):
                _product_4x2(
                    *(1, terms),
                    *(samples, pixel * terms, 0, 1, terms),
                    *(weight_rows, output, 0, outputs),
                    *(products, pixel * outputs + output, outputs),
                )
    else:
        for output in range(0, outputs, LANES):
            for pixel in range(0, count, 8):
                _product_8x1(
                    *(1, terms),
                    *(samples, pixel * terms, 0, 1, terms),
                    *(weight_rows, output, 0, outputs),
                    *(products, pixel * outputs + output, outputs),
                )


@_compiled
def _finish(out, first, products, bias, count, out_channels, outputs, relu):
    """Bias and, if wanted, ReLU, into the output."""
    zero = bias.dtype.type(0)
    if outputs == out_channels:
        for pixel in range(count):
            for output in range(0, outputs, LANES):
                value = load(products, pixel * outputs + output) + load(bias, output)
                if relu:
                    value = maximum(splat(zero), value)
                store(out, first + pixel * outputs + output, value)
    else:
        for pixel in range(count):
            for output in range(out_channels):
                total = products[pixel * outputs + output] + bias[output]
                out[first + pixel * out_channels + output] = max(total, zero) if relu else total


@_compiled
def _copy_gradient(towards, gradient, first, count, out_channels, outputs):
    """The tile's part of the output's gradient: pixels x outputs."""
    towards[:] = 0
    for pixel in range(count):
        for output in range(out_channels):
            towards[pixel * outputs + output] = gradient[first + pixel * out_channels + output]


@_compiled
def _add_weight_gradient(weight_gradient, samples, towards, count, terms, outputs):
    """Transposed samples times gradients."""
    if outputs % (2 * LANES) == 0:
        for term in range(0, terms, 6):
            for output in range(0, outputs, 2 * LANES):
                _add_product_6x2(
                    *(1, count),
                    *(samples, term, 0, terms, 1),
                    *(towards, output, 0, outputs),
                    *(weight_gradient, term * outputs + output, outputs),
                )
    else:
        for term in range(0, terms, 8):
            for output in range(0, outputs, LANES):
                _add_product_8x1(
                    *(1, count),
                    *(samples, term, 0, terms, 1),
                    *(towards, output, 0, outputs),
                    *(weight_gradient, term * outputs + output, outputs),
                )


@_compiled
def _add_offset_gradient(offset_gradient, planes, shift_gradient, row, tile, count, channels):
    """Transposed patches times gradients of the shifts."""
    stride = tile + TILE_STEP
    for kernel_row in range(3):
        for kernel_column in range(3):
            for channel in range(0, channels, 4):
                plane = ((row + kernel_row) * channels + channel) * stride + kernel_column
                term = (kernel_row * 3 + kernel_column) * channels + channel
                _add_product_4x3(
                    *(1, count),
                    *(planes, plane, 0, 1, stride),
                    *(shift_gradient, 0, 0, PADDED_SHIFTS),
                    *(offset_gradient, term * PADDED_SHIFTS, PADDED_SHIFTS),
                )


@_compiled
def _add_patches(image_gradient, patches, row, left, count, height, width, channels, terms):
    """Add 3 x 3 patches, pixels x terms, to where they were taken from."""
    run = 3 * channels
    for kernel_row in range(3):
        y = row + kernel_row - 1
        if y < 0 or y >= height:
            continue
        for pixel in range(count):
            column = left + pixel
            begin = channels if column == 0 else 0
            end = run - channels if column == width - 1 else run
            target = (y * width + column - 1) * channels
            source = pixel * terms + kernel_row * run
            if channels % LANES == 0:
                for i in range(begin, end, LANES):
                    total = load(image_gradient, target + i) + load(patches, source + i)
                    store(image_gradient, target + i, total)
            else:
                for i in range(begin, end):
                    image_gradient[target + i] += patches[source + i]
