"""Is one method better than another by more than chance: paired differences with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_REPETITIONS = 10_000
_LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """How much larger a figure is for the first of two methods, on the same fields.

    Parameters
    ----------
    mean : float
    low, high : float
        95 % interval; NaN where there are fewer than two units.
    fields : int
        Fields on which both methods have the figure.
    units : int
        What was drawn in the bootstrap: patients, or fields.
    unit : str
        "patients" or "fields".
    """

    mean: float
    low: float
    high: float
    fields: int
    units: int
    unit: str

    @property
    def more_than_chance(self) -> bool:
        return self.low > 0 or self.high < 0


def paired_difference(
    first: Mapping[str, NDArray[np.float64]],
    second: Mapping[str, NDArray[np.float64]],
    patients: Mapping[str, str | None],
    seed: int = 0,
) -> Difference:
    """Mean over fields of ``first - second`` with a bootstrap over patients, or fields without any.

    In every repetition units are drawn with replacement, and of each method, apart from the other, seeds of
    training: the interval has both the chance in the fields and that in the initialisation.

    Parameters
    ----------
    first, second : mappings of field id to (seeds,) float64 array
        The figure of every field for every seed; NaN where it is not defined. Fields in which either has no
        figure in any seed are left out.
    patients : mapping of field id to patient
    seed : int
        Of the bootstrap.

    Returns
    -------
    Difference

    Raises
    ------
    ValueError
        If no field is left.
    """
    both = [
        field
        for field in first
        if field in second and not (np.isnan(first[field]).all() or np.isnan(second[field]).all())
    ]
    if not both:
        raise ValueError("the two methods have no field in common on which the figure is defined")
    by_patient = all(patients.get(field) is not None for field in both)
    unit_of = [str(patients[field]) if by_patient else field for field in both]
    units, members = np.unique(unit_of, return_inverse=True)
    tables = [np.stack([side[field] for field in both]) for side in (first, second)]
    rng = np.random.default_rng(seed)
    mean = float(np.mean(np.nanmean(tables[0], axis=1) - np.nanmean(tables[1], axis=1)))
    low = high = float("nan")
    if len(units) > 1:
        draws = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), _REPETITIONS)
        weights = draws[:, members]
        sides = [_mean_over_fields(table, weights, rng) for table in tables]
        low, high = np.nanquantile(sides[0] - sides[1], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]).tolist()
    return Difference(mean, low, high, len(both), len(units), "patients" if by_patient else "fields")


def _mean_over_fields(
    table: NDArray[np.float64], weights: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weighted mean over fields (repetitions,) of a mean over seeds drawn with replacement."""
    seeds = table.shape[1]
    draws = rng.multinomial(seeds, np.full(seeds, 1 / seeds), len(weights)).astype(float)
    there = ~np.isnan(table)
    sums = draws @ np.where(there, table, 0).T
    counts = draws @ there.T.astype(float)
    values = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    used = weights * (counts > 0)
    totals = used.sum(axis=1)
    means: NDArray[np.float64] = np.divide(
        (values * used).sum(axis=1), totals, out=np.full(len(weights), np.nan), where=totals > 0
    )
    return means


def in_words(first: str, second: str, figure: str, difference: Difference, larger_is_better: bool) -> str:
    """One sentence that says whether the difference is more than chance."""
    size = (
        f"{difference.mean:+.4f} (95 % interval {difference.low:+.4f} to {difference.high:+.4f}, "
        f"{difference.fields} fields, bootstrap over {difference.units} {difference.unit})"
    )
    if difference.units < 2:
        return (
            f"{first} and {second} differ in {figure} by {difference.mean:+.4f}; one unit tells no interval."
        )
    if not difference.more_than_chance:
        return f"{first} and {second} cannot be told apart in {figure}: {size}."
    better = (difference.mean > 0) == larger_is_better
    return (
        f"{first} is {'better' if better else 'worse'} than {second} in {figure} by more than chance: {size}."
    )
