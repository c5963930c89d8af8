"""Errors I, II and III on hand-made cells."""

from __future__ import annotations

import numpy as np
import pytest

from drepano.metrics import CellErrors, cell_errors

SHAPE = (60, 120)


def disc(row, column, radius=12):
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def cells(*discs):
    instances = np.zeros(SHAPE, np.int32)
    for number, inside in enumerate(discs, start=1):
        instances[inside & (instances == 0)] = number
    return instances


LEFT, RIGHT = disc(30, 30), disc(30, 56)
TOUCHING = cells(LEFT, RIGHT)


def classes(*regions):
    predicted = np.zeros(SHAPE, np.uint8)
    for value, inside in regions:
        predicted[inside] = value
    return predicted


def test_a_perfect_map_has_none():
    assert cell_errors(TOUCHING, classes((1, LEFT), (1, RIGHT))) == CellErrors(true_cells=2)


def test_two_discs_2_px_apart_and_correctly_parted_have_none():
    apart = cells(disc(30, 30), disc(30, 57))
    assert not (apart[:, 43:45] > 0).any()
    assert cell_errors(apart, (apart > 0).astype(np.uint8)) == CellErrors(true_cells=2)


def test_two_touching_discs_joined_are_one_error_of_the_first_kind():
    bridge = np.zeros(SHAPE, bool)
    bridge[28:33, 40:46] = True
    joined = classes((1, LEFT), (1, RIGHT), (1, bridge))
    assert cell_errors(TOUCHING, joined) == CellErrors(true_cells=2, joined=1)


def test_cells_found_apart_in_a_joined_region_are_no_error():
    joined = classes((1, LEFT), (1, RIGHT), (1, disc(30, 43, 4)))
    assert cell_errors(TOUCHING, joined).joined == 1
    parted = np.where(joined > 0, 1 + (np.arange(SHAPE[1]) > 43), 0).astype(np.int32)
    assert cell_errors(TOUCHING, joined, parted) == CellErrors(true_cells=2)


def test_discs_far_apart_that_are_joined_are_none_of_the_first_kind():
    far = cells(disc(30, 20), disc(30, 90))
    band = np.zeros(SHAPE, bool)
    band[28:33, 20:90] = True
    assert cell_errors(far, classes((1, far > 0), (1, band))).joined == 0


def test_three_discs_joined_are_one_error():
    row = [disc(30, 25), disc(30, 51), disc(30, 77)]
    band = np.zeros(SHAPE, bool)
    band[28:33, 25:77] = True
    assert cell_errors(cells(*row), classes((1, cells(*row) > 0), (1, band))).joined == 1


def test_a_dirt_spot_is_one_error_of_the_second_kind():
    spot = disc(10, 100, radius=4)
    found = classes((1, LEFT), (1, RIGHT), (1, spot))
    assert cell_errors(TOUCHING, found) == CellErrors(true_cells=2, artefacts=1)


def test_a_speck_under_20_px_is_none():
    speck = disc(10, 100, radius=2)
    assert cell_errors(TOUCHING, classes((1, TOUCHING > 0), (1, speck))).artefacts == 0


def test_half_a_disc_is_one_error_of_the_third_kind():
    half = LEFT.copy()
    half[:, 31:] = False
    assert cell_errors(cells(LEFT), classes((1, half))) == CellErrors(true_cells=1, incomplete=1)


def test_a_disc_of_two_classes_in_halves_is_one_of_the_third_kind_for_classes():
    half = LEFT.copy()
    half[:, 31:] = False
    assert cell_errors(cells(LEFT), classes((1, LEFT), (2, half))) == CellErrors(
        true_cells=1, misclassified=1
    )


def test_a_quarter_of_another_class_is_none():
    quarter = LEFT.copy()
    quarter[:, 26:] = False
    assert cell_errors(cells(LEFT), classes((1, LEFT), (2, quarter))).misclassified == 0


def test_a_cell_of_which_nothing_is_found_is_missed_not_incomplete():
    assert cell_errors(TOUCHING, classes((1, LEFT))) == CellErrors(true_cells=2, missed=1)


