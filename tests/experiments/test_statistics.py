"""Differences between methods, and whether they are more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from drepano.experiments.statistics import _bootstrap, paired_difference, verdict


def figures(values, seeds=1):
    return {f"f{i}": np.full(seeds, value, float) for i, value in enumerate(values)}


NOBODY = {f"f{i}": None for i in range(100)}
FOLDS = {f"f{i}": f"fold-{i % 5}" for i in range(100)}
ONE_FOLD = {f"f{i}": "all" for i in range(100)}


def test_a_constant_difference_is_that_and_has_no_spread():
    base = np.random.default_rng(0).uniform(0.5, 1, 30)
    result = paired_difference(figures(base + 0.1), figures(base), NOBODY, FOLDS)
    assert result.mean == pytest.approx(0.1)
    assert (result.low, result.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert (result.fields, result.units, result.unit) == (30, 30, "fields")
    assert result.more_than_chance


def test_the_interval_is_that_of_the_mean_of_the_differences():
    """By the central limit, 1.96 standard errors each way, where every field is a fold of its own."""
    rng = np.random.default_rng(1)
    differences = rng.normal(0.02, 0.1, 100)
    own_folds = {field: field for field in NOBODY}
    result = paired_difference(figures(0.5 + differences), figures(np.full(100, 0.5)), NOBODY, own_folds)
    half = 1.96 * differences.std() / 10
    assert result.low == pytest.approx(differences.mean() - half, abs=0.003)
    assert result.high == pytest.approx(differences.mean() + half, abs=0.003)


def test_the_bootstrap_draws_seeds_too():
    """Fields are all alike, so what spreads is the luck of seeds."""
    of_seeds, of_one = np.tile([0.1, 0.5, 0.9], (4, 1)), np.zeros((4, 1))
    low, high = _bootstrap([of_seeds, of_one], np.arange(4), np.random.default_rng(0))
    assert (low, high) == (pytest.approx(0.1), pytest.approx(0.9))


class TestNothingIsClaimedWithoutADifference:
    """In at most 10 of 100 experiments, wherever the chance lies: where 5 are expected, more are rare."""

    def claimed(self, first, second, patients, folds):
        """Of 100 experiments; `first` and `second` make the figures of one method."""
        count = 0
        for seed in range(100):
            rng = np.random.default_rng(seed)
            count += paired_difference(first(rng), second(rng), patients, folds).more_than_chance
        return count

    def test_chance_of_fields(self):
        def method(rng):
            return figures(rng.normal(0.5, 0.1, 40))

        assert self.claimed(method, method, NOBODY, FOLDS) <= 10

    def test_chance_of_four_patients(self):
        patients = {f"f{i}": f"P{i % 4}" for i in range(40)}

        def method(rng):
            return figures(np.tile(rng.normal(0.5, 0.05, 4), 10) + rng.normal(0, 0.01, 40))

        assert self.claimed(method, method, patients, patients) <= 10

    def test_the_bootstrap_alone_claims_too_much_with_four_patients(self):
        count = 0
        for seed in range(100):
            rng = np.random.default_rng(seed)
            of_patients = np.tile(rng.normal(0, 0.05, 4), 10)[:, None]
            low, high = _bootstrap([of_patients, np.zeros((40, 1))], np.arange(40) % 4, rng)
            count += low > 0 or high < 0
        assert count > 15

    @pytest.mark.parametrize("seeds", [1, 3])
    def test_chance_of_trainings_one_a_fold(self, seeds):
        def method(count):
            def make(rng):
                training = rng.normal(0.5, 0.02, (5, count))
                return {f"f{i}": training[i % 5] + rng.normal(0, 0.01) for i in range(50)}

            return make

        assert self.claimed(method(seeds), method(1), NOBODY, FOLDS) <= 10

    def test_chance_of_four_patients_with_many_and_few_fields(self):
        fields = [f"P{patient}-{i}" for patient, count in enumerate((40, 10, 5, 5)) for i in range(count)]
        patients = {field: field[:2] for field in fields}

        def method(rng):
            of_patient = rng.normal(0.5, 0.05, 4)
            return {field: np.array([of_patient[int(field[1])] + rng.normal(0, 0.01)]) for field in fields}

        assert self.claimed(method, method, patients, patients) <= 10

    def test_chance_of_first_weights_that_all_folds_of_a_seed_share(self):
        def method(rng):
            shared = rng.normal(0.5, 0.02, 3)
            training = shared + rng.normal(0, 0.01, (5, 3))
            return {f"f{i}": training[i % 5] + rng.normal(0, 0.01) for i in range(50)}

        assert self.claimed(method, method, NOBODY, FOLDS) <= 10

    def test_the_luck_of_a_single_seed_is_taken_to_be_that_of_the_others_seeds(self):
        """So chance is claimed too often where it is larger, and nothing can show that it is."""

        def method(count, spread):
            def make(rng):
                shared = rng.normal(0.5, spread, count)
                return {f"f{i}": shared + rng.normal(0, 0.01) for i in range(50)}

            return make

        assert self.claimed(method(3, 0.02), method(1, 0.02), NOBODY, FOLDS) <= 10
        assert self.claimed(method(3, 0.02), method(1, 0.04), NOBODY, FOLDS) > 10

    def test_chance_of_seeds_on_the_same_fields(self):
        def method(rng):
            training = rng.normal(0.5, 0.02, 3)
            return {f"f{i}": training + rng.normal(0, 0.01) for i in range(50)}

        assert self.claimed(method, method, NOBODY, ONE_FOLD) <= 10


def test_one_training_of_each_tells_no_interval():
    result = paired_difference(figures([0.9] * 10), figures([0.8] * 10), NOBODY, ONE_FOLD)
    assert np.isnan([result.low, result.high]).all()
    assert not result.more_than_chance
    assert verdict(result, True) == "no interval"


def test_fields_of_one_patient_count_as_one():
    """A hundred fields, but two patients, who differ: nothing is known of a third."""
    patients = {f"f{i}": "A" if i < 50 else "B" for i in range(100)}
    base = np.full(100, 0.5)
    gain = np.where(np.arange(100) < 50, 0.1, -0.02)
    by_patient = paired_difference(figures(base + gain), figures(base), patients, FOLDS)
    assert (by_patient.units, by_patient.unit) == (2, "patients")
    assert not by_patient.more_than_chance
    assert paired_difference(figures(base + gain), figures(base), NOBODY, FOLDS).more_than_chance


def test_of_one_patient_only_fields_are_compared():
    base = np.random.default_rng(0).uniform(0.5, 1, 30)
    result = paired_difference(figures(base + 0.1), figures(base), dict.fromkeys(NOBODY, "A"), FOLDS)
    assert (result.units, result.unit) == (30, "fields")
    assert result.more_than_chance


def test_a_field_of_nobody_without_a_figure_makes_no_second_patient():
    base = np.random.default_rng(0).uniform(0.5, 1, 30)
    patients = {**dict.fromkeys(NOBODY, "A"), "unlabelled": None}
    result = paired_difference(figures(base + 0.1), figures(base), patients, FOLDS)
    assert (result.unit, result.more_than_chance) == ("fields", True)


def test_a_figure_that_one_patient_of_two_has_tells_no_interval():
    patients = {f"f{i}": "A" if i < 50 else "B" for i in range(100)}
    there = np.where(np.arange(100) < 50, 0.9, np.nan)
    result = paired_difference(figures(there), figures(np.full(100, 0.5)), patients, FOLDS)
    assert (result.units, result.unit) == (1, "patients")
    assert not result.more_than_chance


def test_the_chance_of_initialisation_widens_the_interval():
    """The same gain in every field, but in one of three seeds the method fails."""
    lucky = {f"f{i}": np.array([0.9, 0.9, 0.5]) for i in range(50)}
    result = paired_difference(lucky, figures(np.full(50, 0.7)), NOBODY, FOLDS)
    assert result.mean == pytest.approx(0.2 / 3)
    assert result.low < 0 < result.high


def test_fields_in_which_a_figure_is_not_defined_are_left_out():
    first = figures([0.5, np.nan, 0.7])
    result = paired_difference(first, figures([0.4, 0.4, 0.4]), NOBODY, FOLDS)
    assert result.fields == 2
    assert result.mean == pytest.approx(0.2)


def test_without_a_field_in_common_it_is_refused():
    with pytest.raises(ValueError, match="no field in common"):
        paired_difference({"a": np.array([1.0])}, {"b": np.array([1.0])}, {}, {})


class TestVerdict:
    def test_more_than_chance_is_better_or_worse_as_the_figure_is(self):
        larger = paired_difference(figures([0.9] * 10), figures([0.8] * 10), NOBODY, FOLDS)
        assert (verdict(larger, True), verdict(larger, False)) == ("better", "worse")

    def test_an_interval_that_holds_0_does_not_tell_them_apart(self):
        same = paired_difference(figures([0.9, 0.7] * 10), figures([0.7, 0.9] * 10), NOBODY, FOLDS)
        assert verdict(same, True) == verdict(same, False) == "not told apart"

    def test_one_unit_tells_no_interval(self):
        one = paired_difference(figures([0.9]), figures([0.7]), NOBODY, FOLDS)
        assert verdict(one, True) == "no interval"
