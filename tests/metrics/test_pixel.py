"""Overlap of class maps as the method defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drepano.metrics import confusion_matrix, dice_per_class, jaccard_per_class


def by_sets(true, predicted, num_classes):
    """The definition, pixel by pixel."""
    dice = []
    for index in range(num_classes):
        a = {tuple(place) for place in np.argwhere(true == index)}
        b = {tuple(place) for place in np.argwhere(predicted == index)}
        dice.append(2 * len(a & b) / (len(a) + len(b)) if a or b else np.nan)
    return dice


def test_a_worked_example():
    true = np.array([[0, 0, 1, 1], [0, 0, 1, 2]], np.uint8)
    predicted = np.array([[0, 0, 0, 1], [0, 1, 1, 1]], np.uint8)
    dice = dice_per_class(true, predicted, 4)
    assert dice[:3].tolist() == [2 * 3 / (4 + 4), 2 * 2 / (3 + 4), 0]
    assert np.isnan(dice[3])
    assert dice.dtype == np.float64


def test_equal_maps_have_one_for_every_class_there_is():
    labels = np.array([[0, 2], [2, 0]], np.uint8)
    np.testing.assert_array_equal(dice_per_class(labels, labels, 3), [1, np.nan, 1])


def test_a_class_absent_from_one_map_is_zero_and_from_both_is_undefined():
    empty = np.zeros((3, 3), np.uint8)
    cell = empty.copy()
    cell[1, 1] = 1
    for dice in (dice_per_class(empty, cell, 3), dice_per_class(cell, empty, 3)):
        assert dice[1] == 0
        assert np.isnan(dice[2])


maps = hnp.arrays(np.uint8, (6, 7), elements=st.integers(0, 3))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(maps, maps)
def test_it_is_the_definition_and_symmetric(true, predicted):
    dice = dice_per_class(true, predicted, 5)
    np.testing.assert_allclose(dice, by_sets(true, predicted, 5))
    np.testing.assert_array_equal(dice, dice_per_class(predicted, true, 5))


def test_torchmetrics_agrees():
    classification = pytest.importorskip("torchmetrics.functional.classification", exc_type=ImportError)
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 5, (2, 40, 50)).astype(np.uint8)
    theirs = classification.multiclass_f1_score(
        torch.from_numpy(predicted.ravel()).long(),
        torch.from_numpy(true.ravel()).long(),
        num_classes=5,
        average="none",
    )
    np.testing.assert_allclose(dice_per_class(true, predicted, 5), theirs.numpy(), rtol=1e-6)


def test_maps_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"differ in shape: \(2, 3\) and \(3, 2\)"):
        dice_per_class(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2)


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_value_that_is_no_class_is_refused(wrong):
    """Else it would be counted as another class."""
    labels = [np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)]
    labels[wrong][0, 0] = 2
    with pytest.raises(ValueError, match="class 2"):
        dice_per_class(*labels, 2)


def test_the_confusion_matrix_has_a_row_a_true_class():
    true = np.array([[0, 0, 1], [2, 2, 2]], np.uint8)
    predicted = np.array([[0, 1, 1], [2, 2, 0]], np.uint8)
    assert confusion_matrix(true, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_torchmetrics_counts_the_same_confusion():
    classification = pytest.importorskip("torchmetrics.functional.classification", exc_type=ImportError)
    true, predicted = np.random.default_rng(1).integers(0, 5, (2, 40, 50)).astype(np.uint8)
    theirs = classification.multiclass_confusion_matrix(
        torch.from_numpy(predicted).long(), torch.from_numpy(true).long(), num_classes=5
    )
    ours = confusion_matrix(true, predicted, 5)
    assert ours.dtype == np.int64
    np.testing.assert_array_equal(ours, theirs.numpy())


@pytest.mark.parametrize("shape", [(0, 0), (1, 1)])
def test_maps_of_no_pixel_and_of_one(shape):
    empty = np.zeros(shape, np.uint8)
    assert confusion_matrix(empty, empty, 2).tolist() == [[empty.size, 0], [0, 0]]
    for overlap in (dice_per_class(empty, empty, 2), jaccard_per_class(empty, empty, 2)):
        np.testing.assert_array_equal(overlap, [1 if empty.size else np.nan, np.nan])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(maps, maps)
def test_jaccard_follows_from_dice(true, predicted):
    dice = dice_per_class(true, predicted, 5)
    np.testing.assert_allclose(jaccard_per_class(true, predicted, 5), dice / (2 - dice))
