"""Differences of class shares: between groups of fields, and between groups of patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.cells.corrections import Correction, corrected_difference_intervals
from drepano.cells.groups import counts_by_place, groups_of
from drepano.cells.shares import (
    NORMAL,
    Interval,
    difference_interval,
    draw_share,
    paired_difference_intervals,
    patients_interval,
)
from drepano.taxonomy import Taxonomy

_COLUMNS = (
    "differ_in",
    "first",
    "second",
    "same",
    "over",
    "first_count",
    "second_count",
    "class",
    "difference",
    "low",
    "high",
    "more_than_chance",
)


_CORRECTED = ("corrected difference", "corrected low", "corrected high")


def compare_groups(
    fields: pd.DataFrame, keys: Sequence[str], taxonomy: Taxonomy, confusion: NDArray | None = None
) -> pd.DataFrame:
    """Differences of class shares between groups that differ in one key only.

    Parameters
    ----------
    fields, keys, taxonomy, confusion
        As in `summarise_groups`; the first key is the patient.

    Returns
    -------
    pandas.DataFrame
        A row a pair of groups and class of cells: ``differ_in``, ``first``, ``second``, ``same`` (the keys
        that agree), ``over`` ("patients" where all patients with one value of another key are compared with
        all with another value; "places" where a patient's places are compared with themselves; else
        "fields"), ``first_count`` and ``second_count`` (of these, with cells; layers and times of one place
        count once),
        ``class``, ``difference`` (share in the first less that in the second, of patients the mean of their
        shares; NaN without cells), ``low`` and ``high`` (95 %, see `difference_interval` and
        `patients_interval`), ``more_than_chance`` (missing where there is no interval); with `confusion` also
        ``corrected difference``, ``corrected low`` and ``corrected high``: where the other classes differ
        between the groups, so do false calls, and make a difference or hide one.
    """
    names = taxonomy.cell_classes
    correction = None if confusion is None else Correction(confusion)
    rows = [
        *_over_patients(fields, keys, names, correction),
        *_over_fields(fields, keys, names, correction),
    ]
    columns = _COLUMNS if confusion is None else (*_COLUMNS, *_CORRECTED)
    return pd.DataFrame(rows, columns=list(columns)).astype({"more_than_chance": "boolean"})


class _Patients:
    """The patients with cells on one side of a comparison.

    Parameters
    ----------
    fields : pandas.DataFrame
    patient : str
        Column that names them.
    names : sequence of str
        Classes of cells.
    correction : Correction or None
    """

    def __init__(
        self, fields: pd.DataFrame, patient: str, names: Sequence[str], correction: Correction | None
    ) -> None:
        counts = {
            who: counts_by_place(members, names).to_numpy().sum(axis=0)
            for who, members in fields.groupby(patient)
        }
        self.known = len(counts)
        counts = {who: of_classes for who, of_classes in counts.items() if of_classes.sum() > 0}
        self.who = pd.Index(list(counts))
        cells = np.array([*counts.values()]).reshape(-1, len(names))
        self.shares = _shares(cells)
        self.corrected = None if correction is None else correction.shares(cells)
        self.drawn = None if correction is None else correction.drawn_shares(cells)


def _over_patients(
    fields: pd.DataFrame, keys: Sequence[str], names: Sequence[str], correction: Correction | None
) -> Iterator[dict[str, Any]]:
    """Pairs of values of each key but the first, with the patients who have them, other keys being equal."""
    patient, *others = keys
    for key in others:
        same_keys = [other for other in others if other != key]
        for same, members in groups_of(fields, same_keys) if same_keys else [((), fields)]:
            sides = [
                (value, _Patients(side, patient, names, correction))
                for (value,), side in groups_of(members, [key])
            ]
            for (first, first_side), (second, second_side) in combinations(sides, 2):
                if min(first_side.known, second_side.known) < 2:
                    continue
                for name, row in zip(names, _compare_patients(first_side, second_side), strict=True):
                    yield {
                        "differ_in": key,
                        "first": str(first),
                        "second": str(second),
                        "same": _named(same_keys, same),
                        "class": name,
                        **row,
                    }


def _compare_patients(first: _Patients, second: _Patients) -> Iterator[dict[str, Any]]:
    """A row a class. Patients who are on both sides are compared with themselves, and others left out, where
    these pairs are at least half of the smaller side."""
    both = first.who.intersection(second.who)
    paired = len(both) > 0 and 2 * len(both) >= min(len(first.who), len(second.who))
    chosen = [side.who.get_indexer(both) if paired else np.arange(len(side.who)) for side in (first, second)]
    counts = {"first_count": len(chosen[0]), "second_count": len(chosen[1])}
    one, other = first.shares[chosen[0]], second.shares[chosen[1]]
    for place in range(one.shape[1]):
        interval = patients_interval(one[:, place], other[:, place], paired)
        row = {
            "over": "patients",
            **counts,
            "difference": _mean_difference(one, other, place),
            **_verdict(interval),
        }
        if first.corrected is not None and second.corrected is not None:
            corrected = first.corrected[chosen[0]], second.corrected[chosen[1]]
            value = _mean_difference(*corrected, place)
            plain = patients_interval(corrected[0][:, place], corrected[1][:, place], paired)
            low = high = np.nan
            if plain.is_known and first.drawn is not None and second.drawn is not None:
                drawn = first.drawn[chosen[0], :, place], second.drawn[chosen[1], :, place]
                # What the uncertain confusion, the same for all patients, adds.
                more = NORMAL * np.std(drawn[0].mean(axis=0) - drawn[1].mean(axis=0))
                low = max(-1.0, value - np.hypot(value - plain.low, more))
                high = min(1.0, value + np.hypot(plain.high - value, more))
            row |= dict(zip(_CORRECTED, (value, low, high), strict=True))
        yield row


def _mean_difference(first: NDArray[np.float64], second: NDArray[np.float64], place: int) -> float:
    return float(first[:, place].mean() - second[:, place].mean()) if len(first) and len(second) else np.nan


def _over_fields(
    fields: pd.DataFrame, keys: Sequence[str], names: Sequence[str], correction: Correction | None
) -> Iterator[dict[str, Any]]:
    found = groups_of(fields, keys)
    patients = list(dict.fromkeys(values[0] for values, _ in found))
    groups = [
        _Fields(values, counts_by_place(members, names), number, patients.index(values[0]), correction)
        for number, (values, members) in enumerate(found)
    ]
    for first, second in combinations(groups, 2):
        different = [i for i in range(len(keys)) if first.values[i] != second.values[i]]
        if len(different) != 1:
            continue
        (key,) = different
        agreeing = [i for i in range(len(keys)) if i != key]
        for name, row in zip(names, _compare_fields(first, second, correction), strict=True):
            yield {
                "differ_in": keys[key],
                "first": str(first.values[key]),
                "second": str(second.values[key]),
                "same": _named([keys[i] for i in agreeing], [first.values[i] for i in agreeing]),
                "class": name,
                **row,
            }


class _Fields:
    """One group of fields with cells: its shares, as counted and corrected, and both drawn anew.

    Parameters
    ----------
    values : tuple
        Of the keys.
    counts : pandas.DataFrame
        Of `counts_by_place`.
    seed : int
        Another for every group, else their fields are drawn alike.
    patient : int
        Number of the patient, whose cells are confused alike in all groups.
    correction : Correction or None
    """

    def __init__(
        self,
        values: tuple[Any, ...],
        counts: pd.DataFrame,
        seed: int,
        patient: int,
        correction: Correction | None,
    ) -> None:
        self.values = values
        self.patient = patient
        self._seed = seed
        self._correction = correction
        self._table = counts[counts.sum(axis=1) > 0]
        self.places = self._table.index
        self.counts = self._table.to_numpy()
        total = self.counts.sum(axis=0, keepdims=True)
        self.shares = _shares(total)[0]
        self.drawn_plain = [draw_share(hits, self.counts.sum(axis=1), seed) for hits in self.counts.T]
        self.corrected = None if correction is None else correction.shares(total)[0]
        self.drawn = None if correction is None else correction.draw(self.counts, seed, patient)

    def at(self, places: pd.Index) -> _Fields:
        """The same at some of its places, in their order."""
        return _Fields(self.values, self._table.loc[places], self._seed, self.patient, self._correction)


def _compare_fields(
    first: _Fields, second: _Fields, correction: Correction | None
) -> Iterator[dict[str, Any]]:
    """A row a class. Places that are on both sides are compared with themselves, and others left out, where
    these pairs are two or more and at least half of the smaller side."""
    both = first.places.intersection(second.places)
    paired = first.patient == second.patient and len(both) >= max(
        2, min(len(first.places), len(second.places)) / 2
    )
    if paired:
        first, second = first.at(both), second.at(both)
    intervals = [*map(difference_interval, first.drawn_plain, second.drawn_plain)]
    corrected = corrected_difference_intervals(first.drawn, second.drawn, len(intervals))
    if paired:
        counts = first.counts, second.counts
        intervals = _known(paired_difference_intervals(*counts), intervals)
        if correction is not None:
            corrected = _known(correction.paired_intervals(*counts, first.patient), corrected)
    for number, interval in enumerate(intervals):
        row = {
            "over": "places" if paired else "fields",
            "first_count": len(first.places),
            "second_count": len(second.places),
            "difference": first.shares[number] - second.shares[number],
            **_verdict(interval),
        }
        if first.corrected is not None and second.corrected is not None:
            value = first.corrected[number] - second.corrected[number]
            ends = corrected[number].low, corrected[number].high
            row |= dict(zip(_CORRECTED, (value, *ends), strict=True))
        yield row


def _known(intervals: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """The others where the first are not known."""
    return [one if one.is_known else other for one, other in zip(intervals, others, strict=True)]


def _named(keys: Sequence[str], values: Sequence[Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))


def _verdict(interval: Interval) -> dict[str, Any]:
    excludes_none = interval.low > 0 or interval.high < 0
    return {
        "low": interval.low,
        "high": interval.high,
        "more_than_chance": excludes_none if interval.is_known else None,
    }


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of every class in every row of counts (rows, classes); NaN without cells."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
