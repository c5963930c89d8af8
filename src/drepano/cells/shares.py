"""How sure a share of cells is: intervals that know cells of a field to be alike."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from dataclasses import dataclass
from math import hypot, isnan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t, ttest_ind, ttest_rel

LEVEL = 0.95
REPETITIONS = 2000
_NO_SPREAD = 1e-12
_EXPECTED_CORRELATION = 0.05
_EXPECTATION_WORTH = 3
"""Of cells of one field, and how many fields the expectation counts as. Of 0.02 and 0.05, and one to four
fields, these held the truth of simulated patients most evenly, with 2 to 20 fields, shares of 0.5 to 30 % and
true correlations of 0 to 0.1 (benchmarks/intervals.py has such patients)."""
NORMAL = norm.ppf((1 + LEVEL) / 2)


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

    def of_shares(self) -> Interval:
        """Of a difference of two shares: none is below -1 or above 1. What is unknown stays so."""
        return self if not self.is_known else Interval(max(-1.0, self.low), min(1.0, self.high))


UNKNOWN = Interval(float("nan"), float("nan"))


def binomial_interval(hits: float, cells: float) -> Interval:
    """Wilson's interval of a share, as if every cell were a draw of its own; `UNKNOWN` without cells."""
    return _wilson_interval(hits / cells, cells) if cells else UNKNOWN


