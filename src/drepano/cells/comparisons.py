"""Differences of class shares: between groups of fields, and between groups of patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.cells.corrections import (
    corrected_difference_intervals,
    corrected_patients_intervals,
    undo_confusion,
)
from drepano.cells.groups import groups_of
from drepano.cells.shares import Interval, difference_interval, draw_share, patients_interval
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
        all with another value, else "fields"), ``first_count`` and ``second_count`` (of these, with cells),
        ``class``, ``difference`` (share in the first less that in the second, of patients the mean of their
        shares; NaN without cells), ``low`` and ``high`` (95 %, see `difference_interval` and
        `patients_interval`), ``more_than_chance`` (missing where there is no interval); with `confusion` also
        ``corrected difference``, ``corrected low`` and ``corrected high``: where the other classes differ
        between the groups, so do false calls, and make a difference or hide one.
    """
    compare = _Comparison(taxonomy, confusion)
    rows = [*_over_patients(fields, keys, compare), *_over_fields(fields, keys, compare)]
    columns = _COLUMNS if confusion is None else (*_COLUMNS, *_CORRECTED)
    return pd.DataFrame(rows, columns=list(columns)).astype({"more_than_chance": "boolean"})


class _Comparison:
    """Two groups compared class by class, from cells of every class (fields or patients, classes)."""

    def __init__(self, taxonomy: Taxonomy, confusion: NDArray | None) -> None:
        self.names = taxonomy.cell_classes
        self.columns = [f"{name} cells" for name in self.names]
        self._confusion = confusion

    def of_fields(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        cells = first.sum(axis=1), second.sum(axis=1)
        intervals = [
            difference_interval(draw_share(hits, cells[0], seed=0), draw_share(others, cells[1], seed=1))
            for hits, others in zip(first.T, second.T, strict=True)
        ]
        corrected = None
        if self._confusion is not None:
            corrected = corrected_difference_intervals(first, second, self._confusion)
        shares = tuple(_shares(side.sum(axis=0)[None])[0] for side in (first, second))
        counts = tuple(int((side > 0).sum()) for side in cells)
        totals = (first.sum(axis=0)[None], second.sum(axis=0)[None])
        return self._rows("fields", counts, shares[0] - shares[1], intervals, totals, corrected)

    def of_patients(
        self, first: NDArray[np.int64], second: NDArray[np.int64], paired: bool
    ) -> Iterator[dict[str, Any]]:
        shares = _shares(first), _shares(second)
        intervals = [
            patients_interval(one, other, paired) for one, other in zip(shares[0].T, shares[1].T, strict=True)
        ]
        corrected = None
        if self._confusion is not None and len(first) and len(second):
            corrected = corrected_patients_intervals(first, second, self._confusion, paired)
        difference = (
            shares[0].mean(axis=0) - shares[1].mean(axis=0)
            if len(first) and len(second)
            else np.full(len(self.names), np.nan)
        )
        counts = len(first), len(second)
        return self._rows("patients", counts, difference, intervals, (first, second), corrected)

    def _rows(
        self,
        over: str,
        counts: tuple[int, ...],
        differences: NDArray[np.float64],
        intervals: Sequence[Interval],
        cells: tuple[NDArray[np.int64], NDArray[np.int64]],
        corrected: Sequence[Interval] | None,
    ) -> Iterator[dict[str, Any]]:
        undone = None
        if self._confusion is not None and corrected is not None:
            first, second = (
                np.mean([undo_confusion(row, self._confusion) for row in side], axis=0) for side in cells
            )
            undone = first - second
        for place, name in enumerate(self.names):
            row = {
                "over": over,
                "first_count": counts[0],
                "second_count": counts[1],
                "class": name,
                "difference": differences[place],
                **_verdict(intervals[place]),
            }
            if undone is not None and corrected is not None:
                ends = corrected[place].low, corrected[place].high
                row |= dict(zip(_CORRECTED, (undone[place], *ends), strict=True))
            yield row


def _over_patients(
    fields: pd.DataFrame, keys: Sequence[str], compare: _Comparison
) -> Iterator[dict[str, Any]]:
    """Pairs of values of each key but the first, with the patients who have them, other keys being equal.

    Patients who are on both sides are compared with themselves, and others left out, where these pairs are at
    least half of the smaller side.
    """
    patient, *others = keys
    for key in others:
        same_keys = [other for other in others if other != key]
        for same, members in groups_of(fields, same_keys) if same_keys else [((), fields)]:
            sides = [(value, side) for (value,), side in groups_of(members, [key])]
            for (first, first_side), (second, second_side) in combinations(sides, 2):
                if min(first_side[patient].nunique(), second_side[patient].nunique()) < 2:
                    continue
                one, other = (
                    side.groupby(patient)[compare.columns].sum() for side in (first_side, second_side)
                )
                one, other = (side[side.sum(axis=1) > 0] for side in (one, other))
                both = one.index.intersection(other.index)
                paired = len(both) > 0 and 2 * len(both) >= min(len(one), len(other))
                if paired:
                    one, other = one.loc[both], other.loc[both]
                for row in compare.of_patients(one.to_numpy(np.int64), other.to_numpy(np.int64), paired):
                    yield {
                        "differ_in": key,
                        "first": str(first),
                        "second": str(second),
                        "same": _named(same_keys, same),
                        **row,
                    }


def _over_fields(fields: pd.DataFrame, keys: Sequence[str], compare: _Comparison) -> Iterator[dict[str, Any]]:
    for (values, members), (other_values, other_members) in combinations(groups_of(fields, keys), 2):
        different = [i for i in range(len(keys)) if values[i] != other_values[i]]
        if len(different) != 1:
            continue
        (key,) = different
        agreeing = [i for i in range(len(keys)) if i != key]
        counts = (side[compare.columns].to_numpy(np.int64) for side in (members, other_members))
        for row in compare.of_fields(*counts):
            yield {
                "differ_in": keys[key],
                "first": str(values[key]),
                "second": str(other_values[key]),
                "same": _named([keys[i] for i in agreeing], [values[i] for i in agreeing]),
                **row,
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


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of every class in every row of counts (rows, classes); NaN without cells."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
