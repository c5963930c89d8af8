"""How sure a share of cells is: intervals that know cells of a field to be alike; known confusion undone."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, hypot, isnan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import binomtest, norm, t, ttest_ind, ttest_rel

LEVEL = 0.95
_REPETITIONS = 2000
_NO_SPREAD = 1e-12
_SUM_WEIGHT = 1e3  # of the equation "shares sum to 1" among those of the confusion


@dataclass(frozen=True)
class Interval:
    """Ends of a 95 % interval; both NaN where nothing can be said."""

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        return not isnan(self.low)

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


UNKNOWN = Interval(float("nan"), float("nan"))


def binomial_interval(hits: int, cells: int) -> Interval:
    """Wilson's interval of a share, as if every cell were a draw of its own; `UNKNOWN` without cells."""
    if not cells:
        return UNKNOWN
    interval = binomtest(int(hits), int(cells)).proportion_ci(LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def draw_fields(fields: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each field is drawn in every repetition of a bootstrap, (repetitions, fields)."""
    return rng.multinomial(fields, np.full(fields, 1 / fields), _REPETITIONS)


def field_interval(hits: NDArray[np.integer], cells: NDArray[np.integer], seed: int = 0) -> Interval:
    """Interval of the share of hits among all cells that knows cells of one field to be alike.

    A bootstrap over fields, and never narrower than `binomial_interval`: cells of a field are at best drawn
    independently, and few fields are alike by chance now and then.

    Parameters
    ----------
    hits, cells : (fields,) integer arrays
        Of every field.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Interval
        `UNKNOWN` where fields with cells are fewer than two: how fields differ is not known then.

    Notes
    -----
    The percentile interval, expanded for few fields as by Hesterberg, "What Teachers Should Know About the
    Bootstrap", The American Statistician 69 (2015), section 4.3.1.
    """
    share = draw_share(hits, cells, seed)
    return (
        UNKNOWN if share is None else _hull(expanded_percentiles(share.drawn, share.fields), share.binomial)
    )


def _hull(first: Interval, second: Interval) -> Interval:
    return Interval(min(first.low, second.low), max(first.high, second.high))


def expanded_percentiles(values: NDArray[np.float64], units: int) -> Interval:
    """Percentile interval of bootstrapped `values`, expanded for a number of `units` of two or more."""
    outside = norm.cdf(sqrt(units / (units - 1)) * t.ppf((1 - LEVEL) / 2, units - 1))
    low, high = np.quantile(values, [outside, 1 - outside])
    return Interval(float(low), float(high))


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def fields_for(half_width: float, fields: int, wanted: float) -> int:
    """How many fields like these make the half width of an interval `wanted`: it shrinks with their root."""
    return ceil(fields * (half_width / wanted) ** 2 - 1e-9)


def undo_confusion(counts: NDArray, confusion: NDArray) -> NDArray[np.float64]:
    """Shares of the true classes that explain the counts of the predicted ones best.

    Parameters
    ----------
    counts : (K,) array
        Cells called each class.
    confusion : (K, K) array
        Cells of the true class (row) called each class (column), from a test; every row has some.

    Returns
    -------
    (K,) float64 array
        Not negative, sums to 1: least squares of ``shares @ rates = observed shares``, where the rates are
        the rows of `confusion` divided by their sums. NaN where there are no cells.
    """
    if not np.sum(counts):
        return np.full(len(confusion), np.nan)
    rates = confusion / confusion.sum(axis=1, keepdims=True)
    observed = np.asarray(counts, dtype=float) / np.sum(counts)
    equations = np.vstack([rates.T, np.full(len(observed), _SUM_WEIGHT)])
    shares, _ = nnls(equations, np.append(observed, _SUM_WEIGHT))
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def corrected_intervals(counts: NDArray[np.integer], confusion: NDArray, seed: int = 0) -> list[Interval]:
    """Interval of every class's share after `undo_confusion`.

    Fields are drawn as in `field_interval`, and the rates of confusion are drawn too, since they were
    measured on so many cells only: Dirichlet, from a prior of half a cell in every place (Jeffreys). It is
    never narrower than with cells drawn in the same way instead of fields, and its upper end never below what
    not a single hit among so many cells would leave open.

    Parameters
    ----------
    counts : (fields, K) integer array
        Cells called each class, field by field.
    confusion : (K, K) array
        As in `undo_confusion`.

    Returns
    -------
    list of K Intervals
        `UNKNOWN` where fields with cells are fewer than two.
    """
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < 2:
        return [UNKNOWN] * counts.shape[1]
    rng = np.random.default_rng(seed)
    rates = np.stack([rng.dirichlet(row + 0.5, _REPETITIONS) for row in confusion], axis=1)
    fields_drawn = draw_fields(len(counts), rng) @ counts
    cells_drawn = rng.dirichlet(counts.sum(axis=0) + 0.5, _REPETITIONS)
    between, within = (
        np.array([undo_confusion(total, rate) for total, rate in zip(totals, rates, strict=True)])
        for totals in (fields_drawn, cells_drawn)
    )
    unseen = binomial_interval(0, int(counts.sum())).high
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    intervals = []
    for one, other, recall in zip(between.T, within.T, recalls, strict=True):
        hull = _hull(expanded_percentiles(one, len(counts)), _percentiles(other))
        intervals.append(_hull(hull, Interval(hull.low, min(1.0, unseen / max(recall, unseen)))))
    return intervals


@dataclass(frozen=True, eq=False)
class DrawnShare:
    """A share of cells, and what it is in every repetition of a bootstrap over fields."""

    value: float
    fields: int
    binomial: Interval
    drawn: NDArray[np.float64]


def draw_share(hits: NDArray[np.integer], cells: NDArray[np.integer], seed: int) -> DrawnShare | None:
    """The share of hits among the cells of all fields, or None where fields with cells are fewer than two.

    Shares that are to be compared need different seeds, else their fields are drawn alike.
    """
    there = np.asarray(cells) > 0
    if there.sum() < 2:
        return None
    hits, cells = np.asarray(hits)[there], np.asarray(cells)[there]
    draws = draw_fields(len(cells), np.random.default_rng(seed))
    binomial = binomial_interval(hits.sum(), cells.sum())
    return DrawnShare(float(hits.sum() / cells.sum()), len(cells), binomial, (draws @ hits) / (draws @ cells))


def difference_interval(first: DrawnShare | None, second: DrawnShare | None) -> Interval:
    """Interval of the first share less the second; `UNKNOWN` where either is None.

    Never narrower than the interval of two binomial shares.

    Notes
    -----
    The binomial interval is Newcombe's, from Wilson's of both: Statistics in Medicine 17 (1998), method 10.
    """
    if first is None or second is None:
        return UNKNOWN
    difference = first.value - second.value
    binomial = Interval(
        difference - hypot(first.value - first.binomial.low, second.binomial.high - second.value),
        difference + hypot(first.binomial.high - first.value, second.value - second.binomial.low),
    )
    units = min(first.fields, second.fields)
    return _hull(expanded_percentiles(first.drawn - second.drawn, units), binomial)


def patients_interval(first: NDArray[np.float64], second: NDArray[np.float64], paired: bool) -> Interval:
    """Interval of the mean share of some patients less that of others, by Student's t.

    `UNKNOWN` with fewer than two patients on a side, or where shares or paired differences do not vary.

    Parameters
    ----------
    first, second : (patients,) float64 array
        Shares.
    paired : bool
        Whether they are the same patients in the same order; if not the interval is Welch's.
    """
    if min(len(first), len(second)) < 2:
        return UNKNOWN
    spread = np.ptp(first - second) if paired else min(np.ptp(first), np.ptp(second))
    if spread < _NO_SPREAD:
        return UNKNOWN
    test = ttest_rel(first, second) if paired else ttest_ind(first, second, equal_var=False)
    ends = test.confidence_interval(LEVEL)
    return Interval(float(ends.low), float(ends.high))
