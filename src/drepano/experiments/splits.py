"""Which fields are trained on and which are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError, some_of

GROUPS = ("field", "patient")
"""What may be kept together in a split."""

_FEWEST_FIELDS = 2
_SIZE = "fields-"
"""Before the number of training fields in the name of a split of a learning curve: "fold-2-fields-40"."""
_FOLDS_OF_CURVE = 5


@dataclass(frozen=True)
class FieldInfo:
    """What a split needs to know of a field.

    Parameters
    ----------
    id : str
    patient : str or None
    pixels : tuple of int
        Pixels of each class.
    """

    id: str
    patient: str | None
    pixels: tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Ids of the fields of one training; no field is in both."""

    name: str
    training: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def fold(self) -> str:
        """Its fold: of a learning curve of patients held out the splits of all sizes have one in common."""
        return fold_of(self.name)


def fold_of(split: str) -> str:
    """The fold of a split by its name; "" of a learning curve at random over fields, which has but one."""
    return split.partition(_SIZE)[0].removesuffix("-")


def training_size(split: str) -> int:
    """Training fields of a split of a learning curve, by its name."""
    return int(split.rpartition(_SIZE)[2])


@dataclass(frozen=True)
class Splits:
    """All splits of an experiment, what they keep together, and in words what is special about them."""

    splits: tuple[Split, ...]
    group: str
    notes: tuple[str, ...]


def cross_validation(
    fields: Sequence[FieldInfo], folds: int, group: str, classes: Sequence[str], seed: int
) -> Splits:
    """Every field is tested on in exactly one fold.

    Parameters
    ----------
    fields : sequence of FieldInfo
    folds : int
        Fewer where there are not so many fields or patients; a note says so.
    group : {"field", "patient"}
        The paper's folds, at random over fields (its 314 give 63, 63, 63, 63 and 62), or whole patients
        held out, so that no patient is on both sides.
    classes : sequence of str
        Names of the classes, to say which are missing where.
    seed : int

    Returns
    -------
    Splits

    Raises
    ------
    DrepanoError
        If there are fewer than two fields, fewer than two folds, or fields without a patient to hold out, or
        the group is unknown.
    """
    _check_count(fields, "cross-validation")
    if folds < 2:
        raise DrepanoError(f"folds={folds}: cross-validation needs at least 2")
    rng = np.random.default_rng(seed)
    group, notes = _group_that_fits(fields, group)
    tests = (_by_patient if group == "patient" else _at_random)(fields, folds, rng)
    if len(tests) < folds:
        notes.append(f"{len(tests)} folds instead of {folds}: there are not more {group}s.")
    splits = []
    for number, test in enumerate(tests, start=1):
        inside = set(test)
        training = tuple(field.id for field in fields if field.id not in inside)
        splits.append(Split(f"fold-{number}", training, tuple(test)))
    if group == "field":
        notes += _patients_on_both_sides(fields, splits)
    notes += [*_nothing_to_watch(splits), *_missing_classes(fields, splits, classes)]
    return Splits(tuple(splits), group, tuple(notes))


def learning_curve(
    fields: Sequence[FieldInfo],
    sizes: Sequence[int],
    test: int,
    group: str,
    classes: Sequence[str],
    seed: int,
) -> Splits:
    """Training sets of growing size, each inside the next, with the same test fields (the paper's Fig. 7).

    Parameters
    ----------
    fields : sequence of FieldInfo
    sizes : sequence of int
        Numbers of training fields; those for which there are too few fields are left out, and a note says so.
    test : int
        Test fields; with whole patients held out at most so many of each fold.
    group : {"field", "patient"}
        At random over fields, as in the paper, or a curve for each of up to five folds of whole patients
        (of one patient only over fields; a note says so).
    classes : sequence of str
    seed : int

    Returns
    -------
    Splits

    Raises
    ------
    DrepanoError
        If there are fewer than two fields, no size is left, a number is not positive, there are fields
        without a patient to hold out, or the group is unknown.
    """
    if test < 1 or not sizes or min(sizes) < 1:
        raise DrepanoError(
            f"learning curve with {test} test fields and {', '.join(map(str, sizes)) or 'no'} training "
            "fields: give at least 1 of each"
        )
    _check_count(fields, "a learning curve")
    rng = np.random.default_rng(seed)
    group, notes = _group_that_fits(fields, group)
    if group == "patient":
        parts = _by_patient(fields, _FOLDS_OF_CURVE, rng)
        prefixes = [f"fold-{number}-" for number in range(1, len(parts) + 1)]
        tests = [_shuffled(part, rng)[:test] for part in parts]
        rests = [_shuffled([f.id for f in fields if f.id not in part], rng) for part in map(set, parts)]
    else:
        order = _shuffled([field.id for field in fields], rng)
        prefixes, tests, rests = [""], [order[:test]], [order[test:]]
    most = min(map(len, rests))
    fitting = sorted({size for size in sizes if size <= most})
    if not fitting:
        raise DrepanoError(
            f"learning curve: {len(fields)} fields leave {most} to train on beside {len(tests[0])} to test "
            "on; give smaller --sizes or fewer --test fields"
        )
    left_out = sorted(set(sizes) - set(fitting))
    if left_out:
        notes.append(
            f"Sizes {', '.join(map(str, left_out))} left out: only {most} fields are there to train on."
        )
    splits = tuple(
        Split(f"{prefix}{_SIZE}{size}", tuple(rest[:size]), tuple(tested))
        for prefix, tested, rest in zip(prefixes, tests, rests, strict=True)
        for size in fitting
    )
    if group == "field":
        notes += _patients_on_both_sides(fields, splits)
    notes += [*_nothing_to_watch(splits), *_missing_classes(fields, splits, classes)]
    return Splits(splits, group, tuple(notes))


