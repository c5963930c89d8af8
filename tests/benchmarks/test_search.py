"""``benchmarks/search.py``: what is trained in which split, and what can be chosen; nothing is trained."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import pytest

from drepano.experiments.splits import Split

PATIENTS = ("A", "B", "C", "D")
GOOD = {"A": ["dunet-width-16"], "B": ["dunet"], "C": ["dunet-scope-4"], "D": ["dunet"]}


@pytest.fixture(scope="module")
def search(benchmark_script):
    return benchmark_script("search")


@pytest.fixture
def plan():
    """A field a patient, two patients held out in each of six splits."""
    splits = tuple(
        Split("-".join(held_out), tuple(set(PATIENTS) - set(held_out)), held_out)
        for held_out in combinations(PATIENTS, 2)
    )
    return SimpleNamespace(splits=splits, patients={patient: patient for patient in PATIENTS})


def rows(search, plan, good, scores):
    """Results of all that is wanted, 0.8 where `scores` has nothing else."""
    return [
        {
            "method": method,
            "split": split.name,
            "patient": patient,
            "also_without": other,
            **dict.fromkeys(search.FIGURES, scores.get(method, 0.8)),
        }
        for split in plan.splits
        for method in search.wanted_variants(plan, good)[split.name]
        for patient, other in (split.test, split.test[::-1])
    ]


def test_first_all_variants_are_trained_on_two_splits_that_hold_out_every_patient(search, plan):
    wanted = search.wanted_variants(plan, {})
    assert {name for name, methods in wanted.items() if methods} == {"A-B", "C-D"}
    assert wanted["A-B"] == wanted["C-D"] == list(search.VARIANTS)


def test_then_the_default_what_is_good_for_one_held_out_and_the_later_ones(search, plan):
    wanted = search.wanted_variants(plan, GOOD)
    later = set(search.LATER)
    assert set(wanted["A-C"]) == {"dunet", "dunet-width-16", "dunet-scope-4", *later}
    assert set(wanted["B-D"]) == {"dunet", *later}


def test_a_later_one_is_compared_and_cannot_be_chosen(search, plan):
    scores = {"dunet-scope-1": 0.99}
    good = search.sum_up(rows(search, plan, {}, scores), plan)["good_without"]
    summary = search.sum_up(rows(search, plan, good, scores), plan)
    assert summary["ahead_of_default"]["dunet-scope-1"]["verdict"] == "better"
    assert summary["ahead_of_default"]["dunet-scope-1"]["tests"] == 8
    assert {chosen["variant"] for chosen in summary["chosen_without"].values()} == {"dunet"}
    assert summary["chosen_by_all_and_tested_on_none"] == "dunet"


def test_the_weighted_cross_entropy_is_compared_with_the_unweighted_where_both_were_trained(search, plan):
    scores = {"dunet-weighted-cross-entropy": 0.79, "dunet-cross-entropy": 0.78}
    good = search.sum_up(rows(search, plan, {}, scores), plan)["good_without"]
    summary = search.sum_up(rows(search, plan, good, scores), plan)
    (compared,) = summary["ahead_of_unweighted"].values()
    assert compared["mean"] == pytest.approx(0.01)
    assert compared["tests"] == 8
    assert summary["ahead_of_default"]["dunet-cross-entropy"]["tests"] == 12
    assert summary["chosen_by_all_and_tested_on_none"] == "dunet"


def test_the_unweighted_one_can_be_chosen_as_any_variant_of_the_first_round(search, plan):
    scores = {"dunet-cross-entropy": 0.99, "dunet-weighted-cross-entropy": 0.99}
    good = search.sum_up(rows(search, plan, {}, scores), plan)["good_without"]
    summary = search.sum_up(rows(search, plan, good, scores), plan)
    assert summary["chosen_by_all_and_tested_on_none"] == "dunet-cross-entropy"


def test_another_is_chosen_where_it_is_ahead_by_more_than_chance(search, plan):
    scores = {"dunet-width-16": 0.99}
    good = search.sum_up(rows(search, plan, {}, scores), plan)["good_without"]
    summary = search.sum_up(rows(search, plan, good, scores), plan)
    assert summary["chosen_by_all_and_tested_on_none"] == "dunet-width-16"
    assert {chosen["variant"] for chosen in summary["chosen_without"].values()} == {"dunet-width-16"}
