"""Intervals of shares, against formulas, hand-made cases and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from drepano.cells.shares import (
    UNKNOWN,
    DrawnShare,
    binomial_interval,
    design_effect,
    difference_interval,
    draw_share,
    effective_cells,
    expanded_percentiles,
    field_interval,
    fields_for,
    paired_difference_intervals,
    place_parts,
)


class TestBinomial:
    def test_wilsons_formula(self):
        """10 of 100: centre (p + z^2 / 2n) / (1 + z^2 / n), by hand 0.0552 to 0.1744."""
        interval = binomial_interval(10, 100)
        assert (interval.low, interval.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)

    @given(st.integers(0, 40), st.integers(1, 40))
    def test_it_is_scipys(self, hits, others):
        interval = binomial_interval(hits, hits + others)
        theirs = binomtest(hits, hits + others).proportion_ci(0.95, method="wilson")
        assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)

    @pytest.mark.parametrize("cells", [10, 13, 25, 27, 28, 30, 2999])
    def test_all_hits_are_inside_for_all_rounding(self, cells):
        assert binomial_interval(cells, cells).high == 1

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

    @given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=8))
    def test_it_holds_the_binomial_one(self, fields):
        hits, cells = (np.array(column) for column in zip(*((h, h + o) for h, o in fields), strict=True))
        interval, binomial = field_interval(hits, cells), binomial_interval(hits.sum(), cells.sum())
        if interval.is_known:
            assert interval.low <= binomial.low + 1e-9
            assert interval.high >= binomial.high - 1e-9

    def test_two_fields_that_are_equal_by_chance_do_not_prove_that_fields_are(self):
        interval, binomial = (
            field_interval(np.array([10, 10]), np.array([50, 50])),
            binomial_interval(20, 100),
        )
        assert 2 * binomial.half_width < interval.half_width < 3 * binomial.half_width

    @pytest.mark.parametrize("fields", [2, 3, 5, 10, 20])
    def test_a_first_hit_does_not_lower_the_upper_end(self, fields):
        cells, one = np.full(fields, 100), np.eye(fields, dtype=int)[0]
        assert field_interval(0 * one, cells).high < field_interval(one, cells).high

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

    @pytest.mark.parametrize(("fields", "share"), [(2, 0.1), (3, 0.1), (10, 0.1), (2, 0.02), (5, 0.01)])
    def test_it_holds_the_truth_where_the_binomial_one_does_not(self, fields, share):
        """Fields with an intraclass correlation of 0.05: see benchmarks/intervals.py."""
        rng = np.random.default_rng(0)
        held = np.zeros((200, 2))
        for patient in range(len(held)):
            cells = rng.integers(60, 140, fields)
            hits = rng.binomial(cells, rng.beta(19 * share, 19 * (1 - share), fields))
            pair = field_interval(hits, cells, patient), binomial_interval(hits.sum(), cells.sum())
            held[patient] = [interval.low <= share <= interval.high for interval in pair]
        over_fields, binomial = held.mean(axis=0)
        assert over_fields > 0.93
        assert binomial < 0.85

    def test_with_many_units_the_expanded_percentiles_are_the_plain_ones(self):
        values = np.linspace(0, 1, 1001)
        assert expanded_percentiles(values, 10_000).low == pytest.approx(0.025, abs=1e-3)
        assert expanded_percentiles(values, 5).low < 0.01


class TestEffectiveCells:
    @pytest.mark.parametrize(
        ("hits", "effect"),
        [
            # Twenty fields of 50 cells: 1000 / 19 seen. Three fields' worth of 1 + 49 * 0.05 = 3.45 expected.
            ([50, 0] * 10, (3 * 3.45 + 19 * 1000 / 19) / 22),
            ([10] * 20, 1),  # 3 * 3.45 / 22, but never below chance
            ([10] * 2, 3 * 3.45 / 4),
            # Without a hit, or a miss, nothing is seen but chance.
            ([0] * 2, (3 * 3.45 + 1) / 4),
            ([50] * 5, (3 * 3.45 + 4) / 7),
        ],
    )
    def test_what_is_seen_is_moderated_by_what_is_expected(self, hits, effect):
        cells = np.full(len(hits), 50)
        assert design_effect(np.array(hits), cells) == pytest.approx(effect)
        worth = cells.sum() / effect * t_factor(len(hits))
        assert effective_cells(np.array(hits), cells) == pytest.approx(worth, rel=1e-5)

    def test_many_fields_are_taken_by_their_word(self):
        """1 + 49 * 0.2: cells of one field with that correlation."""
        rng = np.random.default_rng(0)
        hits = rng.binomial(50, rng.beta(0.4, 3.6, 5000))
        assert design_effect(hits, np.full(5000, 50)) == pytest.approx(10.8, rel=0.05)

    def test_they_are_never_more_than_there_are(self):
        ones = np.tile([0, 1], 500)
        assert 990 < effective_cells(ones, np.ones(1000)) <= 1000


class TestFieldsWanted:
    alike = np.full(6, 10), np.full(6, 50)
    different = np.array([2, 30, 14, 1, 22, 9]), np.full(6, 50)

    def test_some_less_than_four_times_the_fields_halve_the_interval(self):
        """24 by the root law; but with more fields Student's quantile is smaller."""
        width = field_interval(*self.alike).half_width
        assert fields_for(width / 2, *self.alike) == 20
        assert fields_for(width, *self.alike) == 6

    @pytest.mark.parametrize("wanted", [0.3, 0.1, 0.05, 0.01])
    def test_that_many_fields_are_enough_and_one_less_is_not(self, wanted):
        hits, cells = self.different
        needed = fields_for(wanted, hits, cells)
        share, effect = hits.sum() / cells.sum(), design_effect(hits, cells)

        def half_width(fields):
            effective = 50 * fields * min(1, t_factor(fields) / effect)
            return binomial_interval(share * effective, effective).half_width

        assert half_width(needed) <= wanted
        assert needed == 2 or half_width(needed - 1) > wanted

    def test_two_fields_that_differ_gain_most_from_the_next_few(self):
        """Student's quantile falls from 2.8 with two fields to 2.3 with seven."""
        hits, cells = np.array([5, 20]), np.array([50, 50])
        width = field_interval(hits, cells).half_width
        assert fields_for(width / 2, hits, cells) == 7  # eight by the root law


