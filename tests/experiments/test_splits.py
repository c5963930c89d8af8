"""Which fields are trained and tested on."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drepano.errors import DrepanoError
from drepano.experiments.splits import (
    FieldInfo,
    Split,
    cross_validation,
    describe_cells_on_both_sides,
    learning_curve,
)

CLASSES = ("background", "cell")


def fields(count, patients=None, pixels=(100, 10)):
    return [
        FieldInfo(f"f{number:03}", None if patients is None else f"P{number % patients}", pixels)
        for number in range(count)
    ]


def folds(count, folds=5, group="field", patients=None, seed=0):
    return cross_validation(fields(count, patients), folds, group, CLASSES, seed)


class TestAtRandom:
    def test_the_papers_314_fields_give_its_folds(self):
        assert [len(split.test) for split in folds(314).splits] == [63, 63, 63, 63, 62]

    @given(st.integers(2, 40), st.integers(2, 8), st.integers(0, 3))
    @settings(max_examples=40, deadline=None)
    def test_every_field_is_tested_on_once_and_never_trained_on_then(self, count, wanted, seed):
        splits = folds(count, wanted, seed=seed).splits
        assert sorted(id_ for split in splits for id_ in split.test) == [f.id for f in fields(count)]
        for split in splits:
            assert not set(split.training) & set(split.test)
            assert len(split.training) + len(split.test) == count
        sizes = [len(split.test) for split in splits]
        assert max(sizes) - min(sizes) <= 1

    def test_the_same_seed_gives_the_same_folds_and_another_one_others(self):
        assert folds(30) == folds(30)
        assert folds(30) != folds(30, seed=1)

    def test_too_few_fields_give_fewer_folds_and_a_note(self):
        result = folds(3)
        assert len(result.splits) == 3
        told, of_patients = result.notes
        assert told == "3 folds instead of 5: there are not more fields."
        assert "may be on both sides" in of_patients

    def test_a_note_says_that_patients_are_on_both_sides(self):
        assert "a patient's cells are on both sides" in folds(10, patients=2).notes[0]

    def test_a_note_says_that_patients_may_be_on_both_sides_where_none_is_known(self):
        assert "a patient's cells, even the same place, may be on both sides" in folds(10).notes[0]

    def test_where_every_field_has_a_patient_of_its_own_none_is_on_both_sides(self):
        assert not any("both sides" in note for note in folds(6, patients=6).notes)

    def test_a_patient_who_is_not_known_may_be_on_both_sides(self):
        infos = [*fields(3, patients=3), FieldInfo("unknown", None, (1, 1))]
        notes = cross_validation(infos, 2, "field", ("background", "cell"), 0).notes
        assert "may be on both sides" in notes[0]

    @pytest.mark.parametrize(("count", "wanted"), [(1, 5), (0, 2), (10, 1)])
    def test_what_cannot_be_split_is_refused(self, count, wanted):
        with pytest.raises(DrepanoError, match="at least 2"):
            folds(count, wanted)


class TestByPatient:
    @given(st.integers(2, 9), st.integers(2, 5))
    @settings(max_examples=30, deadline=None)
    def test_no_patient_is_on_both_sides(self, patients, wanted):
        infos = {f.id: f for f in fields(40, patients)}
        for split in folds(40, wanted, "patient", patients).splits:
            sides = [{infos[id_].patient for id_ in side} for side in (split.training, split.test)]
            assert not sides[0] & sides[1]
            assert split.test

    def test_fewer_patients_than_folds_give_a_fold_each_and_a_note(self):
        result = folds(40, 5, "patient", patients=4)
        assert len(result.splits) == 4
        assert result.notes == ("4 folds instead of 5: there are not more patients.",)

    def test_one_patient_only_is_split_at_random_and_a_note_says_what_that_means(self):
        result = folds(10, 5, "patient", patients=1)
        assert len(result.splits) == 5
        assert result.group == "field"
        assert "Only one patient" in result.notes[0]
        assert "says nothing about new patients" in result.notes[1]

    def test_fields_without_a_patient_are_refused(self):
        with pytest.raises(DrepanoError, match="field f000: its patient is not known"):
            folds(10, 5, "patient")


@pytest.mark.parametrize(
    "split",
    [
        lambda f, g: cross_validation(f, 2, g, CLASSES, 0),
        lambda f, g: learning_curve(f, [1], 1, g, CLASSES, 0),
    ],
)
def test_nothing_is_kept_together_by_an_unknown_name(split):
    """Or "patients" would split at random over fields, and say that patients are held out."""
    with pytest.raises(DrepanoError, match="group 'patients' is unknown; use field or patient"):
        split(fields(10, patients=5), "patients")


def test_a_split_with_one_training_field_has_none_to_watch_and_a_note_says_so():
    assert any("One training field only in fold-1, fold-2" in note for note in folds(2, 2).notes)
    assert not any("One training field" in note for note in folds(4, 2).notes)
    curve = learning_curve(fields(9), [1, 4], 3, "field", CLASSES, 0)
    assert any("One training field only in fields-1:" in note for note in curve.notes)


def test_a_class_that_a_side_lacks_is_noted():
    infos = [FieldInfo(f"f{i}", None, (100, 10 if i == 0 else 0)) for i in range(4)]
    _, *notes = cross_validation(infos, 2, "field", CLASSES, 0).notes
    assert sorted(note.split(": ")[1] for note in notes) == [
        "no test field has class cell; maps that have it there get a Dice, Jaccard and surface Dice of "
        "0 for it; all else about it is left out of that fold.",
        "no training field has class cell; no method can learn it there.",
    ]


def test_of_a_learning_curve_a_class_that_the_test_fields_lack_is_noted_once_a_fold():
    infos = [FieldInfo(f"{name}{i}", name, (1, int(name == "P"))) for name in "PQ" for i in range(20)]
    notes = learning_curve(infos, [5, 10], 5, "patient", CLASSES, 0).notes
    assert sum("no test field has class cell" in note for note in notes) == 1
    assert sum("no training field has class cell" in note for note in notes) == 2


class TestLearningCurve:
    def test_larger_sets_hold_the_smaller_ones_and_the_test_fields_stay(self):
        splits = learning_curve(fields(100), [40, 10, 20], 30, "field", CLASSES, 0).splits
        assert [split.name for split in splits] == ["fields-10", "fields-20", "fields-40"]
        for small, large in pairwise(splits):
            assert set(small.training) < set(large.training)
            assert small.test == large.test
        assert not set(splits[-1].training) & set(splits[-1].test)

    def test_sizes_that_are_too_large_are_left_out_and_noted(self):
        result = learning_curve(fields(50), [10, 250], 30, "field", CLASSES, 0)
        assert [split.name for split in result.splits] == ["fields-10"]
        told, of_patients = result.notes
        assert told == "Sizes 250 left out: only 20 fields are there to train on."
        assert "may be on both sides" in of_patients

    @pytest.mark.parametrize("group", ["field", "patient"])
    def test_without_fields_it_is_refused(self, group):
        with pytest.raises(DrepanoError, match="0 of the fields labelled: a learning curve needs at least 2"):
            learning_curve([], [10], 5, group, CLASSES, 0)

    def test_numbers_that_cannot_be_are_named(self):
        with pytest.raises(DrepanoError, match="5 test fields and 10, 0 training fields"):
            learning_curve(fields(50), [10, 0], 5, "field", CLASSES, 0)

    def test_without_a_size_that_fits_it_is_refused(self):
        with pytest.raises(DrepanoError, match="50 fields leave 20"):
            learning_curve(fields(50), [40], 30, "field", CLASSES, 0)

    def test_of_patients_held_out_every_fold_has_a_curve_and_no_patient_is_on_both_sides(self):
        infos = [FieldInfo(f"{name}{i}", name, (1, 1)) for name in "PQR" for i in range(20)]
        result = learning_curve(infos, [10, 40, 50], 5, "patient", CLASSES, 0)
        assert [split.name for split in result.splits] == [
            f"fold-{fold}-fields-{size}" for fold in (1, 2, 3) for size in (10, 40)
        ]
        assert result.group == "patient"
        assert result.notes == ("Sizes 50 left out: only 40 fields are there to train on.",)
        for small, large in zip(result.splits[::2], result.splits[1::2], strict=True):
            assert small.test == large.test
            assert len(small.test) == 5
            assert small.fold == large.fold
            assert set(small.training) < set(large.training)
            assert not {id_[0] for id_ in large.training} & {id_[0] for id_ in large.test}

    def test_of_one_patient_only_fields_are_split_and_the_notes_say_so(self):
        infos = [FieldInfo(f"P{i}", "P", (1, 1)) for i in range(20)]
        result = learning_curve(infos, [10], 5, "patient", CLASSES, 0)
        assert result.group == "field"
        assert [split.name for split in result.splits] == ["fields-10"]
        assert [note.split(":")[0] for note in result.notes] == [
            "Only one patient",
            "Split at random over fields",
        ]


class TestCellsOnBothSides:
    SPLITS = (Split("fold-1", ("a", "b"), ("c", "d")), Split("fold-2", ("c", "d"), ("a", "b")))

    def test_nothing_is_said_of_pairs_that_no_split_parts(self):
        assert describe_cells_on_both_sides({("a", "b"): 0.5, ("c", "d"): 1.0}, self.SPLITS) == []
        assert describe_cells_on_both_sides({}, self.SPLITS) == []

    @pytest.mark.parametrize("pair", [("a", "c"), ("c", "a")])
    def test_pairs_that_a_split_parts_are_named_in_either_order(self, pair):
        (line,) = describe_cells_on_both_sides({pair: 0.24, ("a", "b"): 0.5}, self.SPLITS)
        assert f"(pairs: 1; {pair[0]} and {pair[1]} 24%)" in line

    def test_those_with_the_most_in_common_come_first(self):
        overlaps = {("a", "c"): 0.1, ("a", "d"): 0.4, ("b", "c"): 0.2, ("b", "d"): 0.3}
        (line,) = describe_cells_on_both_sides(overlaps, self.SPLITS)
        assert "(pairs: 4; a and d 40%, b and d 30%, b and c 20%, ...)" in line
