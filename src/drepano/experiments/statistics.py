"""Is one method better than another by more than chance: paired differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

_REPETITIONS, _SEED = 10_000, 0
"""Of the bootstrap."""
_LEVEL = 0.95
BETTER, WORSE = "better", "worse"
NOT_TOLD_APART, NO_INTERVAL = "not told apart", "no interval"


@dataclass(frozen=True)
class Difference:
    """How much larger a figure is for the first of two methods, on the same fields.

    Parameters
    ----------
    mean : float
    low, high : float
        95 % interval; NaN where there is a single unit, or a single training of each method.
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
    folds: Mapping[str, str],
) -> Difference:
    """Mean over fields of ``first - second`` with an interval that holds for few patients and few trainings.

    On either side the interval reaches as far as the farthest of four:

    1. a bootstrap that draws units (patients, or fields where patients are not known) and, of each method
       for itself, seeds;
    2. Student's over the means of units, because a bootstrap of few is too narrow;
    3. Student's over the means of folds, each of which has trainings of its own;
    4. Student's over the means of seeds, because what begins with one seed may be alike in all folds.

    The last two keep the luck of trainings from being taken for the method's. The third is left out with
    one fold, the fourth where both methods have one seed; without both there is no interval.

    Parameters
    ----------
    first, second : mappings of field id to (seeds,) float64 array
        The figure of every field for every seed; NaN where it is not defined. Fields in which either has no
        figure in any seed are left out.
    patients : mapping of field id to patient
        Of one patient only, fields are drawn: nothing is said of other patients then.
    folds : mapping of field id to fold
        In which it was a test field.

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
    whose = {patients.get(field) for field in both}
    by_patient = None not in whose and len({*patients.values()} - {None}) > 1
    units, unit_of = np.unique(
        [str(patients[field]) if by_patient else field for field in both], return_inverse=True
    )
    tables = [np.stack([side[field] for field in both]) for side in (first, second)]
    differences = np.nanmean(tables[0], axis=1) - np.nanmean(tables[1], axis=1)
    mean = float(differences.mean())
    fold_of = np.unique([folds[field] for field in both], return_inverse=True)[1]
    over_trainings = [
        _over_groups(differences, fold_of),
        _half_width(*(_means_of_seeds(table) for table in tables)),
    ]
    known = [half for half in over_trainings if np.isfinite(half)] or [float("inf")]
    half = max(_over_groups(differences, unit_of), *known)
    low = high = float("nan")
    if np.isfinite(half):
        ends = _bootstrap(tables, unit_of, np.random.default_rng(_SEED))
        low, high = min(ends[0], mean - half), max(ends[1], mean + half)
    return Difference(mean, low, high, len(both), len(units), "patients" if by_patient else "fields")


def _means_of_seeds(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of every seed over the fields that all seeds have; where there is none a single one, which leaves
    no degree of freedom."""
    complete = table[~np.isnan(table).any(axis=1)]
    means: NDArray[np.float64] = complete.mean(axis=0) if len(complete) else np.zeros(1)
    return means


def _over_groups(values: NDArray[np.float64], group_of: NDArray[np.intp]) -> float:
    """Half width for the mean of `values` by the means of groups, wider where large ones weigh more."""
    sizes = np.bincount(group_of)
    unequal = np.sqrt(len(sizes) * ((sizes / len(values)) ** 2).sum())
    return _half_width(np.bincount(group_of, values) / sizes) * float(unequal)


def _half_width(*samples: NDArray[np.float64]) -> float:
    """Of Student's interval of a mean, or of the difference of two; infinite without a degree of freedom."""
    freedom = sum(len(sample) - 1 for sample in samples)
    if freedom == 0:
        return float("inf")
    within = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in samples) / freedom
    error = np.sqrt(within * sum(1 / len(sample) for sample in samples))
    return float(student.ppf((1 + _LEVEL) / 2, freedom) * error)


def _bootstrap(
    tables: Sequence[NDArray[np.float64]], unit_of: NDArray[np.intp], rng: np.random.Generator
) -> tuple[float, float]:
    """Ends of the percentile interval of the difference of means over fields."""
    count = int(unit_of.max()) + 1
    weights = rng.multinomial(count, np.full(count, 1 / count), _REPETITIONS)
    first, second = (_mean_over_fields(table, unit_of, weights, rng) for table in tables)
    low, high = np.nanquantile(first - second, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]).tolist()
    return low, high


def _mean_over_fields(
    table: NDArray[np.float64],
    unit_of: NDArray[np.intp],
    weights: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Mean over fields (repetitions,), weighted by unit, of a mean over seeds drawn with replacement.

    Fields of a unit that the same seeds have weigh alike in every repetition, so they are summed first.
    """
    seeds = table.shape[1]
    draws = rng.multinomial(seeds, np.full(seeds, 1 / seeds), len(weights)).astype(float)
    there = ~np.isnan(table)
    alike, alike_of = np.unique(np.column_stack([unit_of, there]), axis=0, return_inverse=True)
    fields = np.bincount(alike_of.ravel())
    totals = np.zeros((len(alike), seeds))
    np.add.at(totals, alike_of.ravel(), np.where(there, table, 0))
    sums, counts = draws @ totals.T, draws @ alike[:, 1:].T.astype(float)
    values = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    used = weights[:, alike[:, 0]] * (counts > 0)
    known = used @ fields
    means: NDArray[np.float64] = np.divide(
        (values * used).sum(axis=1), known, out=np.full(len(weights), np.nan), where=known > 0
    )
    return means


def verdict(difference: Difference, larger_is_better: bool) -> str:
    """What can be said of the first of two methods against the second.

    Parameters
    ----------
    difference : Difference
    larger_is_better : bool
        Of the figure that they differ in.

    Returns
    -------
    str
        `BETTER` or `WORSE` by more than chance; `NOT_TOLD_APART`; `NO_INTERVAL` where nothing can be said.
    """
    if np.isnan(difference.low):
        return NO_INTERVAL
    if not difference.more_than_chance:
        return NOT_TOLD_APART
    return BETTER if (difference.mean > 0) == larger_is_better else WORSE
