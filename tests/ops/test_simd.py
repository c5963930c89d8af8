"""The inner loops against NumPy, in both types."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba
import numpy as np
import pytest

from drepano.ops import cpu_kernels, simd
from drepano.ops.simd import make_blend, make_blend_backward, make_tile_product, make_transpose_tile

each_type = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_width = pytest.mark.parametrize("lanes", [4, 8])

RIGHT, BELOW = 16, 80
"""From pixel to pixel and from row to row of an image of 5 x 5 pixels and 16 channels."""


def numbers(size, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(size).astype(dtype)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@each_type
@each_width
def test_transpose(lanes, dtype):
    transpose = make_transpose_tile(lanes)

    @numba.njit
    def run(source, target):
        transpose(source, 3, 11, target, 2, 9)

    source, target = numbers(100, dtype), np.zeros(100, dtype)
    run(source, target)
    expected = np.zeros(100, dtype)
    for i in range(8):
        for j in range(lanes):
            expected[2 + 9 * j + i] = source[3 + 11 * i + j]
    np.testing.assert_array_equal(target, expected)


@each_type
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("rows", "vectors"), [(6, 2), (8, 1), (4, 3), (1, 1)])
def test_tile_product(rows, vectors, accumulate, dtype):
    product = make_tile_product(rows, vectors, accumulate)
    blocks, count, columns = 3, 5, 8 * vectors

    @numba.njit
    def run(a, b, out):
        product(
            blocks, count, a, 0, count, 1, blocks * count, b, 0, count * columns, columns, out, 0, columns
        )

    a, b = numbers((rows, blocks * count), dtype), numbers((blocks * count, columns), dtype, 1)
    out = numbers((rows, columns), dtype, 2)
    expected = a @ b + (out if accumulate else 0)
    flat = out.reshape(-1).copy()
    run(a.reshape(-1), b.reshape(-1), flat)
    close(flat.reshape(rows, columns), expected)


def corners(image, corner, channels):
    starts = (corner, corner + RIGHT, corner + BELOW, corner + BELOW + RIGHT)
    return np.stack([image[start : start + channels] for start in starts])


@each_type
@each_width
@pytest.mark.parametrize("channels", [8, 16])
def test_blend(channels, lanes, dtype):
    blend = make_blend(lanes)

    @numba.njit
    def run(image, weights, out):
        blend(channels, image, 7, RIGHT, BELOW, weights, 1, 3, out, 2)

    image, weights, out = numbers(400, dtype), numbers(13, dtype, 1), np.zeros(30, dtype)
    run(image, weights, out)
    expected = np.zeros(30, dtype)
    expected[2 : 2 + channels] = weights[1::3][:4] @ corners(image, 7, channels)
    close(out, expected)


@each_type
@each_width
@pytest.mark.parametrize("with_image", [False, True])
def test_blend_backward(with_image, lanes, dtype):
    channels = 16
    backward = make_blend_backward(lanes, with_image=with_image)

    @numba.njit
    def run(image, weights, gradient, samples, image_gradient, dots):
        backward(
            channels, image, 7, RIGHT, BELOW, weights, 0, 1, gradient, samples, 2, image_gradient, dots, 5
        )

    image, weights, gradient = numbers(400, dtype), numbers(4, dtype, 1), numbers(30, dtype, 2)
    samples, image_gradient, dots = np.zeros(30, dtype), numbers(400, dtype, 3), np.zeros(12, dtype)
    expected_image = image_gradient.copy()
    run(image, weights, gradient, samples, image_gradient, dots)
    pixels, towards = corners(image, 7, channels), gradient[2 : 2 + channels]
    close(samples[2 : 2 + channels], weights @ pixels)
    close(dots[5:9], pixels @ towards)
    if with_image:
        for weight, start in zip(weights, (7, 7 + RIGHT, 7 + BELOW, 7 + BELOW + RIGHT), strict=True):
            expected_image[start : start + channels] += weight * towards
    close(image_gradient, expected_image)


def test_numbas_cache_notices_a_change_of_simd():
    """If this fails, put the new digest into cpu_kernels.py: then kernels are compiled anew everywhere."""
    text = Path(simd.__file__).read_text(encoding="utf-8")
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == cpu_kernels.SIMD_DIGEST
