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
_MOST_ALIKE = 0.5  # cells of a patient: fewer than two cells' worth of a patient would say nothing
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

    The mean rates are drawn once, so that all patients are corrected with the same ones: Dirichlet, from a
    prior of half a cell in every place (Jeffreys). Each patient's own rates are drawn around them, as far
    apart as those of the patients of the test (`confusion_alike`), as well as these few tell it.

    Parameters
    ----------
    confusions : (K, K) or (patients, K, K) array
        As in `undo_confusion`; one of all cells, or one for each patient of the test.
    """

    def __init__(self, confusions: NDArray) -> None:
        of_patients = confusions.reshape(-1, *confusions.shape[-2:])
        self.confusion = _worth(of_patients, confusion_alike(of_patients))
        rng = np.random.default_rng([0, 1])  # not the numbers with which fields are drawn
        self._rates = np.stack([rng.dirichlet(row + 0.5, REPETITIONS) for row in self.confusion], axis=1)
        self._alike = _Heterogeneity.of(of_patients).draw_alike(rng)

    def shares(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """`undo_confusion` row by row, (rows, K)."""
        return np.array([undo_confusion(row, self.confusion) for row in counts]).reshape(counts.shape)

    def drawn_shares(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """`undo_confusion` row by row with every one of some rates, (rows, draws, K)."""
        rates = self._rates[:_DRAWS_A_ROW]
        shares = [_undone(np.tile(row, (len(rates), 1)), rates) for row in counts]
        return np.array(shares).reshape(len(counts), len(rates), len(self.confusion))

    def draw(self, counts: NDArray[np.integer], seed: int, patient: int = 0) -> CorrectedShares | None:
        """Of the counts (fields, K) of one group; None where fields with cells are fewer than two.

        Groups of one patient, by number, are corrected with the same rates.
        """
        counts = counts[counts.sum(axis=1) > 0]
        if len(counts) < 2:
            return None
        rng = np.random.default_rng(seed)
        rates = self._rates_of(patient)
        cells, totals = counts.sum(axis=1), counts.sum(axis=0)
        effective = float(np.mean([effective_cells(hits, cells) for hits in counts.T[totals > 0]]))
        return CorrectedShares(
            _undone(draw_fields(len(counts), rng) @ counts, rates),
            _undone(rng.dirichlet(totals / totals.sum() * effective + 0.5, REPETITIONS), rates),
            len(counts),
            effective,
        )

    def _rates_of(self, patient: int) -> NDArray[np.float64]:
        """Rates of a patient who was not in the test, (repetitions, K, K)."""
        rng = np.random.default_rng([patient, 2])
        unlike = self._alike > 0
        rates = self._rates.copy()
        strength = (1 / self._alike[unlike] - 1)[:, None, None]
        drawn = rng.standard_gamma(rates[unlike] * strength)
        rates[unlike] = drawn / drawn.sum(axis=-1, keepdims=True)
        return rates


def confusion_alike(confusions: NDArray) -> float:
    """How alike cells of one patient and class are in what they are called: an intraclass correlation.

    Parameters
    ----------
    confusions : (patients, K, K) array
        As in `undo_confusion`, one a patient; rows may be empty.

    Returns
    -------
    float
        0, where patients differ by no more than chance or there is one, to 0.5. One number for all classes,
        since single rows of few patients say little.

    Notes
    -----
    By moments: the expectation of Pearson's chi-squared statistic of homogeneity grows with the correlation
    where the calls of a patient's cells are Dirichlet-multinomial (Brier, Biometrika 67, 1980, 591-596).
    """
    return float(_Heterogeneity.of(confusions).alike(1.0))


@dataclass(frozen=True)
class _Heterogeneity:
    """Pearson's statistic over all classes, its expectation for patients who are alike, which is its degrees
    of freedom, and what a correlation of 1 would add to it."""

    statistic: float
    freedom: float
    added: float

    @classmethod
    def of(cls, confusions: NDArray) -> _Heterogeneity:
        statistic = freedom = added = 0.0
        for rows in confusions.swapaxes(0, 1):
            cells = rows.sum(axis=1, keepdims=True)
            rows, cells = rows[cells[:, 0] > 0], cells[cells[:, 0] > 0]
            called = rows[:, rows.sum(axis=0) > 0]
            expected = cells * called.sum(axis=0) / cells.sum()
            statistic += float(((called - expected) ** 2 / expected).sum())
            weights = (called.shape[1] - 1) * (1 - cells / cells.sum())
            freedom += float(weights.sum())
            added += float((weights * (cells - 1)).sum())
        return cls(statistic, freedom, added)

    def alike(self, luck: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """The correlation, if the statistic came out `luck` times as large as it is expected to."""
        if not self.added:
            return np.zeros(np.shape(luck))
        return np.clip((self.statistic / luck - self.freedom) / self.added, 0, _MOST_ALIKE)

    def draw_alike(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """As uncertain as the test leaves it, (repetitions,): the statistic is about chi-squared."""
        if not self.added:
            return np.zeros(REPETITIONS)
        return self.alike(rng.chisquare(self.freedom, REPETITIONS) / self.freedom)


def _worth(confusions: NDArray, alike: float) -> NDArray[np.float64]:
    """One confusion matrix (K, K) of as many independent cells as those of the patients are worth."""
    cells = confusions.sum(axis=2, keepdims=True)
    return np.asarray((confusions / (1 + np.maximum(cells - 1, 0) * alike)).sum(axis=0), dtype=np.float64)


def corrected_intervals(counts: NDArray[np.integer], confusion: NDArray, seed: int = 0) -> list[Interval]:
    """Interval of every class's share after `undo_confusion`.

    Fields are drawn as in `field_interval`, and the rates of confusion are drawn too (`Correction`), since
    they were measured on so many cells only, and on other patients. It is never narrower than with
    `effective_cells` drawn in the same way instead of fields, and its upper end never below what not a single
    hit among them would leave open.

    Parameters
    ----------
    counts : (fields, K) integer array
        Cells called each class, field by field.
    confusion : (K, K) or (patients, K, K) array
        As `Correction` takes it.

    Returns
    -------
    list of K Intervals
        `UNKNOWN` where fields with cells are fewer than two.
    """
    correction = Correction(confusion)
    drawn = correction.draw(counts, seed)
    if drawn is None:
        return [UNKNOWN] * counts.shape[1]
    unseen = binomial_interval(0, drawn.effective).high
    recalls = np.diag(correction.confusion) / correction.confusion.sum(axis=1)
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
    try:
        shares: NDArray[np.float64] = np.linalg.solve(rates.transpose(0, 2, 1), observed[..., None])[..., 0]
    except np.linalg.LinAlgError:  # some rates call two classes the same
        shares = np.full(observed.shape, -1.0)
    for place in np.flatnonzero((shares < 0).any(axis=1)):  # where it is not the exact solution
        shares[place] = undo_confusion(counts[place], rates[place])
    return shares


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
