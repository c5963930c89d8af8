"""The network's known confusion between classes undone in shares of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from drepano.cells.shares import (
    LEVEL,
    REPETITIONS,
    UNKNOWN,
    Interval,
    binomial_interval,
    change_variances,
    clustered_interval,
    draw_fields,
    expanded_percentiles,
    hull,
    paired_interval,
    place_parts,
)

_DRAWS_A_ROW = 400
_LARGEST_CORRELATION = 0.5
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
    """Shares of one group of fields after `undo_confusion`, and drawn anew (repetitions, K).

    Parameters
    ----------
    values : (K,) float64 array
    over_fields, over_rates : (repetitions, K) float64 arrays
        With fields drawn anew, and with rates of confusion drawn anew.
    fields : int
        With cells.
    clustered : (2, K) float64 array
        How far below and above `values` Wilson's intervals of the counted shares reach.
    """

    values: NDArray[np.float64]
    over_fields: NDArray[np.float64]
    over_rates: NDArray[np.float64]
    fields: int
    clustered: NDArray[np.float64]


class Correction:
    """The known confusion, and rates of confusion as uncertain as the test leaves them.

    The mean rates are drawn once, so that all patients are corrected with the same ones: Dirichlet, from a
    prior of half a cell in every place (Jeffreys). Each patient's own rates are drawn around them, as far
    apart as those of the patients of the test (`confusion_correlation`), as well as these few tell it.

    Parameters
    ----------
    confusions : (K, K) or (patients, K, K) array
        As in `undo_confusion`; one of all cells, or one for each patient of the test.

    Attributes
    ----------
    confusion : (K, K) float64 array
        Of as many independent cells as those of the test's patients are worth.
    """

    def __init__(self, confusions: NDArray) -> None:
        of_patients = confusions.reshape(-1, *confusions.shape[-2:])
        heterogeneity = _Heterogeneity.of(of_patients)
        self.confusion = _worth(of_patients, heterogeneity.correlation(np.ones(1)))[0]
        # Not the numbers with which fields are drawn.
        self._correlations = heterogeneity.draw_correlation(np.random.default_rng([0, 3]))
        weights = _worth(of_patients, self._correlations) + 0.5
        self._rates = _dirichlet(weights, np.random.default_rng([0, 1]))

    def shares(self, counts: NDArray) -> NDArray[np.float64]:
        """`undo_confusion` row by row, (rows, K)."""
        return np.array([undo_confusion(row, self.confusion) for row in counts]).reshape(counts.shape)

    def drawn_shares(self, counts: NDArray) -> NDArray[np.float64]:
        """`undo_confusion` row by row with every one of some rates, (rows, draws, K)."""
        rates = self._rates[:_DRAWS_A_ROW]
        shares = [_undone(np.tile(row, (len(rates), 1)), rates) for row in counts]
        return np.array(shares).reshape(len(counts), len(rates), len(self.confusion))

    def draw(self, counts: NDArray, seed: int, patient: int = 0) -> CorrectedShares | None:
        """Of the counts (fields, K) of one group; None where fields with cells are fewer than two.

        Groups of one patient, by number, are corrected with the same rates.
        """
        counts = counts[counts.sum(axis=1) > 0]
        if len(counts) < 2:
            return None
        cells, totals = counts.sum(axis=1), counts.sum(axis=0)
        rates = self.confusion / self.confusion.sum(axis=1, keepdims=True)
        drawn = draw_fields(len(counts), np.random.default_rng(seed)) @ counts
        return CorrectedShares(
            undo_confusion(totals, self.confusion),
            _undone(drawn, np.tile(rates, (REPETITIONS, 1, 1))),
            _undone(np.tile(totals, (REPETITIONS, 1)), self._rates_of(patient)),
            len(counts),
            _carried(
                totals / totals.sum(),
                [clustered_interval(hits, cells) for hits in counts.T],
                np.linalg.pinv(rates),
            ),
        )

    def _unseen(self, cells: float) -> NDArray[np.float64]:
        """The share that cells of each class may have if not a single one was called so."""
        unseen = binomial_interval(0, cells).high
        recalls = np.diag(self.confusion) / self.confusion.sum(axis=1)
        return np.asarray(unseen / np.maximum(recalls, unseen), dtype=np.float64)

    def paired_intervals(self, first: NDArray, second: NDArray, patient: int) -> list[Interval]:
        """Of every class's share in `first` less that in `second`, of the same places of one patient.

        `paired_interval` with what the uncertain rates of confusion, alike on both sides, add; from -1 to 1
        at most.

        Parameters
        ----------
        first, second : (places, K) arrays
            Cells called each class, some in every row; two or more places.
        patient : int
            As in `draw`.
        """
        rates = self.confusion / self.confusion.sum(axis=1, keepdims=True)
        same_rates = np.tile(rates, (REPETITIONS, 1, 1))
        undone = np.linalg.pinv(rates)
        draws = draw_fields(len(first), np.random.default_rng(0))
        sides = [
            (
                undo_confusion(counts.sum(axis=0), self.confusion),
                _undone(draws @ counts, same_rates),
                _undone(np.tile(counts.sum(axis=0), (REPETITIONS, 1)), self._rates_of(patient)),
            )
            for counts in (first, second)
        ]
        differences, over_places, over_rates = (one - other for one, other in zip(*sides, strict=True))
        intervals = [
            _both_left_open(difference, paired_interval(difference, *sampled), _percentiles(confused))
            for difference, confused, *sampled in zip(
                differences.tolist(),
                over_rates.T,
                over_places.T,
                (place_parts(first, second) @ undone).T,
                change_variances(first, second) @ undone**2,
                strict=True,
            )
        ]
        unseen = self._unseen(first.sum()), self._unseen(second.sum())
        lowest, highest = (sides[0][0] - unseen[1]).tolist(), (unseen[0] - sides[1][0]).tolist()
        return [
            hull(one, Interval(low, high)).of_shares()
            for one, low, high in zip(intervals, lowest, highest, strict=True)
        ]

    def _rates_of(self, patient: int) -> NDArray[np.float64]:
        """Rates of a patient who was not in the test, (repetitions, K, K)."""
        apart = self._correlations > 0
        strength = (1 / self._correlations[apart] - 1)[:, None, None]
        rates = self._rates.copy()
        rates[apart] = _dirichlet(rates[apart] * strength, np.random.default_rng([patient, 2]))
        return rates


def confusion_correlation(confusions: NDArray) -> float:
    """Intraclass correlation of what cells of one class are called: how far apart patients are confused.

    Parameters
    ----------
    confusions : (patients, K, K) array
        As in `undo_confusion`, one a patient; rows may be empty.

    Returns
    -------
    float
        0, where patients differ by no more than chance or there is one, to 0.5. One number for all classes,
        since single rows of few patients say little.
    """
    return float(_Heterogeneity.of(confusions).correlation(np.ones(1))[0])


@dataclass(frozen=True)
class _Heterogeneity:
    """How far patients' calls lie apart, by moments, with calls Dirichlet-multinomial.

    Parameters
    ----------
    statistic : float
        Sum over classes, patients and calls of squared differences from the call's rate over all patients,
        each through the patient's cells of the class.
    expected, added : float
        Its expectation where patients are alike, and what a correlation of 1 would add to it.
    freedom : int
        Patients less one, over all classes.

    Notes
    -----
    Differences are summed before they are divided by how much a call varies: in Pearson's statistic of
    homogeneity rare calls, which are what differs, hide that they do.
    """

    statistic: float
    expected: float
    added: float
    freedom: int

    @classmethod
    def of(cls, confusions: NDArray) -> _Heterogeneity:
        statistic = expected = added = 0.0
        freedom = 0
        for rows in confusions.swapaxes(0, 1):
            rows = rows[rows.sum(axis=1) > 0]
            if len(rows) < 2:
                continue
            cells = rows.sum(axis=1, keepdims=True)
            rates = rows.sum(axis=0) / rows.sum()
            varies = 1 - float((rates**2).sum())
            statistic += float(((rows - cells * rates) ** 2 / cells).sum())
            expected += varies * (len(rows) - 1)
            added += varies * float(((1 - cells / cells.sum()) * (cells - 1)).sum())
            freedom += len(rows) - 1
        return cls(statistic, expected, added, freedom)

    def correlation(self, luck: NDArray[np.float64]) -> NDArray[np.float64]:
        """If the statistic came out `luck` times as large as it is expected to."""
        if self.added <= 0:
            return np.zeros(luck.shape)
        return np.clip((self.statistic / luck - self.expected) / self.added, 0, _LARGEST_CORRELATION)

    def draw_correlation(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """As uncertain as the test leaves it, (repetitions,): the statistic is about chi-squared."""
        freedom = max(1, self.freedom)
        return self.correlation(rng.chisquare(freedom, REPETITIONS) / freedom)


def _worth(confusions: NDArray, correlations: NDArray[np.float64]) -> NDArray[np.float64]:
    """A confusion matrix for every correlation (draws, K, K), of as many independent cells as it leaves."""
    cells = confusions.sum(axis=2)
    weights = 1 / (1 + np.maximum(cells - 1, 0) * correlations[:, None, None])
    return np.asarray(np.einsum("dpk,pkc->dkc", weights, confusions), dtype=np.float64)


def _dirichlet(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Drawn along the last axis."""
    drawn = rng.standard_gamma(weights)
    return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True), dtype=np.float64)


