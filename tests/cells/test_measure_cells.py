"""The row of a cell: class, size, shape and place, with answers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drepano.cells import cell_columns, find_cells, measure_cells, no_cells
from drepano.errors import DrepanoError
from drepano.field import Segmentation
from drepano.taxonomy import SCD

SIZE = (100, 140)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def segmentation(classes, probabilities=None, diameter=40.0):
    if probabilities is None:
        probabilities = np.eye(5, dtype=np.float32)[classes].transpose(2, 0, 1)
    return Segmentation(classes.astype(np.uint8), probabilities, SCD, diameter)


def measure(mask, class_index=1, **known):
    """The row of one cell, its mask given."""
    table = measure_cells(segmentation(mask * class_index), mask.astype(np.int32), **known)
    (row,) = table.to_dict("records")
    return row


def rectangle(top, left, bottom, right):
    return (top <= Y) & (bottom > Y) & (left <= X) & (right > X)


def ellipse(y, x, long, short):
    return ((X - x) / long) ** 2 + ((Y - y) / short) ** 2 <= 1


def test_an_empty_field_gives_an_empty_table_with_all_columns():
    table = measure_cells(segmentation(np.zeros(SIZE, int)))
    pd.testing.assert_frame_equal(table, no_cells(SCD))
    assert len(table) == 0
    assert table["touches_border"].sum() == 0


def test_area_centroid_and_box_of_a_rectangle():
    row = measure(rectangle(10, 20, 30, 60))
    assert row["area_px"] == 20 * 40
    assert (row["centroid_y_px"], row["centroid_x_px"]) == (19.5, 39.5)
    box = [row[f"bbox_{side}_px"] for side in ("top", "left", "bottom", "right")]
    assert box == [10, 20, 30, 60], "bottom and right lie outside"


def test_axes_are_those_of_the_ellipse_with_the_same_moments():
    row = measure(ellipse(50, 70, 40, 20))
    assert row["major_axis_px"] == pytest.approx(80, rel=0.01)
    assert row["minor_axis_px"] == pytest.approx(40, rel=0.01)
    assert row["eccentricity"] == pytest.approx(np.sqrt(1 - 0.5**2), rel=0.01)


def test_a_disc_is_round():
    row = measure(ellipse(50, 70, 25, 25))
    assert row["area_px"] == pytest.approx(np.pi * 25**2, rel=0.01)
    assert row["eccentricity"] == pytest.approx(0, abs=0.05)
    assert row["circularity"] == pytest.approx(1, abs=0.03)
    assert row["circularity"] <= 1


def test_circularity_falls_as_a_cell_becomes_longer():
    """Of an ellipse with axes 4 : 1 it is 4 pi area / perimeter^2 = 0.535, by Ramanujan's perimeter."""
    a, b = 48, 12
    perimeter = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    expected = 4 * np.pi * (np.pi * a * b) / perimeter**2
    assert expected == pytest.approx(0.535, abs=0.005)
    assert measure(ellipse(50, 70, a, b))["circularity"] == pytest.approx(expected, rel=0.05)


def test_the_aspect_ratio_is_that_of_the_axes():
    assert measure(ellipse(50, 70, 40, 20))["aspect_ratio"] == pytest.approx(2, rel=0.01)


