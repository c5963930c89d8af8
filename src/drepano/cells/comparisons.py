"""Differences of class shares: between groups of fields, and between groups of patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def compare_groups(fields: pd.DataFrame, keys: Sequence[str], taxonomy: Taxonomy) -> pd.DataFrame:
    """Differences of class shares between groups that differ in one key only.

    Parameters
    ----------
    fields, keys, taxonomy
        As in `summarise_groups`; the first key is the patient.

    Returns
    -------
    pandas.DataFrame
        A row a pair of groups and class of cells: ``differ_in``, ``first``, ``second``, ``same`` (the keys
        that agree), ``over`` ("patients" where all patients with one value of another key are compared with
        all with another value, else "fields"), ``first_count`` and ``second_count`` (of these, with cells),
        ``class``, ``difference`` (share in the first less that in the second, of patients the mean of their
        shares; NaN without cells), ``low`` and ``high`` (95 %, see `difference_interval` and
        `patients_interval`), ``more_than_chance`` (missing where there is no interval).
    """
    rows = [*_over_patients(fields, keys, taxonomy), *_over_fields(fields, keys, taxonomy)]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"more_than_chance": "boolean"})


def _over_patients(fields: pd.DataFrame, keys: Sequence[str], taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    """Pairs of values of each key but the first, with the patients who have them, other keys being equal."""
    patient, *others = keys
    for key in others:
        same_keys = [other for other in others if other != key]
        for same, members in groups_of(fields, same_keys) if same_keys else [((), fields)]:
            sides = [(value, side) for (value,), side in groups_of(members, [key])]
            for (first, first_side), (second, second_side) in combinations(sides, 2):
                if min(first_side[patient].nunique(), second_side[patient].nunique()) < 2:
                    continue
                for name in taxonomy.cell_classes:
                    shares = [_shares_of_patients(side, patient, name) for side in (first_side, second_side)]
                    yield {
                        "differ_in": key,
                        "first": str(first),
                        "second": str(second),
                        "same": _named(same_keys, same),
                        "class": name,
                        **_compare_patients(*shares),
                    }


def _compare_patients(first: dict[str, float], second: dict[str, float]) -> dict[str, Any]:
    """Patients with themselves where some are on both sides, and the others left out then."""
    both = sorted(first.keys() & second.keys())
    one, other = (
        np.array([side[patient] for patient in both or side], dtype=float) for side in (first, second)
    )
    interval = patients_interval(one, other, paired=bool(both))
    return {
        "over": "patients",
        "first_count": len(one),
        "second_count": len(other),
        "difference": one.mean() - other.mean() if len(one) and len(other) else np.nan,
        **_verdict(interval),
    }


def _over_fields(fields: pd.DataFrame, keys: Sequence[str], taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    groups = groups_of(fields, keys)
    shares = [
        {name: draw_share(*_hits(members, name), seed=number) for name in taxonomy.cell_classes}
        for number, (_, members) in enumerate(groups)
    ]
    for first, second in combinations(range(len(groups)), 2):
        (values, members), (other_values, other_members) = groups[first], groups[second]
        different = [i for i in range(len(keys)) if values[i] != other_values[i]]
        if len(different) != 1:
            continue
        (key,) = different
        agreeing = [i for i in range(len(keys)) if i != key]
        counts = [int((side["cells"] > 0).sum()) for side in (members, other_members)]
        for name in taxonomy.cell_classes:
            interval = difference_interval(shares[first][name], shares[second][name])
            yield {
                "differ_in": keys[key],
                "first": str(values[key]),
                "second": str(other_values[key]),
                "same": _named([keys[i] for i in agreeing], [values[i] for i in agreeing]),
                "over": "fields",
                "first_count": counts[0],
                "second_count": counts[1],
                "class": name,
                "difference": _share(*_hits(members, name)) - _share(*_hits(other_members, name)),
                **_verdict(interval),
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


def _shares_of_patients(fields: pd.DataFrame, patient: str, name: str) -> dict[str, float]:
    """Share of a class in every patient who has cells."""
    counts = fields.groupby(patient)[[f"{name} cells", "cells"]].sum()
    counts = counts[counts["cells"] > 0]
    return dict(zip(counts.index, counts[f"{name} cells"] / counts["cells"], strict=True))


def _hits(fields: pd.DataFrame, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells of a class and all cells, field by field."""
    return fields[f"{name} cells"].to_numpy(np.int64), fields["cells"].to_numpy(np.int64)


def _share(hits: NDArray[np.int64], cells: NDArray[np.int64]) -> float:
    return float(hits.sum() / cells.sum()) if cells.sum() else float("nan")
