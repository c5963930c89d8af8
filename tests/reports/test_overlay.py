"""Outlines in class colours, and the legend below them."""

import numpy as np
import pytest

from drepano.errors import DrepanoError
from drepano.reports import draw_outlines, draw_overlay
from drepano.reports.legend import PAPER, UNCLASSIFIED_COLOUR
from drepano.reports.overlay import line_width
from drepano.taxonomy import BINARY, SCD

GREY = 200


def grey_image(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def squares(*corners: tuple[int, int], side: int = 10, shape: tuple[int, int] = (30, 40)) -> np.ndarray:
    """Square cells numbered from 1, given by their upper left corners."""
    instances = np.zeros(shape, dtype=np.int32)
    for number, (row, column) in enumerate(corners, start=1):
        instances[row : row + side, column : column + side] = number
    return instances


def painted(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(axis=2)


def test_outline_has_the_colour_of_the_class_and_runs_just_inside_the_cell() -> None:
    drawn = draw_outlines(grey_image(30, 40), squares((5, 5)), {1: 2}, SCD, thickness=1)
    expected = np.zeros((30, 40), dtype=bool)
    expected[5:15, 5:15] = True
    expected[6:14, 6:14] = False
    assert np.array_equal(painted(drawn), expected)
    assert tuple(drawn[5, 9]) == SCD.colours[2]


def test_thick_outline_is_as_wide_as_asked() -> None:
    drawn = draw_outlines(grey_image(30, 40), squares((5, 5)), {1: 1}, SCD, thickness=3)
    assert painted(drawn)[10].nonzero()[0].tolist() == [5, 6, 7, 12, 13, 14]


def test_image_given_is_left_as_it_was() -> None:
    image = grey_image(30, 40)
    draw_outlines(image, squares((5, 5)), {1: 1}, SCD)
    assert not painted(image).any()


@pytest.mark.parametrize("thickness", [1, 2, 3, 4])
def test_lines_of_touching_cells_stay_a_line_width_apart(thickness: int) -> None:
    instances = squares((2, 2), (2, 22), side=20, shape=(24, 44))
    drawn = painted(draw_outlines(grey_image(24, 44), instances, {1: 1, 2: 1}, SCD, thickness=thickness))
    middle = drawn[12, 12:32].nonzero()[0] + 12
    left, right = middle[middle < 22], middle[middle >= 22]
    assert len(left) == len(right) == thickness
    assert right.min() - left.max() - 1 >= thickness


def test_every_cell_gets_its_own_class() -> None:
    instances = squares((5, 5), (5, 25))
    instances[instances == 2] = 70_000
    drawn = draw_outlines(grey_image(30, 40), instances, {1: 1, 70_000: 4}, SCD, thickness=1)
    assert tuple(drawn[5, 5]) == SCD.colours[1]
    assert tuple(drawn[5, 25]) == SCD.colours[4]


@pytest.mark.parametrize("instance_classes", [None, {}, {1: 0}, {1: 99}])
def test_cells_without_a_class_are_dark_grey(instance_classes: dict[int, int] | None) -> None:
    drawn = draw_outlines(grey_image(30, 40), squares((5, 5)), instance_classes, SCD)
    assert tuple(drawn[5, 5]) == UNCLASSIFIED_COLOUR


def test_a_single_class_needs_no_telling() -> None:
    drawn = draw_outlines(grey_image(30, 40), squares((5, 5)), None, BINARY)
    assert tuple(drawn[5, 5]) == BINARY.colours[1]


def test_cell_cut_by_the_edge_of_the_image_stays_open_there() -> None:
    drawn = painted(draw_outlines(grey_image(30, 40), squares((0, 5)), {1: 1}, SCD, thickness=1))
    assert not drawn[0, 6:14].any()
    assert drawn[9, 5:15].all()


def test_lines_grow_with_the_image() -> None:
    assert [line_width((side, side)) for side in (1, 28, 640, 1600, 6000)] == [1, 1, 2, 4, 15]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DrepanoError, match="same size"):
        draw_outlines(grey_image(30, 40), squares(shape=(40, 30)), None, SCD)
    with pytest.raises(DrepanoError, match="not RGB"):
        draw_outlines(np.zeros((30, 40), dtype=np.uint8), squares(), None, SCD)


def test_overlay_is_the_outlined_image_with_a_legend_below() -> None:
    image, instances, classes = grey_image(300, 400), squares((5, 5), shape=(300, 400)), {1: 2}
    overlay = draw_overlay(image, instances, classes, SCD, "field 7")
    assert overlay.dtype == np.uint8
    assert overlay.shape[0] > 300 and overlay.shape[1:] == (400, 3)
    assert np.array_equal(overlay[:300], draw_outlines(image, instances, classes, SCD))
    for colour in SCD.colours[1:]:
        assert (overlay[300:] == colour).all(axis=2).any()


def test_title_and_counts_change_what_is_written() -> None:
    image, instances = grey_image(300, 400), squares((5, 5), (50, 50), shape=(300, 400))
    one = draw_overlay(image, instances, {1: 1, 2: 1}, SCD, "a")[300:]
    assert not np.array_equal(one, draw_overlay(image, instances, {1: 1, 2: 2}, SCD, "a")[300:])
    assert not np.array_equal(one, draw_overlay(image, instances, {1: 1, 2: 1}, SCD, "b")[300:])


@pytest.mark.parametrize("height, width", [(1, 1), (28, 28), (5, 900), (900, 5)])
def test_any_size_of_image_works(height: int, width: int) -> None:
    instances = np.ones((height, width), dtype=np.int32)
    overlay = draw_overlay(grey_image(height, width), instances, {1: 1}, SCD, "x" * 500)
    assert overlay.shape[1] == max(width, 240)
    assert (overlay[:height, width:] == PAPER).all()
    assert (overlay[height:] == SCD.colours[4]).all(axis=2).any()


def test_hostile_titles_are_written_as_one_line() -> None:
    image, instances = grey_image(30, 400), squares(shape=(30, 400))
    plain = draw_overlay(image, instances, None, SCD, "a b")
    assert np.array_equal(draw_overlay(image, instances, None, SCD, "a\n b"), plain)
    draw_overlay(image, instances, None, SCD, "\udcff\x00\u202e")
