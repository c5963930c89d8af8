"""Ilastik's features: exact on images whose derivatives are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drepano.methods.pixel_features import FEATURES_PER_CHANNEL, SCALES, feature_reach, pixel_features

KINDS = (
    "smoothing",
    "laplacian",
    "gradient",
    "difference",
    "structure 1",
    "structure 2",
    "hessian 1",
    "hessian 2",
)
NAMES = [(SCALES[0], "smoothing"), *((scale, kind) for scale in SCALES[1:] for kind in KINDS)]


def feature(image: np.ndarray, scale: float, kind: str) -> np.ndarray:
    return pixel_features(image[..., None])[..., NAMES.index((scale, kind))]


def of_kind(kind: str):
    return pytest.mark.parametrize("scale", [scale for scale, other in NAMES if other == kind])


def middle(image: np.ndarray) -> np.ndarray:
    return image[60:-60, 60:-60]


Y, X = np.mgrid[:160, :180]


def test_ilastiks_scales_and_kinds():
    assert SCALES == (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
    assert len(NAMES) == FEATURES_PER_CHANNEL == 49


@pytest.mark.parametrize("channels", [1, 3])
def test_every_channel_has_its_own(channels):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels)).astype(np.uint8)
    features = pixel_features(image)
    assert features.dtype == np.float32
    assert features.shape == (20, 30, channels * 49)
    last = pixel_features(image[..., -1:])
    np.testing.assert_array_equal(features[..., -49:], last)


@pytest.mark.parametrize("number", range(FEATURES_PER_CHANNEL), ids=[f"{s} {kind}" for s, kind in NAMES])
def test_as_ilastiks_own_library_of_filters_computes_them(number):
    """`benchmarks/vigra_features.py` made the file, with vigra 1.11.1."""
    with np.load(Path(__file__).with_name("vigra_features.npz")) as file:
        image, rows, columns, expected = (file[n] for n in ("image", "rows", "columns", "features"))
    ours = pixel_features(image[..., None])[rows, columns, number]
    np.testing.assert_allclose(ours, expected[:, number], atol=5e-4 * expected[:, number].std())


def test_a_flat_image_has_its_grey_level_and_no_edges():
    features = pixel_features(np.full((30, 30, 1), 77, np.uint8))
    for number, (_, kind) in enumerate(NAMES):
        np.testing.assert_allclose(features[..., number], 77 if kind == "smoothing" else 0, atol=1e-3)


@of_kind("gradient")
def test_the_gradient_of_a_slope_is_its_steepness(scale):
    slope = X.astype(np.uint8)
    np.testing.assert_allclose(middle(feature(slope, scale, "gradient")), 1, atol=1e-3)


@of_kind("structure 1")
def test_the_structure_tensor_of_a_slope_is_its_squared_steepness_and_0(scale):
    slope = X.astype(np.uint8)
    np.testing.assert_allclose(middle(feature(slope, scale, "structure 1")), 1, atol=1e-3)
    np.testing.assert_allclose(middle(feature(slope, scale, "structure 2")), 0, atol=1e-3)


@of_kind("laplacian")
def test_second_derivatives_of_a_bowl(scale):
    """But for its rounding to whole grey levels."""
    bowl = np.rint(200 - (X - 90) ** 2 / 64 - (Y - 80) ** 2 / 128).astype(np.uint8)
    rounding = 0.9 if scale < 3 else 0.02
    np.testing.assert_allclose(
        middle(feature(bowl, scale, "laplacian")).mean(), -1 / 32 - 1 / 64, atol=rounding / 50
    )
    np.testing.assert_allclose(middle(feature(bowl, scale, "hessian 2")), -1 / 32, atol=rounding)
    np.testing.assert_allclose(middle(feature(bowl, scale, "hessian 1")), -1 / 64, atol=rounding)


@of_kind("difference")
def test_smoothing_is_a_gaussian_of_that_scale(scale):
    """Up to scale 1 the image is smoothed before and again, which makes it 1.4 times the scale."""
    dot = np.zeros((121, 121), np.uint8)
    dot[60, 60] = 255
    spread = feature(dot, scale, "smoothing")
    variance = (spread * (np.arange(121) - 60)[:, None] ** 2).sum() / spread.sum()
    assert variance == pytest.approx(scale**2 if scale > 1 else 2 * scale**2, rel=0.25)


@of_kind("difference")
def test_the_difference_is_negative_on_a_bright_spot(scale):
    spot = np.where(np.hypot(X - 90, Y - 80) < 1.5 * scale, 255, 0).astype(np.uint8)
    assert feature(spot, scale, "difference")[80, 90] < 0


def test_features_turn_with_the_image():
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 1)).astype(np.uint8)
    turned = pixel_features(np.swapaxes(image, 0, 1).copy())
    np.testing.assert_allclose(np.swapaxes(turned, 0, 1), pixel_features(image), rtol=1e-3, atol=0.05)


def test_a_pixel_changes_features_within_reach_and_no_farther():
    image = np.full((121, 121, 1), 100, np.uint8)
    changed = image.copy()
    changed[60, 60] = 255
    differs = (pixel_features(image) != pixel_features(changed)).any(-1)
    rows, columns = np.nonzero(differs)
    assert feature_reach() == 38
    assert max(abs(rows - 60).max(), abs(columns - 60).max()) <= 38
    assert abs(rows - 60).max() > 30


@pytest.mark.parametrize("size", [(1, 1), (1, 12), (5, 3)])
def test_images_smaller_than_the_filters(size):
    assert np.isfinite(pixel_features(np.full((*size, 1), 9, np.uint8))).all()
