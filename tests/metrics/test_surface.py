"""Distances between outlines: known answers, MONAI and scipy on random maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.distance import directed_hausdorff

from drepano.metrics import (
    SurfaceDistances,
    surface_distances,
    surface_distances_per_class,
)


def region(seed, shape=(41, 37)):
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2)
    return noise > 0.1


def square(top, left, side=10, shape=(40, 40)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_a_region_is_at_distance_0_from_itself():
    result = surface_distances(region(0), region(0))
    assert (result.hausdorff, result.hausdorff95, result.surface_dice) == (0, 0, 1)


def test_a_square_shifted_by_three_pixels_is_three_away():
    result = surface_distances(square(10, 10), square(10, 13))
    assert result.hausdorff == 3
    assert result.surface_dice < 1
    assert surface_distances(square(10, 10), square(10, 13), tolerance=3).surface_dice == 1


def test_two_single_pixels():
    first, second = square(4, 4, side=1), square(7, 8, side=1)
    assert surface_distances(first, second) == SurfaceDistances(5, 5, 0)
    assert surface_distances(first, second, tolerance=5).surface_dice == 1


def test_one_pixel_far_away_sets_the_hausdorff_distance_but_not_its_95th_percentile():
    far = square(10, 10)
    far[15, 35] = True
    result = surface_distances(square(10, 10), far)
    assert result.hausdorff == 16
    assert result.hausdorff95 == 0


def test_without_a_region_distances_are_not_defined():
    nothing = np.zeros((40, 40), bool)
    for result in (surface_distances(square(5, 5), nothing), surface_distances(nothing, square(5, 5))):
        assert np.isnan(result.hausdorff)
        assert np.isnan(result.hausdorff95)
        assert result.surface_dice == 0
    assert np.isnan(surface_distances(nothing, nothing).surface_dice)


def test_every_class_has_its_own():
    true = np.where(square(2, 2), 1, np.where(square(20, 20), 2, 0)).astype(np.uint8)
    moved = np.where(square(2, 4), 1, np.where(square(20, 20), 2, 0)).astype(np.uint8)
    _, first, second, absent = surface_distances_per_class(true, moved, 4)
    assert (first.hausdorff, second.hausdorff) == (2, 0)
    assert np.isnan(absent.hausdorff)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 3\) and \(3, 4\)"):
        surface_distances(np.zeros((3, 3), bool), np.zeros((3, 4), bool))


def test_a_value_that_is_no_class_is_refused():
    """Else its region would be left out."""
    with pytest.raises(ValueError, match="class 2"):
        surface_distances_per_class(np.full((3, 3), 2, np.uint8), np.zeros((3, 3), np.uint8), 2)


def as_batch(mask):
    return torch.from_numpy(mask[None, None].astype(np.float32))


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_monai(seed):
    true, predicted = region(seed), region(seed + 100)
    result = surface_distances(true, predicted)
    sides = as_batch(predicted), as_batch(true)
    assert result.hausdorff == pytest.approx(float(compute_hausdorff_distance(*sides, True)))
    expected = float(compute_hausdorff_distance(*sides, True, percentile=95))
    assert result.hausdorff95 == pytest.approx(expected, rel=1e-5)
    dice = float(compute_surface_dice(*sides, class_thresholds=[2.0], include_background=True))
    assert result.surface_dice == pytest.approx(dice, rel=1e-6)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_is_symmetric_and_scipys_directed_distance_both_ways(first, second):
    true, predicted = region(first), region(second)
    outlines = [np.argwhere(side & ~binary_erosion(side)) for side in (true, predicted)]
    expected = max(directed_hausdorff(*outlines)[0], directed_hausdorff(*outlines[::-1])[0])
    assert surface_distances(true, predicted).hausdorff == pytest.approx(expected)
    assert surface_distances(true, predicted) == surface_distances(predicted, true)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_no_figure_leaves_its_bounds(first, second):
    result = surface_distances(region(first), region(second))
    assert 0 <= result.hausdorff95 <= result.hausdorff <= np.hypot(40, 36)
    assert 0 <= result.surface_dice <= 1
