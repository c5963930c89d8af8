"""What is done to an image before a network sees it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion

from drepano.preprocessing import measure_light, normalise, scale_image, scale_labels, scaled_size


def normalised_field(image, normalisation="background"):
    """The field in its own light."""
    return normalise(image, measure_light(image, normalisation))


def discs(count: int, contrast: int, background: int = 200) -> np.ndarray:
    """Dark discs in a field of 160 px, with the noise of a camera."""
    rng = np.random.default_rng(count)
    grey = background + rng.normal(0, 2, (160, 160))
    y, x = np.mgrid[:160, :160]
    for row, column in [(r, c) for r in range(16, 160, 32) for c in range(16, 160, 32)][:count]:
        grey[np.hypot(y - row, x - column) < 12] -= contrast
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def random_image(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_background_becomes_zero_in_every_channel():
    image = np.empty((20, 30, 3), np.uint8)
    image[:] = (200, 180, 90)
    image[5:10, 5:10] = (10, 20, 30)
    normalised = normalised_field(image)
    assert (normalised[:, 0, 0] == 0).all()
    np.testing.assert_allclose(normalised[:, 7, 7], np.array([-190, -160, -60]) / 64)


def test_channels_come_first_as_contiguous_float32():
    normalised = normalised_field(random_image(20, 30))
    assert normalised.shape == (3, 20, 30)
    assert normalised.dtype == np.float32
    assert normalised.flags.c_contiguous


def test_channels_and_pixels_keep_their_order():
    image = random_image()
    differences = normalised_field(image).transpose(1, 2, 0) * 64 - image
    assert np.ptp(differences, axis=(0, 1)).max() < 1e-4


@pytest.mark.parametrize("normalisation", ["background", "contrast"])
@pytest.mark.parametrize("level", [0, 17, 255])
def test_an_empty_field_stays_flat(level, normalisation):
    assert (normalised_field(np.full((8, 8, 3), level, np.uint8), normalisation) == 0).all()


@pytest.mark.parametrize("count", [1, 5, 12])
@pytest.mark.parametrize("contrast", [20, 60, 120])
def test_the_contrast_of_cells_becomes_one_however_many_there_are(count, contrast):
    light = measure_light(discs(count, contrast), "contrast")
    assert light.contrast == pytest.approx(contrast, rel=0.05)
    assert normalised_field(discs(count, contrast), "contrast")[:, 16, 16] == pytest.approx(-1, abs=0.4)


def test_noise_is_not_made_as_strong_as_cells():
    assert measure_light(discs(0, 0), "contrast").contrast == 16
    assert normalised_field(discs(0, 0), "contrast").std() < 0.15


def test_a_dim_field_and_a_strong_one_look_alike_where_contrast_is_taken_out():
    strong = discs(9, 120).astype(int)
    dim = 200 + (strong - 200) // 4
    both = [normalised_field(one.astype(np.uint8), "contrast") for one in (strong, dim)]
    np.testing.assert_allclose(*both, atol=0.05)


def test_a_dim_field_stays_dim_where_contrast_is_kept():
    assert np.ptp(normalised_field(discs(9, 30))) < np.ptp(normalised_field(discs(9, 120))) / 2


def test_brightness_does_not_matter_but_contrast_does():
    image = random_image() // 4
    np.testing.assert_allclose(normalised_field(image), normalised_field(image + 100))
    assert normalised_field(image * 2).std() == pytest.approx(2 * normalised_field(image).std())


def test_of_a_large_image_the_background_is_estimated_from_a_part():
    image = np.full((1000, 1001, 3), 140, np.uint8)
    image[::3, ::5] = 20
    assert (normalised_field(image)[:, 1, 1] == 0).all()


def test_a_factor_of_one_changes_nothing():
    image = random_image()
    labels = image[..., 0]
    assert scale_image(image, 1.0) is image
    assert scale_labels(labels, 1.0) is labels


@pytest.mark.parametrize(
    ("size", "factor", "scaled"),
    [((10, 20), 2, (20, 40)), ((10, 20), 0.5, (5, 10)), ((61, 97), 0.75, (46, 73)), ((3, 400), 0.01, (1, 4))],
)
def test_images_and_labels_come_out_in_the_scaled_size(size, factor, scaled):
    assert scaled_size(size, factor) == scaled
    image = scale_image(random_image(*size), factor)
    assert image.shape == (*scaled, 3)
    assert image.dtype == np.uint8
    assert scale_labels(np.zeros(size, np.int32), factor).shape == scaled


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.05, 4))
def test_labels_keep_their_values_and_type_at_any_factor(height, width, factor):
    labels = np.random.default_rng(1).choice(np.array([0, 3, 7000], np.int32), (height, width))
    scaled = scale_labels(labels, factor)
    assert scaled.shape == scaled_size((height, width), factor)
    assert scaled.dtype == labels.dtype
    assert set(np.unique(scaled)) <= set(np.unique(labels))


def test_labels_enlarged_by_a_whole_number_are_repeated():
    labels = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(scale_labels(labels, 3), labels.repeat(3, 0).repeat(3, 1))
    np.testing.assert_array_equal(scale_labels(scale_labels(labels, 3), 1 / 3), labels)


@pytest.mark.parametrize("factor", [0.5, 0.37, 1.7, 3])
def test_image_and_labels_stay_aligned(factor):
    """The rim of a disc stays where it is, to within a pixel of the smaller grid."""
    y, x = np.mgrid[:80, :90]
    disc = (y - 30) ** 2 + (x - 50) ** 2 < 20**2
    image = np.repeat((disc * 200).astype(np.uint8)[..., None], 3, axis=2)
    labels = scale_labels(disc.astype(np.uint8), factor) > 0
    bright = scale_image(image, factor)[..., 0] > 100
    np.testing.assert_allclose(np.argwhere(labels).mean(0), np.argwhere(bright).mean(0), atol=0.6)
    rim = binary_dilation(labels, iterations=1) & ~binary_erosion(labels, iterations=1)
    assert not (labels != bright)[~rim].any()


def test_a_smaller_image_is_smoothed_first():
    """Single bright pixels do not appear or vanish with the sampling grid."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2, ::2] = 200
    smaller = scale_image(image, 0.25)[4:-4, 4:-4]
    assert smaller.mean() == pytest.approx(50, abs=3)
    assert smaller.std() < 12


def test_a_flat_image_stays_flat():
    image = np.full((21, 34, 3), 137, np.uint8)
    for factor in (0.3, 0.9, 2.1):
        assert (scale_image(image, factor) == 137).all()
