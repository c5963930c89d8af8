"""The network's known confusion between classes undone in shares of cells."""

from __future__ import annotations

from dataclasses import dataclass

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

_DRAWS_A_ROW = 400
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


@dataclass(frozen=True, eq=False)
class CorrectedShares:
    """Shares of one group of fields after `undo_confusion`, drawn anew (repetitions, K).

    Parameters
    ----------
    over_fields, over_cells : (repetitions, K) float64 arrays
        With fields drawn anew, and with as many cells as `effective`.
    fields : int
        With cells.
    effective : float
        `effective_cells`, the mean over the classes that were called.
    """

    over_fields: NDArray[np.float64]
    over_cells: NDArray[np.float64]
    fields: int
    effective: float


class Correction:
    """The known confusion, and rates of confusion as uncertain as the test leaves them.

    The rates are drawn once, so that groups that are compared are corrected with the same ones: Dirichlet,
    from a prior of half a cell in every place (Jeffreys).

    Parameters
    ----------
    confusion : (K, K) array
        As in `undo_confusion`.
    """

    def __init__(self, confusion: NDArray) -> None:
        self.confusion = confusion
        rng = np.random.default_rng([0, 1])  # not the numbers with which fields are drawn
        self._rates = np.stack([rng.dirichlet(row + 0.5, REPETITIONS) for row in confusion], axis=1)

    def shares(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """`undo_confusion` row by row, (rows, K)."""
        return np.array([undo_confusion(row, self.confusion) for row in counts]).reshape(counts.shape)

    def drawn_shares(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """`undo_confusion` row by row with every one of some rates, (rows, draws, K)."""
        rates = self._rates[:_DRAWS_A_ROW]
        shares = [_undone(np.tile(row, (len(rates), 1)), rates) for row in counts]
        return np.array(shares).reshape(len(counts), len(rates), len(self.confusion))

    def draw(self, counts: NDArray[np.integer], seed: int) -> CorrectedShares | None:
        """Of the counts (fields, K) of one group; None where fields with cells are fewer than two."""
        counts = counts[counts.sum(axis=1) > 0]
        if len(counts) < 2:
            return None
        rng = np.random.default_rng(seed)
        cells, totals = counts.sum(axis=1), counts.sum(axis=0)
        effective = float(np.mean([effective_cells(hits, cells) for hits in counts.T[totals > 0]]))
        return CorrectedShares(
            _undone(draw_fields(len(counts), rng) @ counts, self._rates),
            _undone(rng.dirichlet(totals / totals.sum() * effective + 0.5, REPETITIONS), self._rates),
            len(counts),
            effective,
        )


def corrected_intervals(counts: NDArray[np.integer], confusion: NDArray, seed: int = 0) -> list[Interval]:
    """Interval of every class's share after `undo_confusion`.

    Fields are drawn as in `field_interval`, and the rates of confusion are drawn too, since they were
    measured on so many cells only. It is never narrower than with `effective_cells` drawn in the same way
    instead of fields, and its upper end never below what not a single hit among them would leave open.

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
    drawn = Correction(confusion).draw(counts, seed)
    if drawn is None:
        return [UNKNOWN] * len(confusion)
    unseen = binomial_interval(0, drawn.effective).high
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    return [
        hull(interval, Interval(interval.low, min(1.0, unseen / max(recall, unseen))))
        for interval, recall in zip(
            _intervals(drawn.over_fields, drawn.over_cells, drawn.fields), recalls, strict=True
        )
    ]


def corrected_difference_intervals(
    first: CorrectedShares | None, second: CorrectedShares | None, classes: int
) -> list[Interval]:
    """Interval of every class's share in `first` less that in `second`; `UNKNOWN` where either is None."""
    if first is None or second is None:
        return [UNKNOWN] * classes
    return _intervals(
        first.over_fields - second.over_fields,
        first.over_cells - second.over_cells,
        min(first.fields, second.fields),
    )


def _intervals(
    over_fields: NDArray[np.float64], over_cells: NDArray[np.float64], fields: int
) -> list[Interval]:
    return [
        hull(expanded_percentiles(between, fields), _percentiles(within))
        for between, within in zip(over_fields.T, over_cells.T, strict=True)
    ]


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