def _shuffled(ids: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [ids[i] for i in rng.permutation(len(ids))]


def describe_cells_on_both_sides(
    overlaps: Mapping[tuple[str, str], float], splits: Sequence[Split]
) -> list[str]:
    """What it means that fields which show the same place are parted by a split.

    Parameters
    ----------
    overlaps : mapping of (str, str) to float
        Pairs of fields that show the same place, by their ids: which share of the smaller one both show.
    splits : sequence of Split

    Returns
    -------
    list of str
        One line, or none.
    """
    sides = [(set(split.training), set(split.test)) for split in splits]
    apart = [
        pair
        for pair in overlaps
        if any(
            one in training and other in test for training, test in sides for one, other in (pair, pair[::-1])
        )
    ]
    if not apart:
        return []
    apart.sort(key=lambda pair: -overlaps[pair])
    named = [f"{one} and {other} {overlaps[one, other]:.0%}" for one, other in apart]
    return [
        f"Fields that show the same place in part are parted by a split (pairs: {len(apart)}; "
        f"{some_of(named)}): methods are tested there on cells that they learned from. Remove one field of "
        "each pair, cut off what both show, or hold whole patients out."
    ]


def _check_count(fields: Sequence[FieldInfo], purpose: str) -> None:
    if len(fields) < _FEWEST_FIELDS:
        raise DrepanoError(f"{len(fields)} of the fields labelled: {purpose} needs at least {_FEWEST_FIELDS}")


def check_group(group: str) -> None:
    """Raises DrepanoError if nothing of this name can be kept together."""
    if group not in GROUPS:
        raise DrepanoError(f"group {group!r} is unknown; use {' or '.join(GROUPS)}")


def _group_that_fits(fields: Sequence[FieldInfo], group: str) -> tuple[str, list[str]]:
    """Fields where there is one patient only, and a note that says so."""
    check_group(group)
    if group == "patient" and len(_fields_of_patients(fields)) == 1:
        return "field", ["Only one patient: fields are split at random instead."]
    return group, []


def _patients_on_both_sides(fields: Sequence[FieldInfo], splits: Sequence[Split]) -> list[str]:
    patients = {field.id: field.patient for field in fields}
    sides = [
        [{patients[field] for field in side} for side in (split.training, split.test)] for split in splits
    ]
    if any((training & test) - {None} for training, test in sides):
        return [
            "Split at random over fields: a patient's cells are on both sides, and this says nothing about "
            "new patients."
        ]
    if None in patients.values():
        return [
            "Split at random over fields whose patients are not known: a patient's cells, even the same "
            "place, may be on both sides, and this says nothing about new patients."
        ]
    return []


def _at_random(fields: Sequence[FieldInfo], folds: int, rng: np.random.Generator) -> list[list[str]]:
    order = _shuffled([field.id for field in fields], rng)
    return [list(part) for part in np.array_split(np.array(order), min(folds, len(order)))]


def _by_patient(fields: Sequence[FieldInfo], folds: int, rng: np.random.Generator) -> list[list[str]]:
    """Patients with the most fields first, each to the fold that has the fewest."""
    by_patient = _fields_of_patients(fields)
    order = [list(by_patient)[i] for i in rng.permutation(len(by_patient))]
    order.sort(key=lambda patient: -len(by_patient[patient]))
    tests: list[list[str]] = [[] for _ in range(min(folds, len(order)))]
    for patient in order:
        min(tests, key=len).extend(by_patient[patient])
    return tests


def _fields_of_patients(fields: Sequence[FieldInfo]) -> dict[str, list[str]]:
    unknown = [field.id for field in fields if field.patient is None]
    if unknown:
        raise DrepanoError(
            f"field {unknown[0]}: its patient is not known (and {len(unknown) - 1} more); name the patients "
            "in dataset.toml, or split over fields with --group field"
        )
    by_patient: dict[str, list[str]] = {}
    for field in fields:
        by_patient.setdefault(str(field.patient), []).append(field.id)
    return by_patient


def _nothing_to_watch(splits: Sequence[Split]) -> list[str]:
    alone = [split.name for split in splits if len(split.training) == 1]
    if not alone:
        return []
    return [
        f"One training field only in {', '.join(alone)}: none is held out there to watch networks learn, so "
        "there is no validation curve."
    ]


def _missing_classes(
    fields: Sequence[FieldInfo], splits: Sequence[Split], classes: Sequence[str]
) -> list[str]:
    pixels = {field.id: np.array(field.pixels) for field in fields}
    everywhere = sum(pixels.values(), np.zeros(len(classes), np.int64))
    notes = [
        f"No field has class {name}." for name, count in zip(classes, everywhere, strict=True) if count == 0
    ]
    consequences = {
        "training": "no method can learn it there",
        "test": "maps that have it there get a Dice, Jaccard and surface Dice of 0 for it; all else about it "
        "is left out of that fold",
    }
    folds: set[str] = set()
    for split in splits:
        sides = {"training": (split.name, split.training)}
        if split.fold not in folds:
            sides["test"] = (split.fold or "every size", split.test)
        folds.add(split.fold)
        for side, (where, ids) in sides.items():
            there: NDArray[np.int64] = sum((pixels[id_] for id_ in ids), np.zeros(len(classes), np.int64))
            for name, count, total in zip(classes, there, everywhere, strict=True):
                if count == 0 < total:
                    notes.append(f"{where}: no {side} field has class {name}; {consequences[side]}.")
    return notes