def t_factor(fields):
    """With three fields' worth of expectation."""
    return (1.959964 / t.ppf(0.975, fields + 2)) ** 2


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
        sides = [
            DrawnShare(hits / cells, 2, binomial_interval(hits, cells), np.full(10, hits / cells))
            for hits, cells in ((56, 70), (48, 80))
        ]
        interval = difference_interval(*sides)
        assert (interval.low, interval.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)

    def test_one_field_on_a_side_tells_nothing(self):
        alone = draw_share(np.array([5]), np.array([50]), seed=2)
        assert alone is None
        assert math.isnan(difference_interval(alone, self.few).low)


class TestPairedDifference:
    """Cells of two classes at the same places, before and after."""

    @staticmethod
    def of(*percent, cells=10_000):
        return np.array([[share * cells / 100, (100 - share) * cells / 100] for share in percent])

    def test_with_equally_many_cells_it_is_students_of_the_places_differences(self):
        """Rises of 10, 12 and 14 points of shares that lie far apart; the bootstrap is narrower."""
        first, second = self.of(60, 32, 24), self.of(50, 20, 10)
        interval, other = paired_difference_intervals(first, second)
        half = t.ppf(0.975, 2) * 0.02 / math.sqrt(3)
        assert (interval.low, interval.high) == pytest.approx((0.12 - half, 0.12 + half))
        assert (other.low, other.high) == pytest.approx((-interval.high, -interval.low))

    def test_it_is_narrower_than_that_of_other_places(self):
        rng = np.random.default_rng(0)
        before = rng.integers(5, 60, 12)
        after = before + rng.integers(0, 10, 12)
        first, second = self.of(*after, cells=1000), self.of(*before, cells=1000)
        paired = paired_difference_intervals(first, second)[0]
        drawn = [draw_share(one[:, 0], one.sum(axis=1), seed) for seed, one in enumerate((first, second))]
        assert paired.half_width < difference_interval(*drawn).half_width / 3

    def test_where_places_do_not_vary_it_is_that_of_the_cells_that_changed(self):
        """Of 200 cells at two places 10 changed, whose square root is 3.2; 3.84 are added."""
        interval = paired_difference_intervals(self.of(5, 5, cells=100), self.of(0, 0, cells=100))[0]
        half = 1.96 * math.sqrt(10 + 3.84) / 200
        assert (interval.low, interval.high) == pytest.approx((0.05 - half, 0.05 + half), abs=1e-4)

    def test_a_class_that_is_never_called_is_known_about_as_well_as_so_many_cells_tell(self):
        interval = paired_difference_intervals(self.of(0, 0, cells=100), self.of(0, 0, cells=100))[0]
        assert interval.low == -interval.high
        assert interval.high == pytest.approx(binomial_interval(0, 200).high, abs=1e-3)

    def test_a_place_counts_by_its_cells(self):
        """Differences 0 of 10 cells and 20 points of 1000: the second place is the difference."""
        first = np.array([[5, 5], [500, 500]], float)
        second = np.array([[5, 5], [300, 700]], float)
        parts = place_parts(first, second)
        assert parts.sum(axis=0) == pytest.approx([0, 0])
        assert abs(parts).max() < 0.003
