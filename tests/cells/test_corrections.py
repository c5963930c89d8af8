"""Known confusion between classes undone, on hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drepano.cells.corrections import Correction, confusion_correlation, corrected_intervals, undo_confusion
from drepano.cells.shares import UNKNOWN, field_interval

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
    assert corrected_intervals(np.zeros((4, 3), int), Correction(CONFUSION)) == [UNKNOWN] * 3


def test_the_interval_lies_around_the_corrected_share_and_is_wider_for_a_smaller_test():
    counts = np.array([[40, 8, 2], [35, 12, 3], [44, 4, 2], [38, 9, 3], [41, 6, 3]])
    share = undo_confusion(counts.sum(axis=0), CONFUSION)
    large_test = corrected_intervals(counts, Correction(CONFUSION * 100))
    small_test = corrected_intervals(counts, Correction(CONFUSION // 10))
    for index in range(3):
        assert large_test[index].low <= share[index] <= large_test[index].high
    assert small_test[1].half_width > large_test[1].half_width


def test_no_hits_do_not_prove_that_there_are_none():
    """0 of 500 with a network that calls 6 % of the first class the second."""
    interval = corrected_intervals(
        np.array([[100, 0, 0]] * 5), Correction(np.array([[94, 6, 0], [5, 95, 0], [0, 0, 100]]))
    )
    assert interval[2].low == pytest.approx(0, abs=1e-6)
    assert interval[2].high == pytest.approx(field_interval(np.zeros(5), np.full(5, 100)).high, rel=0.02)


def test_with_a_network_that_confuses_nothing_the_interval_is_no_narrower_than_the_plain_one():
    """The second class differs between the fields, the others do not."""
    counts = np.array([[14, 3, 6, 8], [10, 13, 6, 4]])
    corrected = corrected_intervals(counts, Correction(5000 * np.eye(4)))
    for hits, interval in zip(counts.T, corrected, strict=True):
        plain = field_interval(hits, counts.sum(axis=1))
        assert interval.low <= plain.low + 0.005
        assert interval.high >= plain.high - 0.005
        assert interval.half_width < 1.1 * plain.half_width


def test_false_calls_of_a_common_class_widen_the_interval_of_a_rare_one():
    """Six of a hundred are called so: how uncertain these six are is part of it."""
    counts = np.array([[120, 80], [110, 90], [140, 60]])
    rates = np.array([[94, 6], [2, 98]])
    plain = field_interval(counts[:, 1], counts.sum(axis=1)).half_width
    assert corrected_intervals(counts, Correction(1000 * rates))[1].half_width > plain / 0.92


def test_the_interval_holds_the_truth_with_few_fields():
    """Three fields with an intraclass correlation of 0.05: see benchmarks/intervals.py."""
    rng = np.random.default_rng(0)
    shares, rates = np.array([0.6, 0.1, 0.3]), CONFUSION / CONFUSION.sum(axis=1, keepdims=True)
    held = np.zeros((40, 3), bool)
    for patient in range(len(held)):
        measured = np.array([rng.multinomial(100, row) for row in rates])
        counts = np.array([rng.multinomial(100, rng.dirichlet(shares * 19) @ rates) for _ in range(3)])
        intervals = corrected_intervals(counts, Correction(measured), patient)
        held[patient] = [one.low <= share <= one.high for one, share in zip(intervals, shares, strict=True)]
    assert held.mean() > 0.9


RATES = CONFUSION / CONFUSION.sum(axis=1, keepdims=True)


def draw_test(rng, cells, patients, strength):
    """A test of patients whose rates are drawn around `RATES`, Dirichlet with that strength.

    `cells` are those of each class; every other patient has half as many.
    """
    confusions = []
    for patient in range(patients):
        rates = [rng.dirichlet(np.maximum(row, 1e-6) * strength) for row in RATES]
        sizes = np.broadcast_to(cells, 3) // (1 + patient % 2)
        confusions.append([rng.multinomial(size, row) for size, row in zip(sizes, rates, strict=True)])
    return np.array(confusions)


class TestPatientsWhoAreConfusedUnlike:
    @pytest.mark.parametrize("patients", [4, 20])
    def test_the_correlation_is_that_with_which_they_were_drawn(self, patients):
        rng = np.random.default_rng(0)
        found = [
            confusion_correlation(draw_test(rng, (80, 60, 20), patients, strength=9)) for _ in range(300)
        ]
        assert np.mean(found) == pytest.approx(1 / (1 + 9), abs=0.015)

    def test_how_uncertain_it_is_is_known(self):
        rng = np.random.default_rng(0)
        held = 0
        for _ in range(200):
            drawn = Correction(draw_test(rng, (80, 60, 20), 4, strength=9))._correlations
            low, high = np.quantile(drawn, [0.025, 0.975])
            held += low <= 1 / (1 + 9) <= high
        assert held / 200 > 0.87

    def test_it_is_small_where_they_differ_by_chance_only_and_zero_for_one_patient(self):
        rng = np.random.default_rng(0)
        assert confusion_correlation(draw_test(rng, 60, 20, strength=1e6)) < 0.01
        assert confusion_correlation(CONFUSION[None]) == 0

    def test_patients_without_cells_of_a_class_have_no_say_in_it(self):
        with_all = draw_test(np.random.default_rng(0), 60, 4, strength=9)
        without = with_all.copy()
        without[0, 2] = 0
        assert 0 < confusion_correlation(without) != confusion_correlation(with_all)
        assert np.isfinite(Correction(without).confusion).all()

    def test_one_matrix_of_all_and_one_a_patient_are_the_same_where_patients_are_alike(self):
        counts = np.array([[40, 8, 2], [35, 12, 3], [44, 4, 2]])
        several, one = (Correction(confusions) for confusions in (np.stack([CONFUSION] * 3), CONFUSION * 3))
        assert corrected_intervals(counts, several) == corrected_intervals(counts, one)

    def test_the_interval_of_a_new_patient_holds_the_truth(self):
        """Twenty fields, so that the confusion is most of what is uncertain: see benchmarks/intervals.py."""
        rng = np.random.default_rng(0)
        shares = np.array([0.6, 0.1, 0.3])
        held = np.zeros((40, 2, 3), bool)
        for patient in range(len(held)):
            tested = draw_test(rng, 60, 4, strength=12)
            rates = draw_test(rng, 100_000, 1, strength=12)[0] / 100_000
            counts = np.array([rng.multinomial(100, rng.dirichlet(shares * 19) @ rates) for _ in range(20)])
            for place, confusion in enumerate((tested, tested.sum(axis=0))):
                ends = corrected_intervals(counts, Correction(confusion), patient)
                held[patient, place] = [
                    one.low <= share <= one.high for one, share in zip(ends, shares, strict=True)
                ]
        assert held[:, 0].mean() > 0.88
        assert held[:, 1].mean() < 0.8, "patients taken to be alike"

    def test_groups_of_one_patient_are_corrected_with_the_same_rates(self):
        correction = Correction(draw_test(np.random.default_rng(0), 60, 4, strength=9))
        counts = np.array([[40, 8, 2], [35, 12, 3], [44, 4, 2]])
        one, same, other = (correction.draw(counts, 0, patient) for patient in (0, 0, 1))
        np.testing.assert_array_equal(one.over_rates, same.over_rates)
        assert (one.over_rates != other.over_rates).any()