def corrected_intervals(counts: NDArray, correction: Correction, seed: int = 0) -> list[Interval]:
    """Interval of every class's share after `undo_confusion`.

    Fields are drawn as in `field_interval`, and never narrower than Wilson's intervals of the counted shares,
    by their `effective_cells`, make it; the rates of confusion are drawn too (`Correction`), since they were
    measured on so many cells only, and on other patients. What the two leave open is added as that of
    independent numbers.

    Parameters
    ----------
    counts : (fields, K) array
        Cells called each class, field by field.
    correction : Correction
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of K Intervals
        `UNKNOWN` where fields with cells are fewer than two.
    """
    drawn = correction.draw(counts, seed)
    if drawn is None:
        return [UNKNOWN] * counts.shape[1]
    intervals = _intervals(drawn.values, drawn.over_fields, drawn.clustered, drawn.over_rates, drawn.fields)
    return [Interval(max(0.0, one.low), min(1.0, one.high)) for one in intervals]


def corrected_difference_intervals(
    first: CorrectedShares | None, second: CorrectedShares | None, classes: int
) -> list[Interval]:
    """Interval of every class's share in `first` less that in `second`; `UNKNOWN` where either is None."""
    if first is None or second is None:
        return [UNKNOWN] * classes
    intervals = _intervals(
        first.values - second.values,
        first.over_fields - second.over_fields,
        np.hypot(first.clustered, second.clustered[::-1]),
        first.over_rates - second.over_rates,
        min(first.fields, second.fields),
    )
    return [one.of_shares() for one in intervals]


