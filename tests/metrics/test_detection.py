"""Cells matched by overlap, and the classes of those matched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.detection import panoptic_quality

from drepano.metrics import Detection, cell_confusion, cell_recall, match_cells, mean_count_error


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


@pytest.mark.parametrize("seed", range(8))
def test_torchmetrics_agrees_on_random_maps(seed):
    rng = np.random.default_rng(seed)
    places = [(*rng.integers(0, (50, 90)), *rng.integers(6, 14, 2)) for _ in range(12)]
    moved = [(top + rng.integers(0, 4), left + rng.integers(0, 4), *size) for top, left, *size in places]
    true, predicted = squares(*places, shape=(70, 110)), squares(*moved[2:], shape=(70, 110))
    pairs = [torch.from_numpy(np.stack([cells > 0, cells], axis=-1))[None] for cells in (predicted, true)]
    of_classes = panoptic_quality(*pairs, {1}, {0}, return_sq_and_rq=True, return_per_class=True)
    quality, _, recognised = of_classes[0]
    ours = match_cells(true, predicted)
    assert 0 < ours.matched < 12
    assert ours.f1 == pytest.approx(float(recognised))
    assert ours.panoptic_quality == pytest.approx(float(quality))


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
    if true or predicted:
        assert 0 <= result.panoptic_quality <= result.f1 <= 1


def in_classes(instances, *classes):
    """The class map in which cell 1 has the first class, and so on."""
    return np.array([0, *classes], np.uint8)[instances]


def test_cells_found_are_counted_by_true_and_predicted_class():
    confusion = cell_confusion(TRUE, TRUE, in_classes(TRUE, 1, 2), in_classes(TRUE, 1, 1), 3)
    assert confusion.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0]]
    np.testing.assert_array_equal(cell_recall(confusion), [1, 0])


def test_cells_without_a_partner_are_counted_as_background():
    found = squares((2, 2, 10, 9), (15, 30, 4, 4))
    confusion = cell_confusion(TRUE, found, in_classes(TRUE, 1, 2), in_classes(found, 1, 3), 4)
    assert confusion.tolist() == [[0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(cell_recall(confusion), [1, 0, np.nan])


def test_the_class_of_most_pixels_counts_and_holes_do_not():
    cell = squares((2, 2, 10, 10))
    mixed = in_classes(cell, 2)
    mixed[2:12, 2:8] = 0
    mixed[2:4, 2:12] = 1
    assert np.count_nonzero(mixed == 2) == 32
    assert cell_confusion(cell, cell, in_classes(cell, 2), mixed, 3)[2, 2] == 1
    assert cell_recall(cell_confusion(cell, cell, in_classes(cell, 2), mixed, 3))[1] == 1


def test_without_any_cell_recall_is_not_defined():
    nothing = np.zeros((5, 5), np.int32)
    confusion = cell_confusion(nothing, nothing, nothing.astype(np.uint8), nothing.astype(np.uint8), 3)
    assert confusion.sum() == 0
    assert np.isnan(cell_recall(confusion)).all()


@given(st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_cells_in_classes_are_those_that_are_matched(first, second):
    true, predicted = (
        np.random.default_rng(seed).integers(0, 5, (6, 6)).astype(np.int32) for seed in (first, second)
    )
    confusion = cell_confusion(
        true, predicted, in_classes(true, 1, 2, 1, 2), in_classes(predicted, 2, 1, 2, 1), 3
    )
    result = match_cells(true, predicted)
    assert confusion[1:, 1:].sum() == result.matched
    assert (confusion[1:, 0].sum(), confusion[0, 1:].sum()) == (result.missed, result.false)


def test_a_found_cell_that_is_background_only_as_a_filled_hole_is_has_no_class():
    confusion = cell_confusion(TRUE, TRUE, in_classes(TRUE, 1, 1), in_classes(TRUE, 1, 0), 2)
    assert confusion.tolist() == [[0, 0], [1, 1]]


def test_a_value_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="class 2"):
        cell_confusion(TRUE, TRUE, in_classes(TRUE, 1, 2), in_classes(TRUE, 1, 1), 2)


def test_any_of_four_maps_of_another_shape_is_refused():
    labels = in_classes(TRUE, 1, 1)
    with pytest.raises(ValueError, match=r"differ in shape: .*\(19, 40\)"):
        cell_confusion(TRUE, TRUE, labels, labels[1:], 2)


def test_the_error_of_a_count_is_relative_to_the_true_one_whichever_way():
    assert mean_count_error([8, 12, 5], [10, 10, 5]) == pytest.approx((0.2 + 0.2 + 0) / 3)


def test_of_a_field_without_a_cell_each_found_one_is_a_whole_error():
    assert mean_count_error([3], [0]) == 3
