"""Differences of class shares: between groups of fields, and between groups of patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.cells.corrections import CorrectedShares, Correction, corrected_difference_intervals
from drepano.cells.groups import counts_by_place, groups_of
from drepano.cells.shares import (
    NORMAL,
    UNKNOWN,
    DrawnShare,
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
    "first_share",
    "second_share",
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
        ``class``, ``first_share`` and ``second_share`` (of patients the mean of their shares; NaN without
        cells), ``difference`` (the second less the first: of times the later less the earlier), ``low`` and
        ``high`` (95 %, see `difference_interval` and `patients_interval`), ``more_than_chance`` (missing
        where there is no interval); with `confusion` also ``corrected difference``, ``corrected low`` and
        ``corrected high``: where the other classes differ
        between the groups, so do false calls, and make a difference or hide one.
    """
    names = taxonomy.cell_classes
    fields = fields.reset_index(drop=True)
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
    these pairs are two or more and at least half of the smaller side."""
    both = first.who.intersection(second.who)
    paired = len(both) > 1 and 2 * len(both) >= min(len(first.who), len(second.who))
    chosen = [side.who.get_indexer(both) if paired else np.arange(len(side.who)) for side in (first, second)]
    counts = {"first_count": len(chosen[0]), "second_count": len(chosen[1])}
    one, other = first.shares[chosen[0]], second.shares[chosen[1]]
    for place in range(one.shape[1]):
        interval = patients_interval(other[:, place], one[:, place], paired)
        row = {"over": "patients", **counts, **_means(one, other, place), **_verdict(interval)}
        if first.corrected is not None and second.corrected is not None:
            corrected = first.corrected[chosen[0]], second.corrected[chosen[1]]
            value = _means(*corrected, place)["difference"]
            plain = patients_interval(corrected[1][:, place], corrected[0][:, place], paired)
            ends = UNKNOWN
            if plain.is_known and first.drawn is not None and second.drawn is not None:
                drawn = first.drawn[chosen[0], :, place], second.drawn[chosen[1], :, place]
                # What the uncertain confusion, the same for all patients, adds.
                more = NORMAL * np.std(drawn[0].mean(axis=0) - drawn[1].mean(axis=0))
                below, above = np.hypot([value - plain.low, plain.high - value], more).tolist()
                ends = Interval(value - below, value + above).of_shares()
            row |= dict(zip(_CORRECTED, (value, ends.low, ends.high), strict=True))
        yield row


def _means(first: NDArray[np.float64], second: NDArray[np.float64], place: int) -> dict[str, float]:
    if not (len(first) and len(second)):
        return _difference(np.nan, np.nan)
    return _difference(float(first[:, place].mean()), float(second[:, place].mean()))


def _difference(first: float, second: float) -> dict[str, float]:
    return {"first_share": first, "second_share": second, "difference": second - first}


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
    """One group of fields with cells.

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
        self.counts = counts[counts.sum(axis=1) > 0]
        self._seed = seed
        self._correction = correction

    @cached_property
    def drawn(self) -> list[DrawnShare | None]:
        """The share of every class."""
        counts = self.counts.to_numpy()
        return [draw_share(hits, counts.sum(axis=1), self._seed) for hits in counts.T]

    @cached_property
    def drawn_corrected(self) -> CorrectedShares | None:
        """None without a correction, too."""
        if self._correction is None:
            return None
        return self._correction.draw(self.counts.to_numpy(), self._seed, self.patient)


def _compare_fields(
    first: _Fields, second: _Fields, correction: Correction | None
) -> Iterator[dict[str, Any]]:
    """A row a class. Places that are on both sides are compared with themselves, and others left out, where
    these pairs are at least three, since two differences say less than the places, and half of the smaller
    side."""
    counts = first.counts, second.counts
    both = counts[0].index.intersection(counts[1].index)
    paired = first.patient == second.patient and len(both) >= max(3, min(map(len, counts)) / 2)
    if paired:
        one, other = (side.loc[both].to_numpy() for side in counts)
        intervals = paired_difference_intervals(other, one)
    else:
        one, other = (side.to_numpy() for side in counts)
        intervals = [*map(difference_interval, second.drawn, first.drawn)]
    totals = np.array([one.sum(axis=0), other.sum(axis=0)])
    shares = _shares(totals).T.tolist()
    corrected: list[dict[str, float]] = [{} for _ in intervals]
    if correction is not None:
        ends = (
            correction.paired_intervals(other, one, first.patient)
            if paired
            else corrected_difference_intervals(second.drawn_corrected, first.drawn_corrected, len(intervals))
        )
        values = np.diff(correction.shares(totals), axis=0)[0]
        corrected = [
            dict(zip(_CORRECTED, (value, interval.low, interval.high), strict=True))
            for value, interval in zip(values.tolist(), ends, strict=True)
        ]
    for pair, interval, corrections in zip(shares, intervals, corrected, strict=True):
        yield {
            "over": "places" if paired else "fields",
            "first_count": len(one),
            "second_count": len(other),
            **_difference(*pair),
            **_verdict(interval),
            **corrections,
        }


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
