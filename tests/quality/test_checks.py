"""What spoils counts is measured, and said in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from drepano.cells import no_cells
from drepano.quality import check_quality, describe
from drepano.taxonomy import SCD


def cells(count=6, diameter=45.0, touching=0, border=0):
    table = no_cells(SCD).reindex(range(count))
    return table.assign(
        area_px=np.pi / 4 * diameter**2,
        touches_cell=np.arange(count) < touching,
        touches_border=np.arange(count) < border,
    )


def check(image, table: pd.DataFrame | None = None, seen=None, debris=0):
    return check_quality(image, image, cells() if table is None else table, debris, 45.0, 45.0, seen or {})


def test_a_good_field_has_no_warnings(field):
    quality = check(field())
    assert quality.warnings == ()
    assert quality.saturated_share == 0
    assert quality.uneven_light < 0.05
    assert np.isnan(quality.unlikeness), "what was seen in training is not known"


def test_overexposed_pixels_are_counted(field):
    image = field()
    image[:128, :, 1] = 255
    quality = check(image)
    assert quality.saturated_share == pytest.approx(0.5, abs=0.01)
    assert any("expose anew" in warning for warning in quality.warnings)


def test_blank_margins_are_told_first_and_are_not_overexposed_pixels(field):
    image = field()
    image[:, :64], image[:, -32:] = 0, 255
    quality = check(image)
    assert quality.saturated_share == 0
    assert quality.warnings[0].startswith("blank margins of 64 px on the left and 32 px on the right")
    assert len(quality.warnings) == 1, "what else is measured they spoil"


def test_a_slope_of_the_background_is_uneven_light(field):
    slope = np.linspace(-30, 30, 256)[None, :, None]
    image = (field() + slope).clip(0, 255).astype(np.uint8)
    quality = check(image)
    assert quality.uneven_light == pytest.approx(45 / 60, rel=0.3)
    assert any("light is uneven" in warning for warning in quality.warnings)


def test_blur_is_out_of_focus(field):
    assert check(field()).edge_width_px < 4
    quality = check(field(blur=6.0))
    assert any("out of focus" in warning for warning in quality.warnings)


def test_blur_is_judged_by_the_size_of_the_cells(field):
    image = field(blur=6.0)
    sharp = check_quality(image, image, cells(), 0, 45.0, 90.0, {})
    assert sharp.edge_width_px == pytest.approx(check(image).edge_width_px / 2)


def test_a_field_unlike_those_of_training_says_in_what(field):
    image = field()
    seen = {name: (value, value) for name, value in describe(image).items()}
    assert check(image, seen=seen).unlikeness == 0
    quality = check(field(noise=14.0), seen=seen)
    assert quality.unlikeness >= 1
    assert any("unlike the fields" in w and "more noisy" in w for w in quality.warnings)


@pytest.mark.parametrize(("touching", "warned"), [(8, False), (9, True)])
def test_crowded_cells(field, touching, warned):
    warnings = check(field(), cells(10, touching=touching)).warnings
    assert any("touch others" in warning for warning in warnings) == warned


@pytest.mark.parametrize(("diameter", "warned"), [(31, False), (29, True), (66, False), (69, True)])
def test_cells_of_another_size(field, diameter, warned):
    warnings = check(field(), cells(diameter=diameter)).warnings
    assert any("--cell-diameter auto" in warning for warning in warnings) == warned


def test_too_few_whole_cells_do_not_tell_their_size(field):
    assert check(field(), cells(6, diameter=90, border=2)).warnings == ()


def test_no_cells(field):
    assert check(field(), no_cells(SCD)).warnings == ("no cells found",)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 300)])
def test_the_smallest_fields(size):
    assert check(np.full((*size, 3), 160, np.uint8), no_cells(SCD)).warnings == ("no cells found",)


def test_too_few_cells_found_are_judged_by_what_the_image_shows(field):
    """Of discs of 45 px, where 90 px were expected."""
    quality = check_quality(field(), field(), cells(2), 0, 90.0, 90.0, {})
    assert any("look about 4" in warning and "90 px were expected" in warning for warning in quality.warnings)


@pytest.mark.parametrize(("debris", "warned"), [(3, False), (4, True)])
def test_much_debris_is_said(field, debris, warned):
    warnings = check(field(), cells(6), debris=debris).warnings
    assert warnings == ((f"{debris} pieces are too small for cells and were not counted",) if warned else ())


@pytest.mark.parametrize(("blur", "warned"), [(1.0, False), (3.0, True)])
def test_blur_is_judged_by_the_fields_of_training_where_they_are_known(field, blur, warned):
    seen = {"edge_width": (1.0, describe(field(blur=2.0))["edge_width"])}
    assert any("out of focus" in warning for warning in check(field(blur=blur), seen=seen).warnings) == warned


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(1, 200), (200, 1), (2, 3)])
def test_an_image_smaller_than_the_grid_of_light_is_no_trouble(size):
    image = np.full((*size, 3), 180, np.uint8)
    image[:, : size[1] // 2] = 90
    check(image)
