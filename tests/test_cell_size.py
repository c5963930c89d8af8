"""The size of cells, on drawn discs of known size and on real fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.transform import rotate

from drepano.cell_size import estimate_cell_diameter
from drepano.io import read_image
from drepano.preprocessing import scale_image

EXAMPLES = Path(__file__).parents[1] / "examples" / "chula-rbc12"


def field(radius: float, size=(400, 600), contrast=-60, step=3.0, debris=0) -> np.ndarray:
    """Discs on a grid, with the noise of a camera."""
    rng = np.random.default_rng(0)
    grey = 170 + rng.normal(0, 3, size)
    y, x = np.mgrid[: size[0], : size[1]]
    spacing = step * radius
    for row in np.arange(spacing, size[0] - spacing / 2, spacing):
        for column in np.arange(spacing, size[1] - spacing / 2, spacing):
            grey[np.hypot(y - row, x - column) < radius] += contrast
    for row, column in rng.integers(5, min(size) - 5, (debris, 2)):
        grey[np.hypot(y - row, x - column) < 3.5] += contrast
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("radius", [6, 10, 25, 60])
@pytest.mark.parametrize("contrast", [-60, 60, -20])
def test_the_diameter_of_discs(radius, contrast):
    assert estimate_cell_diameter(field(radius, contrast=contrast)) == pytest.approx(2 * radius, rel=0.1)


def test_debris_hardly_counts():
    assert estimate_cell_diameter(field(20, debris=200)) == pytest.approx(40, rel=0.1)


def test_cells_that_touch_do_not_count():
    image = field(20)
    grey = image[..., 0].copy()
    grey[55:65, 60:300] = 110  # joins the first row's cells
    assert estimate_cell_diameter(np.repeat(grey[..., None], 3, axis=2)) == pytest.approx(40, rel=0.1)


def test_rings_are_filled():
    image = field(24)
    pale = field(16, step=4.5)  # the same grid
    ring = np.where((image < 130) & (pale < 130), 170, image).astype(np.uint8)
    assert estimate_cell_diameter(ring) == pytest.approx(48, rel=0.1)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_field_has_no_cells(level):
    assert estimate_cell_diameter(np.full((60, 80, 3), level, np.uint8)) is None


def test_where_all_cells_are_cut_by_the_border_none_is_typical():
    image = np.full((40, 40, 3), 170, np.uint8)
    image[:20] = 90
    assert estimate_cell_diameter(image) is None


@pytest.mark.parametrize("scale", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.jpg")), ids=lambda path: path.stem)
def test_on_a_real_field_it_grows_with_the_image(path, scale):
    image = read_image(path)
    native = estimate_cell_diameter(image)
    assert estimate_cell_diameter(scale_image(image, scale)) == pytest.approx(native * scale, rel=0.15)


def test_turning_the_field_changes_little():
    image = field(20)
    turned = rotate(image, 30, mode="edge", preserve_range=True).astype(np.uint8)
    assert estimate_cell_diameter(turned) == pytest.approx(40, rel=0.1)
