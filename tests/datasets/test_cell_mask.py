"""The mask found in a crop is the cell: measured on drawn cells, whose masks are exact, and on real crops."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from drepano.datasets import read_crop, simulate_cell
from drepano.datasets.cell_mask import background_level, cell_mask
from drepano.datasets.xu2017 import open_xu2017
from drepano.taxonomy import CATEGORIES

GREY = 160.0


def disc(size, centre, radius, aspect=1.0):
    y, x = np.mgrid[: size[0], : size[1]]
    return np.hypot((y - centre[0]) * aspect, (x - centre[1]) / aspect) < radius


def photograph(contrast, seed=0, noise=1.5):
    """A bright-field crop: grey background, `contrast` on it, a little out of focus, with noise."""
    rng = np.random.default_rng(seed)
    grey = GREY + ndimage.gaussian_filter(contrast.astype(float), 0.8) + rng.normal(0, noise, contrast.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def draw(category, seed=0, halo=0):
    """A drawn cell with a dark rim and perhaps a bright halo, 6 px of background around it."""
    cell = simulate_cell(category, np.random.default_rng(seed))
    rows, columns = (np.flatnonzero(cell.mask.any(axis)) for axis in (1, 0))
    box = slice(rows[0] - 6, rows[-1] + 7), slice(columns[0] - 6, columns[-1] + 7)
    mask, thickness = cell.mask[box], cell.thickness[box]
    rim = mask & ~ndimage.binary_erosion(mask, iterations=2)
    around = ndimage.binary_dilation(mask, iterations=2) & ~mask
    return photograph(-25 * thickness - 20 * rim + halo * around, seed), mask


def overlap(found, true):
    return (found & true).sum() / (found | true).sum()


def dice(found, true):
    return 2 * (found & true).sum() / (found.sum() + true.sum())


def outside(region, reference):
    """How far, in px, `region` reaches beyond `reference`."""
    return float(ndimage.distance_transform_edt(~reference)[region].max(initial=0))


def assert_one_whole_region(mask):
    assert ndimage.label(mask)[1] == 1  # scipy's default is 4-connected
    assert (ndimage.binary_fill_holes(mask) == mask).all()


# --- drawn cells


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_drawn_cell_is_found_and_its_outline_is_a_pixel_or_two_outside_the_exact_one(category):
    overlaps = []
    for seed in (0, 2, 3, 4):
        image, true = draw(category, seed)
        found = cell_mask(image)
        assert found.shape == image.shape and found.dtype == np.bool_
        assert_one_whole_region(found)
        assert outside(found, true) < 2.5 and outside(true, found) <= 1.5
        overlaps.append(overlap(found, true))
    assert min(overlaps) > 0.8


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_bright_halo_is_taken_in_but_no_more(category):
    for seed in (0, 2):
        image, true = draw(category, seed, halo=20)
        found = cell_mask(image)
        assert_one_whole_region(found)
        assert outside(found, true) < 4 and outside(true, found) <= 1.5


def test_a_sickle_bent_so_far_that_it_could_be_a_piece_of_a_rim_is_given_up():
    image, _ = draw("Sickle", 1)
    assert not cell_mask(image).any()


@pytest.mark.parametrize("aspect", [1.0, 1.2, 1.5])
@pytest.mark.parametrize("strength", [-40, 40])
def test_a_disc_or_ellipse_darker_or_brighter_than_the_background(aspect, strength):
    true = disc((62, 62), (31, 31), 20, aspect)
    found = cell_mask(photograph(strength * true))
    assert_one_whole_region(found)
    assert overlap(found, true) > 0.85


def test_a_ring_is_filled():
    """A cell whose inside is as grey as the background shows only its rim."""
    true = disc((60, 60), (30, 30), 20)
    ring = true & ~disc((60, 60), (30, 30), 17)
    found = cell_mask(photograph(-50 * ring))
    assert_one_whole_region(found)
    assert overlap(found, true) > 0.85


@pytest.mark.parametrize("gap", [3, 6, 10])
def test_a_broken_rim_is_closed(gap):
    true = disc((60, 60), (30, 30), 20)
    ring = true & ~disc((60, 60), (30, 30), 17)
    ring[30 - gap // 2 : 30 + (gap + 1) // 2, 30:] = False
    found = cell_mask(photograph(-50 * ring))
    assert_one_whole_region(found)
    assert overlap(found, true) > 0.85


def test_a_rim_that_is_mostly_missing_gives_no_mask_and_no_crescent():
    true = disc((60, 60), (30, 30), 20)
    ring = true & ~disc((60, 60), (30, 30), 17)
    ring[:, 18:] = False
    assert not cell_mask(photograph(-50 * ring)).any()


@pytest.mark.parametrize("width", [1, 3, 7])
def test_debris_that_touches_is_cut_off_near_the_cell(width):
    true = disc((64, 80), (32, 30), 20)
    fibre = np.zeros(true.shape, bool)
    fibre[32 - width // 2 : 33 + width // 2, 49:69] = True
    found = cell_mask(photograph(-40 * (true | fibre)))
    assert outside(fibre, true) > 18
    assert outside(found, true) < 9
    assert overlap(found, true) > 0.83


def test_debris_that_lies_apart_is_left_out():
    true = disc((70, 70), (33, 33), 20)
    speck = disc((70, 70), (64, 64), 3)
    found = cell_mask(photograph(-40 * (true | speck)))
    assert not found[speck].any()
    assert overlap(found, true) > 0.85


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("size", [(60, 60), (28, 45), (5, 5), (1, 9)])
def test_an_empty_crop_has_no_mask(size, noise):
    mask = cell_mask(photograph(np.zeros(size), noise=noise))
    assert mask.shape == size and mask.dtype == np.bool_
    assert not mask.any()


def test_an_even_slope_of_light_is_no_cell():
    slope = np.linspace(-6, 6, 60)[None].repeat(60, axis=0)
    assert not cell_mask(photograph(slope, noise=1.0)).any()


def test_the_image_is_not_changed_and_the_mask_is_always_the_same():
    image, _ = draw("Sickle")
    before = image.copy()
    first, second = cell_mask(image), cell_mask(image)
    assert (image == before).all() and (first == second).all()


def test_the_background_level_is_the_median_of_the_outermost_pixels():
    image = np.full((5, 6), 90, np.uint8)
    image[1:-1, 1:-1] = 10
    image[0, 0] = 255
    assert background_level(image) == 90


# --- real crops


@pytest.fixture(scope="module")
def real_crops(xu2017):
    """Every third crop of each category, which spreads over all patients."""
    sources = sorted(open_xu2017(xu2017).sources, key=lambda source: (source.category, source.id))
    return [read_crop(source) for source in sources[::3]]


def test_nearly_every_real_crop_has_a_mask_of_one_region_without_holes(real_crops):
    found = [crop for crop in real_crops if crop.mask.any()]
    assert len(found) >= 0.99 * len(real_crops)
    for crop in found:
        assert_one_whole_region(crop.mask)


def test_a_real_cell_fills_a_plausible_part_of_its_crop(real_crops):
    shares = np.array([crop.mask.mean() for crop in real_crops if crop.mask.any()])
    assert shares.min() > 0.1 and shares.max() < 0.95


def test_masks_of_real_crops_agree_with_the_automatic_masks_that_are_sane(xu2017, real_crops):
    with (xu2017 / "manifest.csv").open(newline="") as lines:
        sane = {row["file"]: row["class8"] for row in csv.DictReader(lines) if row["automask_sane"] == "1"}
    scores = []
    for crop in real_crops:
        name = f"{crop.id}.png"
        if name in sane and crop.mask.any():
            path = xu2017 / "automask" / sane[name] / name
            scores.append(dice(crop.mask, np.asarray(Image.open(path).convert("L")) > 0))
    assert len(scores) > 200
    assert np.mean(np.array(scores) > 0.85) > 0.98
    assert np.median(scores) > 0.93
