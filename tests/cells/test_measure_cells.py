"""The row of a cell: class, size, shape and place, with answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from drepano.cells import COLUMNS, find_cells, measure_cells
from drepano.field import Segmentation
from drepano.taxonomy import SCD

SIZE = (100, 140)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def segmentation(classes, probabilities=None, diameter=40.0):
    if probabilities is None:
        probabilities = np.eye(5, dtype=np.float32)[classes].transpose(2, 0, 1)
    return Segmentation(classes.astype(np.uint8), probabilities, SCD, diameter)


def measure(mask, class_index=1):
    """The row of one cell, its mask given."""
    (row,) = measure_cells(segmentation(mask * class_index), mask.astype(np.int32)).to_dict("records")
    return row


def rectangle(top, left, bottom, right):
    return (top <= Y) & (bottom > Y) & (left <= X) & (right > X)


def ellipse(y, x, long, short):
    return ((X - x) / long) ** 2 + ((Y - y) / short) ** 2 <= 1


def test_an_empty_field_gives_an_empty_table_with_all_columns():
    table = measure_cells(segmentation(np.zeros(SIZE, int)))
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 0
    assert table["touches_border"].sum() == 0


def test_the_columns_are_these():
    assert COLUMNS == (
        "cell",
        "class",
        "class_probability",
        "area_px",
        "centroid_y_px",
        "centroid_x_px",
        "major_axis_px",
        "minor_axis_px",
        "eccentricity",
        "circularity",
        "bbox_top_px",
        "bbox_left_px",
        "bbox_bottom_px",
        "bbox_right_px",
        "touches_border",
    )


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
    assert 0 <= row["circularity"] <= 1
    assert np.isfinite([value for value in row.values() if not isinstance(value, str)]).all()