def _wilson_interval(share: float, cells: float) -> Interval:
    weight = NORMAL**2 / cells
    middle = (share + weight / 2) / (1 + weight)
    half = sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    # Rounding must not leave the share outside, nor an end below 0 or above 1.
    return Interval(max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def effective_cells(hits: NDArray, cells: NDArray) -> float:
    """How many cells, each a draw of its own, would tell as much about the share of hits as these do.

    Parameters
    ----------
    hits, cells : (fields,) arrays
        Of two or more fields with cells.

    Returns
    -------
    float
        At most all cells.

    Notes
    -----
    The effective sample size of Korn and Graubard, Survey Methodology 24 (1998), 193-201, with fields as
    clusters: by the `design_effect`, and for few fields times the square of the normal over Student's
    quantile.
    """
    total = float(np.sum(cells))
    return min(total, total / design_effect(hits, cells) * _few_fields_factor(len(cells)))


def design_effect(hits: NDArray, cells: NDArray) -> float:
    """How many times as large as by chance alone the variance of the share of hits is; at least 1.

    Parameters
    ----------
    hits, cells : (fields,) arrays
        Of two or more fields with cells.

    Notes
    -----
    Few fields, or few hits, tell little of how fields differ: two that are alike by chance would prove that
    all are. So what they tell, the linearised variance, is moderated as by Smyth, Statistical Applications in
    Genetics and Molecular Biology 3 (2004), article 3: it counts as so many fields less one, and the
    expectation that cells of one field have a correlation of 0.05 as three.
    """
    fields, total = len(cells), float(np.sum(cells))
    share = float(np.sum(hits)) / total
    chance = share * (1 - share) / total
    variance = fields / (fields - 1) * float(np.sum((hits - share * np.asarray(cells)) ** 2)) / total**2
    seen = variance / chance if chance > 0 else 1.0
    expected = 1 + (float(np.sum(np.square(cells))) / total - 1) * _EXPECTED_CORRELATION
    freedom = _EXPECTATION_WORTH + fields - 1
    return max(1.0, (_EXPECTATION_WORTH * expected + (fields - 1) * seen) / freedom)


def clustered_interval(hits: NDArray, cells: NDArray) -> Interval:
    """Wilson's interval of the share of hits with `effective_cells` for cells."""
    return _wilson_interval(float(np.sum(hits) / np.sum(cells)), effective_cells(hits, cells))


def _few_fields_factor(fields: int) -> float:
    return float(NORMAL / t.ppf((1 + LEVEL) / 2, _EXPECTATION_WORTH + fields - 1)) ** 2


def draw_fields(fields: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each field is drawn in every repetition of a bootstrap, (repetitions, fields)."""
    return rng.multinomial(fields, np.full(fields, 1 / fields), REPETITIONS)


def field_interval(hits: NDArray, cells: NDArray, seed: int = 0) -> Interval:
    """Interval of the share of hits among all cells that knows cells of one field to be alike.

    A bootstrap over fields, and never narrower than Wilson's interval of `effective_cells`: shares that are
    drawn from few fields never lie outside those fields' own, though the patient's may.

    Parameters
    ----------
    hits, cells : (fields,) arrays
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
    if share is None:
        return UNKNOWN
    return hull(expanded_percentiles(share.drawn, share.fields), share.clustered)


def hull(first: Interval, second: Interval) -> Interval:
    """The smallest interval that holds both."""
    return Interval(min(first.low, second.low), max(first.high, second.high))


def expanded_percentiles(values: NDArray[np.float64], units: int) -> Interval:
    """Percentile interval of bootstrapped `values`, expanded for a number of `units` of two or more."""
    outside = norm.cdf(sqrt(units / (units - 1)) * t.ppf((1 - LEVEL) / 2, units - 1))
    low, high = np.quantile(values, [outside, 1 - outside])
    return Interval(float(low), float(high))


def fields_for(half_width: float, hits: NDArray, cells: NDArray) -> int:
    """How many fields like these make the half width of the interval of their share this small.

    Parameters
    ----------
    half_width : float
        Wanted, above 0.
    hits, cells : (fields,) arrays
        Of two or more fields with cells.

    Returns
    -------
    int
        Two or more: with so many, Wilson's interval of their `effective_cells` is narrow enough.
    """
    share, cells_a_field = float(np.sum(hits) / np.sum(cells)), float(np.mean(cells))
    effect = design_effect(hits, cells)

    def is_enough(fields: int) -> bool:
        effective = cells_a_field * fields * min(1.0, _few_fields_factor(fields) / effect)
        return _wilson_interval(share, effective).half_width <= half_width

    enough = 2
    while not is_enough(enough):
        enough *= 2
    return bisect_left(range(enough + 1), True, lo=2, key=is_enough)


@dataclass(frozen=True, eq=False)
class DrawnShare:
    """A share of cells, Wilson's interval of its `effective_cells`, and the share in every repetition of a
    bootstrap over fields."""

    value: float
    fields: int
    clustered: Interval
    drawn: NDArray[np.float64]


def draw_share(hits: NDArray, cells: NDArray, seed: int) -> DrawnShare | None:
    """The share of hits among the cells of all fields, or None where fields with cells are fewer than two.

    Shares that are to be compared need different seeds, else their fields are drawn alike.
    """
    there = np.asarray(cells) > 0
    if there.sum() < 2:
        return None
    hits, cells = np.asarray(hits)[there], np.asarray(cells)[there]
    draws = draw_fields(len(cells), np.random.default_rng(seed))
    share = float(hits.sum() / cells.sum())
    return DrawnShare(share, len(cells), clustered_interval(hits, cells), (draws @ hits) / (draws @ cells))


def difference_interval(first: DrawnShare | None, second: DrawnShare | None) -> Interval:
    """Interval of the first share less the second; `UNKNOWN` where either is None.

    A bootstrap over the fields of both, and never narrower than Newcombe's interval from Wilson's of both:
    Statistics in Medicine 17 (1998), method 10, with `effective_cells` for cells.
    """
    if first is None or second is None:
        return UNKNOWN
    difference = first.value - second.value
    newcombes = Interval(
        difference - hypot(first.value - first.clustered.low, second.clustered.high - second.value),
        difference + hypot(first.clustered.high - first.value, second.value - second.clustered.low),
    )
    units = min(first.fields, second.fields)
    return hull(expanded_percentiles(first.drawn - second.drawn, units), newcombes)


def place_parts(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """What every place adds to the error of the shares in `first` less those in `second`, (places, K).

    The linearised difference of two ratios; every column sums to 0.

    Parameters
    ----------
    first, second : (places, K) arrays
        Cells of each class at the same places, some in every row.
    """
    sides = []
    for counts in (first, second):
        cells = counts.sum(axis=1, keepdims=True)
        sides.append((counts - cells * (counts.sum(axis=0) / cells.sum())) / cells.sum())
    parts: NDArray[np.float64] = sides[0] - sides[1]
    return parts


def change_variances(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """The least variance of each class's difference, (K,): that of as many cells as must have changed.

    As if the cells at a place were the same ones on both sides: where its share changed at least that many of
    them did, as Poisson's law has them. Some more are added, about as many as may have though none was seen.

    Parameters
    ----------
    first, second : (places, K) arrays
        As in `place_parts`.
    """
    cells = [counts.sum(axis=1, keepdims=True) for counts in (first, second)]
    of_place = (cells[0] + cells[1]) / 2
    changed = (np.abs(first / cells[0] - second / cells[1]) * of_place).sum(axis=0)
    variances: NDArray[np.float64] = (changed + NORMAL**2) / of_place.sum() ** 2
    return variances


def paired_interval(
    difference: float, drawn: NDArray[np.float64], parts: NDArray[np.float64], variance: float
) -> Interval:
    """Interval of a difference over the same places.

    Student's of the places' parts, and never narrower than a bootstrap over places, or than the least
    variance leaves it.

    Parameters
    ----------
    difference : float
    drawn : (repetitions,) float64 array
        With places drawn anew, the same ones on both sides.
    parts : (places,) float64 array
        Of `place_parts`, two or more.
    variance : float
        Of `change_variances`.
    """
    places = len(parts)
    error = sqrt(places / (places - 1) * float((parts**2).sum()))
    half = max(float(t.ppf((1 + LEVEL) / 2, places - 1)) * error, NORMAL * sqrt(variance))
    return hull(expanded_percentiles(drawn, places), Interval(difference - half, difference + half))


def paired_difference_intervals(first: NDArray, second: NDArray) -> list[Interval]:
    """`paired_interval` of every class's share in `first` less that in `second`, from -1 to 1 at most.

    Parameters
    ----------
    first, second : (places, K) arrays
        As in `place_parts`; two or more places.
    """
    draws = draw_fields(len(first), np.random.default_rng(0))
    one, other = (counts.sum(axis=0) / counts.sum() for counts in (first, second))
    one_drawn, other_drawn = (
        drawn / drawn.sum(axis=1, keepdims=True) for drawn in (draws @ first, draws @ second)
    )
    intervals = [
        paired_interval(*of_class)
        for of_class in zip(
            (one - other).tolist(),
            (one_drawn - other_drawn).T,
            place_parts(first, second).T,
            change_variances(first, second).tolist(),
            strict=True,
        )
    ]
    return [one.of_shares() for one in intervals]


def patients_interval(first: NDArray[np.float64], second: NDArray[np.float64], paired: bool) -> Interval:
    """Interval of the mean share of some patients less that of others, by Student's t, from -1 to 1 at most.

    `UNKNOWN` with fewer than two patients on a side, or where neither side's shares vary, or no paired
    differences.

    Parameters
    ----------
    first, second : (patients,) float64 array
        Shares.
    paired : bool
        Whether they are the same patients in the same order; if not the interval is Welch's.
    """
    if min(len(first), len(second)) < 2:
        return UNKNOWN
    spread = np.ptp(first - second) if paired else max(np.ptp(first), np.ptp(second))
    if spread < _NO_SPREAD:
        return UNKNOWN
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # one side may be constant
        test = ttest_rel(first, second) if paired else ttest_ind(first, second, equal_var=False)
        ends = test.confidence_interval(LEVEL)
    return Interval(float(ends.low), float(ends.high)).of_shares()
