"""Blank margins of a field: bars go whatever their grey and noise, background stays however clean it is."""

from __future__ import annotations

import numpy as np
import pytest

from drepano.margins import blank_margins, notable_margins

LEFT, RIGHT = 60, 70


def a_field(noise=3.0, light=0.0, cells=True, size=(270, 480)):
    """Grey 150 with a gradient of `light` grey levels and dark discs in its middle, far from every edge."""
    height, width = size
    grey = 150 + np.random.default_rng(0).normal(0, noise, size) + light * np.linspace(0, 1, height)[:, None]
    y, x = np.mgrid[:height, :width]
    for column in (190, 240, 290) if cells else ():
        grey[np.hypot(y - height // 2, x - column) < 20] = 90
    return grey


def as_image(grey):
    return np.repeat(np.rint(grey).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def with_bars(grey, level, noise=0.0):
    barred = grey.copy()
    bars = level + np.random.default_rng(1).normal(0, noise, grey.shape)
    barred[:, :LEFT], barred[:, -RIGHT:] = bars[:, :LEFT], bars[:, -RIGHT:]
    return barred


@pytest.mark.parametrize("level", [0, 90, 128, 140, 255])
@pytest.mark.parametrize("noise", [0.7, 1, 3])
def test_bars_of_one_grey_are_found_in_noisy_and_in_clean_fields(level, noise):
    assert blank_margins(as_image(with_bars(a_field(noise), level))) == (LEFT, RIGHT)


@pytest.mark.parametrize(("level", "noise"), [(4, 4), (20, 3), (250, 4)])
def test_noisy_bars_are_found(level, noise):
    assert blank_margins(as_image(with_bars(a_field(), level, noise))) == (LEFT, RIGHT)


def test_a_scale_bar_in_the_margin_does_not_keep_it():
    barred = with_bars(a_field(), 0)
    barred[-20:-14, 5:55] = 255
    assert blank_margins(as_image(barred)) == (LEFT, RIGHT)


@pytest.mark.parametrize("noise", [0.7, 1, 3])
@pytest.mark.parametrize("light", [0, 4, 20])
def test_clean_background_up_to_the_edge_is_no_margin(noise, light):
    assert blank_margins(as_image(a_field(noise, light))) == (0, 0)


@pytest.mark.parametrize("slope", [30, 60, 100])
@pytest.mark.parametrize("cells", [True, False])
def test_light_that_falls_off_to_a_side_is_no_margin(slope, cells):
    grey = a_field(cells=cells) + slope * np.linspace(-0.5, 0.5, 480)
    assert blank_margins(as_image(grey)) == (0, 0)


def test_clean_background_beside_a_crowd_is_no_margin():
    rng = np.random.default_rng(2)
    grey = a_field(cells=False)
    y, x = np.mgrid[:270, :480]
    for row, column in zip(rng.integers(0, 270, 150), rng.integers(120, 360, 150), strict=True):
        grey[np.hypot(y - row, x - column) < 16] = 80
    assert blank_margins(as_image(grey)) == (0, 0)


def test_white_background_to_the_end_of_the_scale_is_no_margin():
    assert blank_margins(as_image(a_field() + 120)) == (0, 0)


def test_the_background_around_a_single_cell_is_no_margin():
    y, x = np.mgrid[:80, :80]
    crop = 150 + np.random.default_rng(0).normal(0, 2, (80, 80))
    crop[np.hypot(y - 40, x - 40) < 30] = 60
    assert blank_margins(as_image(crop)) == (0, 0)


def test_a_stray_column_at_the_edge_does_not_keep_a_bar():
    barred = with_bars(a_field(), 0)
    barred[:, 0] = np.random.default_rng(3).uniform(0, 255, 270)
    assert blank_margins(as_image(barred)) == (LEFT, RIGHT)


def test_bars_above_and_below_are_not_looked_for():
    barred = a_field()
    barred[:30], barred[-30:] = 0, 0
    assert blank_margins(as_image(barred)) == (0, 0)


def test_of_a_blank_image_all_is_margin_and_none_is_told():
    blank = as_image(np.full((40, 60), 150.0))
    assert blank_margins(blank) == (60, 60)
    assert notable_margins(blank) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 3), (2, 15)])
def test_tiny_images_are_no_trouble(size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    assert notable_margins(image) is None


def test_a_few_columns_are_not_worth_telling():
    narrow = a_field()
    narrow[:, :9] = 0
    assert blank_margins(as_image(narrow)) == (9, 0)
    assert notable_margins(as_image(narrow)) is None
    assert notable_margins(as_image(with_bars(a_field(), 0))) == (LEFT, RIGHT)