@pytest.mark.parametrize("down", range(4))
@pytest.mark.parametrize("right", [step for step in range(-3, 4) if step])
def test_cells_touch_if_two_of_their_pixels_are_at_most_2_px_apart(down, right):
    pair = np.zeros(SHAPE, np.int32)
    pair[30, 30], pair[30 + down, 30 + right] = 1, 2
    for turned in (pair, pair.T):
        everything = np.ones(turned.shape, np.uint8)
        assert cell_errors(turned, everything).joined == (np.hypot(down, right) <= 2)


@pytest.mark.parametrize(("columns", "joined"), [(5, 1), (4, 0)])
def test_touching_cells_are_joined_only_if_half_of_each_is_covered(columns, joined):
    pair = np.zeros(SHAPE, np.int32)
    pair[20:30, 20:30], pair[20:30, 30:40] = 1, 2
    covered = np.zeros(SHAPE, np.uint8)
    covered[20:30, 20 : 30 + columns] = 1
    assert cell_errors(pair, covered).joined == joined


BAR = np.zeros(SHAPE, np.int32)
BAR[20:30, 20:50] = 1
"""A cell of ten rows and thirty columns."""


@pytest.mark.parametrize(
    ("columns", "error"), [(2, "missed"), (3, "incomplete"), (19, "incomplete"), (20, None), (30, None)]
)
def test_a_cell_is_incomplete_from_a_tenth_on_and_below_two_thirds(columns, error):
    found = np.zeros(SHAPE, np.uint8)
    found[20:30, 20 : 20 + columns] = 1
    assert cell_errors(BAR, found) == CellErrors(true_cells=1, **({error: 1} if error else {}))


@pytest.mark.parametrize(("columns", "misclassified"), [(9, 0), (10, 1), (20, 1), (21, 0)])
def test_a_cell_is_of_two_classes_from_a_third_of_another_on(columns, misclassified):
    found = BAR.astype(np.uint8)
    found[20:30, 20 : 20 + columns] = 2
    assert cell_errors(BAR, found).misclassified == misclassified


@pytest.mark.parametrize(("top", "artefacts"), [(20, 0), (21, 1)], ids=["a tenth on it", "less"])
def test_a_piece_less_than_a_tenth_of_which_is_on_cells_is_an_artefact(top, artefacts):
    found = np.zeros(SHAPE, np.uint8)
    found[top : top + 10, 49:59] = 1
    assert cell_errors(BAR, found).artefacts == artefacts


@pytest.mark.parametrize(("pixels", "artefacts"), [(19, 0), (20, 1)])
def test_a_piece_counts_from_20_px_on(pixels, artefacts):
    found = np.zeros(SHAPE, np.uint8)
    found[5, 60 : 60 + pixels] = 1
    assert cell_errors(BAR, found).artefacts == artefacts


def test_with_one_class_of_cells_none_is_of_the_third_kind_for_classes():
    predicted = np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)
    assert cell_errors(TOUCHING, predicted).misclassified == 0


def test_a_cell_of_one_pixel():
    pixel = cells(disc(30, 30, radius=0))
    assert cell_errors(pixel, classes((1, pixel > 0))) == CellErrors(true_cells=1)
    assert cell_errors(pixel, classes()) == CellErrors(true_cells=1, missed=1)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 5), (5, 1)])
def test_maps_too_small_for_a_pair_of_cells(shape):
    assert cell_errors(np.ones(shape, np.int32), np.ones(shape, np.uint8)) == CellErrors(
        true_cells=int(0 not in shape)
    )


def test_no_cells_and_nothing_found():
    assert cell_errors(np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.uint8)) == CellErrors()


def test_numbers_of_cells_may_have_gaps():
    numbered = TOUCHING * 1000
    assert cell_errors(numbered, classes((1, LEFT))) == CellErrors(true_cells=2, missed=1)


def test_counts_of_fields_add_up():
    assert CellErrors(3, 1, 0, 2, 0, 1) + CellErrors(4, 0, 2, 1, 1, 0) == CellErrors(7, 1, 2, 3, 1, 1)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        cell_errors(TOUCHING, np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="differ in shape"):
        cell_errors(TOUCHING, classes((1, LEFT)), TOUCHING.T)
