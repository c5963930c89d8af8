"""Cells matched by overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drepano.metrics import Detection, match_cells


def squares(*places, shape=(20, 40)):
    instances = np.zeros(shape, np.int32)
    for number, (top, left, height, width) in enumerate(places, start=1):
        instances[top : top + height, left : left + width] = number
    return instances


TRUE = squares((2, 2, 10, 10), (2, 20, 10, 10))


def test_the_same_cells_under_other_numbers_all_match():
    result = match_cells(TRUE, np.where(TRUE > 0, 7 - TRUE, 0).astype(np.int32))
    assert result == Detection(matched=2, overlap=2.0)
    assert (result.f1, result.panoptic_quality) == (1, 1)


def test_a_missed_and_a_false_cell():
    result = match_cells(TRUE, squares((2, 2, 10, 9), (15, 30, 4, 4)))
    assert result == Detection(matched=1, missed=1, false=1, overlap=0.9)
    assert result.f1 == 0.5
    assert result.panoptic_quality == pytest.approx(0.45)


def test_half_of_the_union_is_not_enough():
    assert match_cells(squares((0, 0, 10, 10)), squares((0, 0, 10, 5))).matched == 0
    assert match_cells(squares((0, 0, 10, 10)), squares((0, 0, 10, 6))).matched == 1


def test_two_cells_found_as_one():
    assert match_cells(TRUE, squares((2, 2, 10, 28))) == Detection(missed=2, false=1)


def test_without_any_cell_nothing_is_defined():
    nothing = np.zeros((5, 5), np.int32)
    assert match_cells(nothing, nothing) == Detection()
    assert np.isnan(Detection().f1)
    assert np.isnan(Detection().panoptic_quality)


def test_counts_of_fields_add_up():
    assert Detection(1, 2, 3, 0.5) + Detection(2, 0, 1, 1.75) == Detection(3, 2, 4, 2.25)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        match_cells(TRUE, TRUE[1:])


@given(st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_cell_is_counted_once(first, second):
    maps = [np.random.default_rng(seed).integers(0, 5, (6, 6)).astype(np.int32) for seed in (first, second)]
    result = match_cells(*maps)
    true, predicted = (len(np.unique(side[side > 0])) for side in maps)
    assert (result.matched + result.missed, result.matched + result.false) == (true, predicted)
    swapped = match_cells(*maps[::-1])
    assert (swapped.matched, swapped.overlap) == (result.matched, pytest.approx(result.overlap))
