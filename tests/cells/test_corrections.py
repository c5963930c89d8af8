"""Known confusion between classes undone, on hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drepano.cells.corrections import corrected_intervals, undo_confusion
from drepano.cells.shares import UNKNOWN

CONFUSION = np.array([[90, 5, 5], [2, 95, 3], [10, 0, 90]])


def test_a_network_that_confuses_nothing_needs_no_correction():
    np.testing.assert_allclose(undo_confusion([3, 5, 2], np.eye(3) * 50), [0.3, 0.5, 0.2])


@given(st.lists(st.integers(1, 100), min_size=3, max_size=3))
def test_what_confusion_makes_of_true_shares_is_undone(weights):
    true = np.array(weights) / sum(weights)
    called = true @ (CONFUSION / CONFUSION.sum(axis=1, keepdims=True)) * 1e6
    np.testing.assert_allclose(undo_confusion(called, CONFUSION), true, atol=1e-6)


def test_false_calls_alone_are_corrected_to_nothing_and_never_below():
    """2 % of the first class are called the second: 1 % called so is less than expected."""
    confusion = np.array([[98, 2], [0, 100]])
    assert undo_confusion([99, 1], confusion)[1] == pytest.approx(0, abs=1e-6)
    assert undo_confusion([96, 4], confusion)[1] == pytest.approx(2 / 98, abs=1e-3)


def test_without_cells_nothing_is_known():
    assert np.isnan(undo_confusion([0, 0, 0], CONFUSION)).all()
    assert corrected_intervals(np.zeros((4, 3), int), CONFUSION) == [UNKNOWN] * 3


def test_the_interval_lies_around_the_corrected_share_and_is_wider_for_a_smaller_test():
    counts = np.array([[40, 8, 2], [35, 12, 3], [44, 4, 2], [38, 9, 3], [41, 6, 3]])
    share = undo_confusion(counts.sum(axis=0), CONFUSION)
    large_test = corrected_intervals(counts, CONFUSION * 100)
    small_test = corrected_intervals(counts, CONFUSION // 10)
    for index in range(3):
        assert large_test[index].low <= share[index] <= large_test[index].high
    assert small_test[1].half_width > large_test[1].half_width


def test_no_hits_do_not_prove_that_there_are_none():
    """0 of 500 with a network that calls 6 % of the first class the second."""
    interval = corrected_intervals(
        np.array([[100, 0, 0]] * 5), np.array([[94, 6, 0], [5, 95, 0], [0, 0, 100]])
    )
    assert interval[2].low == pytest.approx(0, abs=1e-6)
    assert 0.002 < interval[2].high < 0.02


def test_the_interval_holds_the_truth_with_few_fields():
    """Three fields with an intraclass correlation of 0.05: see benchmarks/intervals.py."""
    rng = np.random.default_rng(0)
    shares, rates = np.array([0.6, 0.1, 0.3]), CONFUSION / CONFUSION.sum(axis=1, keepdims=True)
    held = np.zeros((40, 3), bool)
    for patient in range(len(held)):
        measured = np.array([rng.multinomial(100, row) for row in rates])
        counts = np.array([rng.multinomial(100, rng.dirichlet(shares * 19) @ rates) for _ in range(3)])
        intervals = corrected_intervals(counts, measured, patient)
        held[patient] = [one.low <= share <= one.high for one, share in zip(intervals, shares, strict=True)]
    assert held.mean() > 0.9
