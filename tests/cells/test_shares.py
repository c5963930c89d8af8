"""Intervals and corrections of shares, against formulas, hand-made cases and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drepano.cells.shares import (
    UNKNOWN,
    binomial_interval,
    corrected_intervals,
    difference_interval,
    draw_share,
    expanded_percentiles,
    field_interval,
    fields_for,
    undo_confusion,
)

CONFUSION = np.array([[90, 5, 5], [2, 95, 3], [10, 0, 90]])


class TestBinomial:
    def test_wilsons_formula(self):
        """10 of 100: centre (p + z^2 / 2n) / (1 + z^2 / n), by hand 0.0552 to 0.1744."""
        interval = binomial_interval(10, 100)
        assert (interval.low, interval.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)

    def test_no_hits_still_have_an_upper_limit(self):
        interval = binomial_interval(0, 300)
        assert interval.low == 0
        assert 0.005 < interval.high < 0.02

    def test_without_cells_nothing_is_known(self):
        assert binomial_interval(0, 0) == UNKNOWN
        assert not UNKNOWN.is_known


class TestOverFields:
    def test_fields_that_differ_make_it_wider_than_the_binomial_one(self):
        hits, cells = np.array([0, 40, 0, 40, 0, 40]), np.full(6, 100)
        over_fields, binomial = field_interval(hits, cells), binomial_interval(120, 600)
        assert over_fields.half_width > 3 * binomial.half_width
        assert over_fields.low < 0.2 < over_fields.high

    def test_it_is_never_narrower_than_the_binomial_one(self):
        """Two fields that are equal by chance do not prove anything."""
        assert field_interval(np.array([10, 10]), np.array([50, 50])) == binomial_interval(20, 100)

    @pytest.mark.parametrize(("hits", "cells"), [([5], [50]), ([5, 0], [50, 0]), ([], [])])
    def test_one_field_with_cells_tells_nothing_about_fields(self, hits, cells):
        assert not field_interval(np.array(hits, int), np.array(cells, int)).is_known

    def test_fields_without_cells_change_nothing(self):
        with_empty = field_interval(np.array([5, 0, 9, 7]), np.array([50, 0, 50, 40]))
        assert with_empty == field_interval(np.array([5, 9, 7]), np.array([50, 50, 40]))

    @given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=8))
    def test_it_lies_around_the_share_and_within_0_and_1(self, fields):
        hits, cells = (np.array(column) for column in zip(*((h, h + o) for h, o in fields), strict=True))
        interval = field_interval(hits, cells)
        if interval.is_known:
            assert 0 <= interval.low <= hits.sum() / cells.sum() <= interval.high <= 1

    def test_it_holds_the_truth_where_the_binomial_one_does_not(self):
        """Ten fields a patient with an intraclass correlation of 0.05: see benchmarks/intervals.py."""
        rng = np.random.default_rng(0)
        held = np.zeros((150, 2))
        for patient in range(len(held)):
            cells = rng.integers(60, 140, 10)
            hits = rng.binomial(cells, rng.beta(1.9, 17.1, 10))
            pair = field_interval(hits, cells, patient), binomial_interval(hits.sum(), cells.sum())
            held[patient] = [interval.low <= 0.1 <= interval.high for interval in pair]
        over_fields, binomial = held.mean(axis=0)
        assert over_fields > 0.87
        assert binomial < 0.8

    def test_with_many_units_the_expanded_percentiles_are_the_plain_ones(self):
        values = np.linspace(0, 1, 1001)
        assert expanded_percentiles(values, 10_000).low == pytest.approx(0.025, abs=1e-3)
        assert expanded_percentiles(values, 5).low < 0.01


def test_four_times_the_fields_halve_an_interval():
    assert fields_for(0.1, fields=6, wanted=0.05) == 24
    assert fields_for(0.05, fields=6, wanted=0.05) == 6
    assert fields_for(0.02, fields=6, wanted=0.05) == 1


class TestConfusion:
    def test_a_network_that_confuses_nothing_needs_no_correction(self):
        np.testing.assert_allclose(undo_confusion([3, 5, 2], np.eye(3) * 50), [0.3, 0.5, 0.2])

    @given(st.lists(st.integers(1, 100), min_size=3, max_size=3))
    def test_what_confusion_makes_of_true_shares_is_undone(self, weights):
        true = np.array(weights) / sum(weights)
        called = true @ (CONFUSION / CONFUSION.sum(axis=1, keepdims=True)) * 1e6
        np.testing.assert_allclose(undo_confusion(called, CONFUSION), true, atol=1e-6)

    def test_false_calls_alone_are_corrected_to_nothing_and_never_below(self):
        """2 % of the first class are called the second: 1 % called so is less than expected."""
        confusion = np.array([[98, 2], [0, 100]])
        assert undo_confusion([99, 1], confusion)[1] == pytest.approx(0, abs=1e-6)
        assert undo_confusion([96, 4], confusion)[1] == pytest.approx(2 / 98, abs=1e-3)

    def test_without_cells_nothing_is_known(self):
        assert np.isnan(undo_confusion([0, 0, 0], CONFUSION)).all()
        assert corrected_intervals(np.zeros((4, 3), int), CONFUSION) == [UNKNOWN] * 3

    def test_the_interval_lies_around_the_corrected_share_and_is_wider_for_a_smaller_test(self):
        counts = np.array([[40, 8, 2], [35, 12, 3], [44, 4, 2], [38, 9, 3], [41, 6, 3]])
        share = undo_confusion(counts.sum(axis=0), CONFUSION)
        large_test = corrected_intervals(counts, CONFUSION * 100)
        small_test = corrected_intervals(counts, CONFUSION // 10)
        for index in range(3):
            assert large_test[index].low <= share[index] <= large_test[index].high
        assert small_test[1].half_width > large_test[1].half_width

    def test_no_hits_do_not_prove_that_there_are_none(self):
        """0 of 500 with a network that calls 6 % of the first class the second."""
        interval = corrected_intervals(
            np.array([[100, 0, 0]] * 5), np.array([[94, 6, 0], [5, 95, 0], [0, 0, 100]])
        )
        assert interval[2].low == pytest.approx(0, abs=1e-6)
        assert 0.002 < interval[2].high < 0.02


class TestDifference:
    few = draw_share(np.array([2, 3, 1, 2]), np.full(4, 50), seed=0)
    many = draw_share(np.array([20, 22, 19, 25]), np.full(4, 50), seed=1)

    def test_a_large_difference_excludes_none(self):
        interval = difference_interval(self.many, self.few)
        assert 0.2 < interval.low < 86 / 200 - 8 / 200 < interval.high

    def test_it_is_the_same_the_other_way_round(self):
        there, back = difference_interval(self.many, self.few), difference_interval(self.few, self.many)
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))

    def test_it_is_never_narrower_than_newcombes(self):
        """56/70 against 48/80, Newcombe's example: 0.0524 to 0.3339 (method 10)."""
        first = draw_share(np.array([28, 28]), np.array([35, 35]), seed=0)
        second = draw_share(np.array([24, 24]), np.array([40, 40]), seed=1)
        interval = difference_interval(first, second)
        assert (interval.low, interval.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)

    def test_one_field_on_a_side_tells_nothing(self):
        alone = draw_share(np.array([5]), np.array([50]), seed=2)
        assert alone is None
        assert math.isnan(difference_interval(alone, self.few).low)
