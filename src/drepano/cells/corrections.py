"""The network's known confusion between classes undone in shares of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from drepano.cells.shares import (
    LEVEL,
    REPETITIONS,
    UNKNOWN,
    Interval,
    binomial_interval,
    draw_fields,
    effective_cells,
    expanded_percentiles,
    hull,
)

_SUM_WEIGHT = 1e3  # of the equation "shares sum to 1" among those of the confusion


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
    never narrower than with `effective_cells` (the mean over the classes that were called) drawn in the same
    way instead of fields, and its upper end never below what not a single hit among them would leave open.

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
    rates = np.stack([rng.dirichlet(row + 0.5, REPETITIONS) for row in confusion], axis=1)
    cells, totals = counts.sum(axis=1), counts.sum(axis=0)
    effective = float(np.mean([effective_cells(hits, cells) for hits in counts.T[totals > 0]]))
    between = _undone(draw_fields(len(counts), rng) @ counts, rates)
    within = _undone(rng.dirichlet(totals / totals.sum() * effective + 0.5, REPETITIONS), rates)
    unseen = binomial_interval(0, effective).high
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    intervals = []
    for over_fields, over_cells, recall in zip(between.T, within.T, recalls, strict=True):
        both = hull(expanded_percentiles(over_fields, len(counts)), _percentiles(over_cells))
        intervals.append(hull(both, Interval(both.low, min(1.0, unseen / max(recall, unseen)))))
    return intervals


def _undone(counts: NDArray, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([undo_confusion(total, rate) for total, rate in zip(counts, rates, strict=True)])


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
