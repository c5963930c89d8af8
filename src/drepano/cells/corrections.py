"""The network's known confusion between classes undone in shares of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from drepano.cells.shares import (
    LEVEL,
    NORMAL,
    REPETITIONS,
    UNKNOWN,
    Interval,
    binomial_interval,
    draw_fields,
    effective_cells,
    expanded_percentiles,
    hull,
    patients_interval,
)

_DRAWS_FOR_PATIENTS = 400
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
    drawn = _draw(counts, confusion, np.random.default_rng(seed))
    if drawn is None:
        return [UNKNOWN] * len(confusion)
    unseen = binomial_interval(0, drawn.effective).high
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    intervals = []
    for over_fields, over_cells, recall in zip(drawn.over_fields.T, drawn.over_cells.T, recalls, strict=True):
        both = hull(expanded_percentiles(over_fields, drawn.fields), _percentiles(over_cells))
        intervals.append(hull(both, Interval(both.low, min(1.0, unseen / max(recall, unseen)))))
    return intervals


def corrected_difference_intervals(
    first: NDArray[np.integer], second: NDArray[np.integer], confusion: NDArray, seed: int = 0
) -> list[Interval]:
    """Interval of every class's share in `first` less that in `second`, both after `undo_confusion`.

    As `corrected_intervals`; in every repetition both are undone with the same rates of confusion.

    Parameters
    ----------
    first, second : (fields, K) integer arrays
    confusion : (K, K) array

    Returns
    -------
    list of K Intervals
        `UNKNOWN` where fields with cells are fewer than two on a side.
    """
    rng = np.random.default_rng(seed)
    rates = _draw_rates(confusion, REPETITIONS, rng)
    sides = [_draw(counts, confusion, rng, rates) for counts in (first, second)]
    if sides[0] is None or sides[1] is None:
        return [UNKNOWN] * len(confusion)
    over_fields, over_cells = (
        sides[0].over_fields - sides[1].over_fields,
        sides[0].over_cells - sides[1].over_cells,
    )
    units = min(sides[0].fields, sides[1].fields)
    return [
        hull(expanded_percentiles(between, units), _percentiles(within))
        for between, within in zip(over_fields.T, over_cells.T, strict=True)
    ]


def corrected_patients_intervals(
    first: NDArray[np.integer], second: NDArray[np.integer], confusion: NDArray, paired: bool
) -> list[Interval]:
    """Interval of the mean corrected share of some patients less that of others, for every class.

    `patients_interval` of the shares after `undo_confusion`, widened by what the uncertainty of `confusion`,
    the same for all patients, adds.

    Parameters
    ----------
    first, second : (patients, K) integer arrays
        Cells called each class, of patients with cells.
    confusion : (K, K) array
    paired : bool
        Whether they are the same patients in the same order.
    """
    rates = _draw_rates(confusion, _DRAWS_FOR_PATIENTS, np.random.default_rng(0))
    sides = [np.array([undo_confusion(counts, confusion) for counts in side]) for side in (first, second)]
    means = [
        np.mean([_undone(np.tile(counts, (len(rates), 1)), rates) for counts in side], axis=0)
        for side in (first, second)
    ]
    spreads = NORMAL * np.std(means[0] - means[1], axis=0)
    intervals = []
    for one, other, spread in zip(sides[0].T, sides[1].T, spreads, strict=True):
        plain = patients_interval(one, other, paired)
        middle, half = one.mean() - other.mean(), float(np.hypot(plain.half_width, spread))
        intervals.append(Interval(middle - half, middle + half) if plain.is_known else UNKNOWN)
    return intervals


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Corrected shares (repetitions, K), fields or cells drawn anew, and how many of each there are."""

    over_fields: NDArray[np.float64]
    over_cells: NDArray[np.float64]
    fields: int
    effective: float


def _draw(
    counts: NDArray[np.integer],
    confusion: NDArray,
    rng: np.random.Generator,
    rates: NDArray[np.float64] | None = None,
) -> _Drawn | None:
    """None where fields with cells are fewer than two."""
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < 2:
        return None
    if rates is None:
        rates = _draw_rates(confusion, REPETITIONS, rng)
    cells, totals = counts.sum(axis=1), counts.sum(axis=0)
    effective = float(np.mean([effective_cells(hits, cells) for hits in counts.T[totals > 0]]))
    return _Drawn(
        _undone(draw_fields(len(counts), rng) @ counts, rates),
        _undone(rng.dirichlet(totals / totals.sum() * effective + 0.5, REPETITIONS), rates),
        len(counts),
        effective,
    )


def _draw_rates(confusion: NDArray, repetitions: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rates of confusion as the test leaves them open, (repetitions, K, K)."""
    return np.stack([rng.dirichlet(row + 0.5, repetitions) for row in confusion], axis=1)


def _undone(counts: NDArray, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """`undo_confusion` for counts (repetitions, K) with rates (repetitions, K, K)."""
    observed = counts / counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.linalg.solve(rates.transpose(0, 2, 1), observed[..., None])[..., 0]
    for place in np.flatnonzero((shares < 0).any(axis=1)):  # where it is not the exact solution
        shares[place] = undo_confusion(counts[place], rates[place])
    return shares


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
