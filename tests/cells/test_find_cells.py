"""Which pixels belong to the same cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from drepano.cells import between_cells, count_debris, find_cells, part_cells
from drepano.field import Segmentation
from drepano.taxonomy import BINARY

DIAMETER = 40.0
SIZE = (160, 200)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def disc(y, x, radius=20.0):
    return (Y - y) ** 2 + (X - x) ** 2 <= radius**2


FIVE = np.any([disc(40, 150), *(disc(130, x) for x in (25, 70, 115, 160))], axis=0)
"""Whole cells apart from each other and from what is left of x = 125 and above y = 105."""


def ellipse(y, x, long, short, degrees=0.0):
    turn = np.radians(degrees)
    along = (X - x) * np.cos(turn) + (Y - y) * np.sin(turn)
    across = (Y - y) * np.cos(turn) - (X - x) * np.sin(turn)
    return (along / long) ** 2 + (across / short) ** 2 <= 1


def banana(y=40, x=100, radius=45.0, width=16.0, degrees=110.0):
    """A bent band with round ends, like a sickle cell."""
    distance = np.hypot(Y - y, X - x)
    angle = np.degrees(np.arctan2(Y - y, X - x)) - 90
    mask = (np.abs(distance - radius) <= width / 2) & (np.abs(angle) <= degrees / 2)
    for end in (-degrees / 2, degrees / 2):
        turn = np.radians(90 + end)
        mask |= disc(y + radius * np.sin(turn), x + radius * np.cos(turn), width / 2)
    return mask


def segmentation(mask, diameter=DIAMETER):
    classes = mask.astype(np.uint8)
    probabilities = np.stack([1 - classes, classes]).astype(np.float32)
    return Segmentation(classes, probabilities, BINARY, diameter)


def count(mask, diameter=DIAMETER):
    return int(find_cells(segmentation(mask, diameter)).max())


class TestNumbers:
    def test_an_empty_field_has_no_cells(self):
        cells = find_cells(segmentation(np.zeros(SIZE, bool)))
        assert cells.shape == SIZE
        assert cells.dtype == np.int32
        assert not cells.any()

    def test_cells_are_numbered_from_one_without_gaps(self):
        mask = disc(40, 40) | disc(40, 120) | disc(110, 80) | disc(100, 160, radius=2)
        cells = find_cells(segmentation(mask))
        assert np.unique(cells).tolist() == [0, 1, 2, 3]
        assert cells.dtype == np.int32

    def test_every_pixel_of_a_cell_keeps_its_place(self):
        mask = disc(40, 40) | disc(110, 80)
        np.testing.assert_array_equal(find_cells(segmentation(mask)) > 0, mask)

    def test_a_field_that_is_one_cell(self):
        assert count(np.ones((50, 50), bool)) == 1

    def test_all_classes_of_cells_count_alike(self):
        """A cell that the network gives two classes is still one cell."""
        classes = disc(80, 80).astype(np.uint8)
        classes[:, 80:] *= 2
        probabilities = np.zeros((3, *SIZE), np.float32)
        both = Segmentation(classes, probabilities, BINARY, DIAMETER)
        assert find_cells(both).max() == 1


class TestTouching:
    @pytest.mark.parametrize("apart", [39, 36, 34])
    @pytest.mark.parametrize("degrees", [0, 30, 90])
    def test_two_touching_discs_are_two_cells(self, apart, degrees):
        turn = np.radians(degrees)
        dy, dx = apart / 2 * np.sin(turn), apart / 2 * np.cos(turn)
        first, second = disc(80 - dy, 100 - dx), disc(80 + dy, 100 + dx)
        cells = find_cells(segmentation(first | second))
        assert cells.max() == 2
        for own, other in ((first & ~second, second & ~first), (second & ~first, first & ~second)):
            number = np.bincount(cells[own]).argmax()
            assert (cells[own] == number).mean() > 0.97
            assert (cells[other] == number).mean() < 0.03

    def test_a_large_and_a_small_disc_are_two(self):
        assert count(disc(80, 80, 24) | disc(80, 80 + 24 + 11, 13)) == 2

    @pytest.mark.parametrize(("neck", "cells"), [(0.0, 1), (0.5, 1), (0.75, 2), (0.95, 2)])
    def test_how_narrow_a_neck_parts_is_the_segmentations(self, neck, cells):
        """Of discs of 40 px, 34 px apart, the neck is sqrt(40^2 - 34^2) = 21 px wide, 0.53 of a disc."""
        both = replace(segmentation(disc(80, 80) | disc(80, 80 + 34)), neck=neck)
        assert find_cells(both).max() == cells

    @pytest.mark.parametrize(
        ("radius", "apart", "cells"),
        [
            pytest.param(20, 26, 2, id="1.8 cells, neck 0.81"),
            pytest.param(25, 24, 2, id="2.5 cells, neck 0.89"),
            pytest.param(25, 22, 1, id="2.4 cells, neck 0.93"),
            pytest.param(24, 14, 1, id="2.0 cells, neck 0.97"),
            pytest.param(18, 22, 1, id="1.4 cells, neck 0.81"),
        ],
    )
    def test_what_is_larger_than_the_fields_cells_is_parted_at_a_wide_neck_too(self, radius, apart, cells):
        """Two discs as one region beside five of 40 px; necks are those of the smoothed distance."""
        pair = disc(40, 50, radius) | disc(40, 50 + apart, radius)
        assert find_cells(replace(segmentation(pair | FIVE), neck=0.6)).max() == 5 + cells

    @pytest.mark.parametrize(
        ("radius", "apart", "large", "cells"),
        [
            pytest.param(18, 22, {"large_share": 1.3}, 2, id="1.4 cells are large"),
            pytest.param(20, 26, {"large_share": 2}, 1, id="1.8 cells are not"),
            pytest.param(25, 22, {"neck_of_large": 0.95}, 2, id="a neck of 0.93 is narrow"),
            pytest.param(20, 26, {"neck_of_large": 0.7}, 1, id="one of 0.81 is not"),
        ],
    )
    def test_what_is_large_and_how_narrow_a_neck_then_parts_can_be_told(self, radius, apart, large, cells):
        pair = disc(40, 50, radius) | disc(40, 50 + apart, radius)
        assert part_cells(pair | FIVE, 40.0, 0.6, **large).max() == 5 + cells

    def test_debris_has_no_say_in_what_is_large(self):
        """A pair of 1.4 cells stays whole, though most pieces are specks."""
        pair = disc(40, 50, 18) | disc(40, 72, 18)
        specks = np.any([disc(y, 185, 4) for y in range(10, 150, 12)], axis=0)
        assert find_cells(replace(segmentation(pair | FIVE | specks), neck=0.6)).max() == 6

    def test_four_whole_cells_do_not_tell_what_is_large(self):
        pair = disc(40, 50) | disc(40, 76)
        three = FIVE & (X < 140)
        four, cut_by_the_border = disc(40, 150), disc(40, 190)
        assert find_cells(replace(segmentation(pair | three), neck=0.6)).max() == 4
        assert find_cells(replace(segmentation(pair | three | cut_by_the_border), neck=0.6)).max() == 5
        assert find_cells(replace(segmentation(pair | three | four), neck=0.6)).max() == 6

    def test_a_wider_neck_of_the_segmentation_parts_large_pieces_too(self):
        pair = disc(40, 50, 25) | disc(40, 72, 25)
        assert find_cells(replace(segmentation(pair | FIVE), neck=0.95)).max() == 7

    def test_with_a_neck_of_0_nothing_is_parted(self):
        pair = disc(40, 50) | disc(40, 84)
        assert find_cells(replace(segmentation(pair | FIVE), neck=0.0)).max() == 6

    def test_a_large_piece_of_a_cluster_is_parted_and_the_others_are_not(self):
        """The pair to the left has a wide neck, that to the right a narrow one."""
        pair, right = disc(40, 30) | disc(40, 56), disc(40, 92)
        mask = pair | right | FIVE
        cells = find_cells(replace(segmentation(mask), neck=0.6))
        assert cells.max() == 8
        np.testing.assert_array_equal(cells > 0, mask)
        assert len({int(cells[40, x]) for x in (22, 64, 95)}) == 3

    def test_three_in_a_row_are_three(self):
        assert count(disc(80, 50) | disc(80, 88) | disc(80, 126)) == 3

    def test_a_ring_of_cells_around_background_is_no_cell_with_a_hole(self):
        turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
        ring = np.any([disc(80 + 51 * np.sin(turn), 100 + 51 * np.cos(turn)) for turn in turns], axis=0)
        cells = find_cells(segmentation(ring))
        assert cells.max() == 8
        assert not cells[~ring].any()

    def test_a_cluster_of_four_is_four(self):
        """The gap between them, 15 % of a disc, has cusps: it is no hole in a cell."""
        assert count(disc(60, 80) | disc(60, 118) | disc(98, 80) | disc(98, 118)) == 4

    def test_cells_that_touch_at_a_corner_alone_are_two(self):
        mask = np.zeros(SIZE, bool)
        mask[20:60, 20:60] = mask[60:100, 60:100] = True
        assert count(mask) == 2

    @pytest.mark.parametrize("diameter", [20, 30, 60, 90])
    def test_it_holds_at_any_scale(self, diameter):
        radius = diameter / 2
        y, x = np.mgrid[: 2 * diameter, : 3 * diameter]
        centres = (diameter - 0.46 * diameter, diameter + 0.46 * diameter)
        mask = np.zeros(y.shape, bool)
        for centre in centres:
            mask |= (y - diameter) ** 2 + (x - centre - diameter / 3) ** 2 <= radius**2
        assert count(mask, diameter) == 2

    def test_large_cells_are_parted_on_a_coarser_grid_and_keep_all_their_pixels(self):
        y, x = np.mgrid[:201, :301]
        first, second = ((y - 100) ** 2 + (x - middle) ** 2 <= 50**2 for middle in (105, 197))
        mask = first | second
        cells = find_cells(segmentation(mask, 100.0))
        np.testing.assert_array_equal(cells > 0, mask)
        for own in (first & ~second, second & ~first):
            assert (cells[own] == np.bincount(cells[own]).argmax()).mean() > 0.98


class TestWhole:
    """What is one cell stays one."""

    @pytest.mark.parametrize("degrees", [0, 20, 45, 90])
    @pytest.mark.parametrize(("long", "short"), [(20, 20), (30, 14), (45, 10), (50, 7)])
    def test_an_ellipse_however_long(self, long, short, degrees):
        assert count(ellipse(80, 100, long, short, degrees)) == 1

    @pytest.mark.parametrize("width", [12, 16, 20])
    def test_a_banana(self, width):
        assert count(banana(width=width)) == 1

    def test_a_banana_with_pointed_ends(self):
        assert count(disc(60, 100, 45) & ~disc(45, 100, 42)) == 1

    def test_a_cell_with_a_ragged_rim(self):
        radius = 20 + 1.5 * np.sin(9 * np.arctan2(Y - 80, X - 100))
        assert count(np.hypot(Y - 80, X - 100) <= radius) == 1

    def test_a_cell_cut_by_the_border(self):
        for y, x in ((0, 100), (80, 0), (5, 5), (159, 199), (155, 100)):
            assert count(disc(y, x)) == 1


class TestHolesAndSpecks:
    def test_a_hole_is_filled(self):
        cells = find_cells(segmentation(disc(80, 100) & ~disc(80, 100, 8)))
        np.testing.assert_array_equal(cells > 0, disc(80, 100))
        assert cells.max() == 1

    def test_a_bay_is_no_hole(self):
        mask = disc(80, 100) & ~((np.abs(Y - 80) < 3) & (X > 100))
        np.testing.assert_array_equal(find_cells(segmentation(mask)) > 0, mask)

    @pytest.mark.parametrize(("radius", "cells"), [(1, 0), (5, 0), (9, 0), (11, 1), (20, 1)])
    def test_specks_are_dropped_and_cells_are_not(self, radius, cells):
        """The limit is a quarter of a disc of the cell diameter: a radius of 10 px here."""
        assert count(disc(80, 100, radius)) == cells

    def test_a_part_of_a_cell_at_the_border_is_a_cell(self):
        mask = disc(80, 100, 20)
        assert count(mask[:, 112:]) == 1
        assert count(np.pad(mask[:, 112:], 1)) == 0

    def test_debris_is_counted_and_specks_are_not(self):
        given = segmentation(disc(80, 100, 20) | disc(30, 30, 8) | disc(30, 150, 6) | disc(120, 30, 2))
        assert count_debris(given, find_cells(given)) == 2

    @pytest.mark.parametrize("factor", [1, 2, 4])
    def test_debris_is_the_same_in_a_finer_picture_of_the_field(self, factor):
        coarse = disc(80, 100, 20) | disc(30, 30, 8) | disc(120, 30, 2)
        given = segmentation(coarse.repeat(factor, 0).repeat(factor, 1), DIAMETER * factor)
        assert count_debris(given, find_cells(given)) == 1

    def test_debris_that_sticks_to_a_cell_is_counted_too(self):
        given = segmentation(disc(80, 100, 20) | disc(80, 127, 8))
        cells = find_cells(given)
        assert cells.max() == 1
        assert count_debris(given, cells) == 1

    def test_a_speck_is_measured_against_the_cells_of_the_field(self):
        assert count(disc(80, 100, 5), diameter=12) == 1

    def test_a_speck_beside_a_cell_does_not_change_it(self):
        cells = find_cells(segmentation(disc(80, 100) | disc(80, 130, 3)))
        np.testing.assert_array_equal(cells > 0, disc(80, 100))


class TestBetweenCells:
    def test_by_hand(self):
        cells = np.array([[1, 1, 0, 0, 2, 0], [1, 1, 0, 0, 2, 0]], np.int32)
        assert between_cells(cells).any(axis=0).tolist() == [False, False, False, False, False, False]
        assert between_cells(cells, reach=2).any(axis=0).tolist() == [False, False, True, True, False, False]
        assert between_cells(cells, reach=3).any(axis=0).tolist() == [False, True, True, True, True, False]

    @pytest.mark.parametrize("reach", [1, 2, 9])
    @pytest.mark.parametrize("numbers", [3, 255, 70_000])
    @pytest.mark.parametrize("size", [(1, 1), (7, 5), (31, 40)])
    def test_it_is_what_filters_of_scipy_tell(self, reach, numbers, size):
        rng = np.random.default_rng(0)
        cells = np.where(rng.random(size) < 0.3, rng.integers(1, numbers + 1, size), 0).astype(np.int32)
        cells[0, 0] = numbers
        without_background = np.where(cells > 0, cells, numbers + 1)
        highest = ndimage.maximum_filter(cells, 2 * reach + 1, mode="nearest")
        lowest = ndimage.minimum_filter(without_background, 2 * reach + 1, mode="nearest")
        assert (between_cells(cells, reach) == ((highest > 0) & (highest != lowest))).all()

    def test_without_cells_there_is_nothing_between_them(self):
        assert not between_cells(np.zeros((3, 4), np.int32)).any()