def _intervals(
    values: NDArray[np.float64],
    over_fields: NDArray[np.float64],
    clustered: NDArray[np.float64],
    over_rates: NDArray[np.float64],
    fields: int,
) -> list[Interval]:
    """Of every class. Only what fields leave open is expanded for few fields; of rates there are no fewer."""
    intervals = []
    columns = zip(values.tolist(), over_fields.T, clustered.T.tolist(), over_rates.T, strict=True)
    for value, between, (below, above), rates in columns:
        sampled = hull(expanded_percentiles(between, fields), Interval(value - below, value + above))
        intervals.append(_both_left_open(value, sampled, _percentiles(rates)))
    return intervals


def _carried(
    shares: NDArray[np.float64], intervals: Sequence[Interval], undone: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far the intervals of counted shares reach below and above the shares that they become, (2, K).

    Times what a counted share (row) adds to a corrected one (column), and correlated as shares of one
    multinomial draw are.
    """
    below = shares - [interval.low for interval in intervals]
    above = [interval.high for interval in intervals] - shares
    odds = np.divide(shares, 1 - shares, out=np.zeros(len(shares)), where=shares < 1)
    correlations = -np.sqrt(np.outer(odds, odds))
    np.fill_diagonal(correlations, 1)
    reaches = []
    for one, other in ((below, above), (above, below)):
        parts = undone * np.where(undone > 0, one[:, None], other[:, None])
        reaches.append(np.sqrt(np.maximum(np.einsum("jk,ji,ik->k", parts, correlations, parts), 0)))
    return np.array(reaches)


def _both_left_open(value: float, sampled: Interval, confused: Interval) -> Interval:
    """What two independent sources leave open of `value` together."""
    below = hypot(max(0.0, value - sampled.low), max(0.0, value - confused.low))
    above = hypot(max(0.0, sampled.high - value), max(0.0, confused.high - value))
    return Interval(value - below, value + above)


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