def test_solidity_is_the_share_of_the_hull_that_is_filled():
    assert measure(rectangle(10, 20, 30, 60))["solidity"] == 1
    corner = rectangle(10, 20, 50, 40) | rectangle(30, 20, 50, 60)  # an L: three quarters of a square
    assert measure(corner)["solidity"] == pytest.approx(0.75 / 0.875, abs=0.03)


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_an_ellipse_is_straight_whichever_way_it_lies(angle):
    along = (X - 70) * np.cos(np.deg2rad(angle)) + (Y - 50) * np.sin(np.deg2rad(angle))
    across = (Y - 50) * np.cos(np.deg2rad(angle)) - (X - 70) * np.sin(np.deg2rad(angle))
    assert measure((along / 40) ** 2 + (across / 12) ** 2 <= 1)["bend"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("flip", [1, -1])
def test_a_bent_band_has_the_sagitta_of_its_parabola(flip):
    """A band along y = x^2 / 100, 80 px long: its middle leaves the chord by 16 px."""
    band = (np.abs(X - 70) <= 40) & (np.abs(flip * (Y - 50) - (X - 70) ** 2 / 100) <= 6)
    row = measure(band)
    assert row["bend"] * row["minor_axis_px"] == pytest.approx(
        (row["major_axis_px"] / 2) ** 2 / 100, rel=0.05
    )
    assert row["bend"] > 0.5


def test_micrometres_need_a_pixel_size():
    mask = rectangle(10, 20, 30, 60)
    row, unknown = measure(mask, pixel_size=0.5), measure(mask)
    assert row["area_um2"] == 200
    assert row["major_axis_um"] == row["major_axis_px"] / 2
    assert np.isnan([unknown["area_um2"], unknown["major_axis_um"], unknown["minor_axis_um"]]).all()


def test_contrast_is_relative_to_the_background():
    mask = rectangle(10, 20, 30, 60)
    image = np.where(mask, np.where(X % 2, 90, 110), 160).astype(np.uint8)
    row = measure(mask, image=np.repeat(image[..., None], 3, axis=2))
    assert (row["mean_contrast"], row["sd_contrast"]) == (-60, 10)
    assert np.isnan(measure(mask)["mean_contrast"])


@pytest.mark.parametrize("factor", [1, 257, 1 / 255])
def test_contrast_is_of_any_image_that_can_be_segmented(factor):
    """Grey of 8 or 16 bits, or from 0 to 1; of 16 bits it is that of the image stretched to 8."""
    mask = rectangle(10, 20, 30, 60)
    grey = np.where(mask, 0, 255) * factor
    row = measure(mask, image=grey if factor < 1 else grey.astype(np.uint8 if factor == 1 else np.uint16))
    assert row["mean_contrast"] == -255


def test_an_image_of_another_size_is_refused():
    with pytest.raises(DrepanoError, match="give the image that was segmented"):
        measure(rectangle(10, 20, 30, 60), image=np.zeros((5, 5), np.uint8))


def test_a_map_of_cells_of_another_size_is_refused():
    with pytest.raises(DrepanoError, match="give the cells of this segmentation"):
        measure_cells(segmentation(np.zeros(SIZE, int)), np.ones((5, 5), np.int32))


def test_cells_next_to_each_other_touch_even_by_a_corner():
    instances = rectangle(10, 10, 20, 20) * 1 + rectangle(20, 20, 30, 30) * 2 + rectangle(10, 22, 19, 30) * 3
    table = measure_cells(segmentation((instances > 0) * 1), instances.astype(np.int32))
    assert table["touches_cell"].tolist() == [True, True, False]


def test_probabilities_of_all_classes_stand_beside_the_class():
    instances = rectangle(10, 20, 30, 60).astype(np.int32)
    probabilities = np.zeros((5, *SIZE), np.float32)
    probabilities[0], probabilities[3], probabilities[1] = 0.2, 0.44, 0.36
    (row,) = measure_cells(segmentation(probabilities.argmax(0), probabilities), instances).to_dict("records")
    assert row["probability Grl"] == pytest.approx(0.55)
    assert row["probability Dic+Ovl"] == pytest.approx(0.45)
    assert row["uncertain"], "no class has 0.6"
    assert not measure(rectangle(10, 20, 30, 60))["uncertain"]


def test_every_column_is_explained_in_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()
    for column in cell_columns(SCD)[:-4]:
        assert f"| `{column.name}` | {column.unit} | {column.meaning} |" in text


@pytest.mark.parametrize(
    ("box", "touches"),
    [
        ((1, 1, 20, 20), False),
        ((0, 1, 20, 20), True),
        ((1, 0, 20, 20), True),
        ((80, 50, 100, 70), True),
        ((80, 50, 99, 70), False),
        ((40, 120, 60, 140), True),
        ((40, 120, 60, 139), False),
    ],
)
def test_a_cell_that_the_border_may_have_cut_is_marked(box, touches):
    assert measure(rectangle(*box))["touches_border"] == touches


@pytest.mark.parametrize("class_index", [1, 2, 3, 4])
def test_a_cell_of_one_class(class_index):
    row = measure(rectangle(10, 20, 30, 60), class_index)
    assert row["class"] == SCD.classes[class_index]
    assert row["class_probability"] == 1.0


def test_the_class_is_that_of_the_largest_summed_probability():
    """Fewer pixels that are sure outweigh more pixels that are not."""
    instances = rectangle(10, 20, 20, 60).astype(np.int32)
    sure, unsure = rectangle(10, 20, 20, 36), rectangle(10, 36, 20, 60)
    probabilities = np.zeros((5, *SIZE), np.float32)
    probabilities[0] = 1 - instances
    probabilities[2][sure], probabilities[3][sure] = 1.0, 0.0
    probabilities[2][unsure], probabilities[3][unsure] = 0.4, 0.6
    field = segmentation(probabilities.argmax(0), probabilities)
    assert (field.classes == 3).sum() > (field.classes == 2).sum()
    (row,) = measure_cells(field, instances).to_dict("records")
    assert row["class"] == "El+Sk"
    assert row["class_probability"] == pytest.approx((160 + 0.4 * 240) / 400, rel=1e-5)


def test_two_halves_of_two_classes():
    classes = np.where(rectangle(10, 20, 20, 41), 4, np.where(rectangle(10, 41, 20, 60), 1, 0))
    (row,) = measure_cells(segmentation(classes), (classes > 0).astype(np.int32)).to_dict("records")
    assert row["class"] == "Ret+Sto+Ech"
    assert row["class_probability"] == pytest.approx(21 / 40)


def test_the_background_has_no_say_in_the_class():
    instances = rectangle(10, 20, 30, 60).astype(np.int32)
    probabilities = np.zeros((5, *SIZE), np.float32)
    probabilities[0], probabilities[3], probabilities[1] = 0.9, 0.075, 0.025
    (row,) = measure_cells(segmentation(probabilities.argmax(0), probabilities), instances).to_dict("records")
    assert row["class"] == "Grl"
    assert row["class_probability"] == pytest.approx(0.75)


def test_a_row_for_every_cell_by_its_number():
    instances = rectangle(10, 10, 20, 20) * 7 + rectangle(50, 50, 70, 60) * 3
    classes = rectangle(10, 10, 20, 20) * 1 + rectangle(50, 50, 70, 60) * 2
    table = measure_cells(segmentation(classes), instances.astype(np.int32))
    assert table["cell"].tolist() == [3, 7]
    assert table["area_px"].tolist() == [200, 100]
    assert table["class"].tolist() == ["El+Sk", "Dic+Ovl"]


def test_without_instances_they_are_found():
    classes = ellipse(50, 30, 20, 20) * 2 + ellipse(50, 100, 20, 20) * 1
    field = segmentation(classes)
    pd.testing.assert_frame_equal(measure_cells(field), measure_cells(field, find_cells(field)))
    assert measure_cells(field)["class"].tolist() == ["El+Sk", "Dic+Ovl"]


def test_the_smallest_cell_can_be_measured():
    row = measure(rectangle(10, 10, 11, 11))
    assert row["area_px"] == 1
    assert row["aspect_ratio"] == 1
    assert 0 <= row["circularity"] <= 1
    known = {name for name in row if not name.endswith(("_um", "_um2", "_contrast"))}
    assert np.isfinite([row[name] for name in known if not isinstance(row[name], str)]).all()
