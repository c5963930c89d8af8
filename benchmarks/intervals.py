"""How often intervals hold the truth: python benchmarks/intervals.py RESULTS

Simulated patients: every field has shares of its own, drawn around the patient's with the intraclass
correlation given, and 60 to 140 cells. Shares as they are; differences of two patients; differences of one
patient between two times at the same places, where a share that is high stays high; and shares of cells whose
classes were confused as `scd` confuses them (RESULTS/scd-confusion.json), corrected with the confusion that a
test on as many patients and cells measured. Every patient, of the test or new, has rates of confusion drawn
around those of `scd`: all the same ("confusion_correlation": 0), or as far apart as the patients of its test
are, or twice that. Writes intervals.json into RESULTS.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import beta

from drepano.cells.corrections import (
    Correction,
    confusion_correlation,
    corrected_intervals,
)
from drepano.cells.shares import (
    Interval,
    binomial_interval,
    difference_interval,
    draw_share,
    field_interval,
    paired_difference_intervals,
)
from drepano.io import write_json

PATIENTS = 1000
CORRECTED_PATIENTS = 100
FIELDS = (2, 3, 5, 10, 20)
CORRECTED_FIELDS = (2, 5, 20)
PLACES = (3, 5, 10, 20)
CORRECTED_PLACES = (3, 5, 20)
CASES = (
    *((0.1, correlation) for correlation in (0, 0.05, 0.1, 0.2)),
    (0.3, 0.02),
    (0.02, 0.02),
    *((share, 0.05) for share in (0.02, 0.01, 0.005)),
)
"""Share, intraclass correlation."""
PAIRS = ((0.1, 0.1, 0.05), (0.1, 0.1, 0.2), (0.3, 0.1, 0.02), (0.02, 0.02, 0.02))
"""Share of the first patient, of the second, intraclass correlation."""
MIXTURES = (((0.6, 0.1, 0.1, 0.2), 0.05), ((0.9, 0.005, 0.045, 0.05), 0.02))
"""Shares of all classes, intraclass correlation."""

COURSES = (
    ((0.6, 0.1, 0.1, 0.2), (0.5, 0.2, 0.1, 0.2)),
    ((0.9, 0.005, 0.045, 0.05), (0.88, 0.025, 0.045, 0.05)),
)
"""Shares of all classes at two times."""
PLACE_SPREAD = 0.3
"""Of the logarithm of a class's cells between places, at both times."""


def main(results: Path) -> None:
    rng = np.random.default_rng(1)
    confusion = np.array(json.loads((results / "scd-confusion.json").read_text()))
    measured = confusion_correlation(confusion)
    conditions = (
        f"{PATIENTS} simulated patients or pairs a row ({CORRECTED_PATIENTS} of corrected shares, all "
        "classes together), 60 to 140 cells a field, 95 % intervals: how many hold the truth"
    )
    rows = {
        "shares": [shares(rng, fields, *case) for fields in FIELDS for case in CASES],
        "differences": [differences(rng, fields, *pair) for fields in FIELDS for pair in PAIRS],
        "corrected": [
            corrected(rng, confusion, apart, fields, *mix)
            for apart in (0, measured, 2 * measured)
            for fields in CORRECTED_FIELDS
            for mix in MIXTURES
        ],
        "same_places": [
            same_places(rng, places, unequal, *pair)
            for unequal in (1, 10)
            for places in PLACES
            for pair in PAIRS
        ],
        "same_places_corrected": [
            same_places_corrected(rng, confusion, measured, places, *course)
            for places in CORRECTED_PLACES
            for course in COURSES
        ],
    }
    write_json(results / "intervals.json", {"conditions": conditions, **rows})


def shares(rng: np.random.Generator, fields: int, share: float, correlation: float) -> dict[str, float]:
    held = np.zeros((PATIENTS, 2), bool)
    half_widths = np.zeros(PATIENTS)
    for patient in range(PATIENTS):
        hits, cells = draw_patient(rng, fields, share, correlation)
        intervals = field_interval(hits, cells, patient), binomial_interval(hits.sum(), cells.sum())
        held[patient] = [holds(interval, share) for interval in intervals]
        half_widths[patient] = intervals[0].half_width
    over_fields, binomial = held.mean(axis=0).round(3).tolist()
    return {
        "fields": fields,
        "share": share,
        "intraclass_correlation": correlation,
        "held_by_interval_over_fields": over_fields,
        "held_by_binomial_interval": binomial,
        "median_half_width": round(float(np.median(half_widths)), 4),
    }


def differences(
    rng: np.random.Generator, fields: int, first: float, second: float, correlation: float
) -> dict[str, float]:
    held = np.zeros(PATIENTS, bool)
    for pair in range(PATIENTS):
        drawn = [
            draw_share(*draw_patient(rng, fields, share, correlation), seed=2 * pair + side)
            for side, share in enumerate((first, second))
        ]
        held[pair] = holds(difference_interval(*drawn), first - second)
    return {
        "fields_each": fields,
        "first_share": first,
        "second_share": second,
        "intraclass_correlation": correlation,
        "held": round(float(held.mean()), 3),
    }


def corrected(
    rng: np.random.Generator,
    confusion: np.ndarray,
    apart: float,
    fields: int,
    shares: tuple[float, ...],
    correlation: float,
) -> dict[str, object]:
    called = confusion.sum(axis=0)
    mean_rates = called / called.sum(axis=1, keepdims=True)
    held, held_if_alike = np.zeros((2, CORRECTED_PATIENTS, len(shares)), bool)
    half_widths = np.zeros(held.shape)
    for patient in range(CORRECTED_PATIENTS):
        tested = draw_test(rng, confusion, mean_rates, apart)
        of_fields = rng.dirichlet(np.array(shares) * (1 / correlation - 1), fields)
        rates = draw_rates(rng, mean_rates, apart)
        counts = np.array([rng.multinomial(rng.integers(60, 140), share @ rates) for share in of_fields])
        intervals = corrected_intervals(counts, Correction(tested), patient)
        held[patient] = hold(intervals, shares)
        held_if_alike[patient] = hold(
            corrected_intervals(counts, Correction(tested.sum(axis=0)), patient), shares
        )
        half_widths[patient] = [interval.half_width for interval in intervals]
    return {
        "confusion_correlation": round(apart, 3),
        "fields": fields,
        "shares": list(shares),
        "intraclass_correlation": correlation,
        "held": round(float(held.mean()), 3),
        "held_of_the_worst_class": round(float(held.mean(axis=0).min()), 3),
        "held_if_patients_are_taken_to_be_alike": round(float(held_if_alike.mean()), 3),
        "median_half_width": np.median(half_widths, axis=0).round(3).tolist(),
    }


def same_places(
    rng: np.random.Generator, places: int, unequal: int, first: float, second: float, correlation: float
) -> dict[str, float]:
    """The place with the highest share at the first time has it at the second, too.

    The first place has `unequal` times as many cells as the others.
    """
    more = np.where(np.arange(places) == 0, unequal, 1)
    strength = 1 / correlation - 1
    held, held_as_others = np.zeros((2, PATIENTS), bool)
    narrower = np.full(PATIENTS, np.nan)
    for patient in range(PATIENTS):
        rank = rng.random(places)
        sides, drawn = [], []
        for side, share in enumerate((first, second)):
            cells = more * rng.integers(60, 140, places)
            hits = rng.binomial(cells, beta.ppf(rank, share * strength, (1 - share) * strength))
            sides.append(np.column_stack([hits, cells - hits]))
            drawn.append(draw_share(hits, cells, 2 * patient + side))
        as_others = difference_interval(*drawn)
        interval = paired_difference_intervals(*sides)[0]
        held[patient] = holds(interval, first - second)
        held_as_others[patient] = holds(as_others, first - second)
        narrower[patient] = interval.half_width / as_others.half_width
    return {
        "places": places,
        "cells_of_the_first": unequal,
        "first_share": first,
        "second_share": second,
        "intraclass_correlation": correlation,
        "held": round(float(held.mean()), 3),
        "held_as_other_places": round(float(held_as_others.mean()), 3),
        "median_width_to_that_as_other_places": round(float(np.median(narrower)), 3),
    }


def same_places_corrected(
    rng: np.random.Generator,
    confusion: np.ndarray,
    apart: float,
    places: int,
    first: tuple[float, ...],
    second: tuple[float, ...],
) -> dict[str, object]:
    mean_rates = confusion.sum(axis=0) / confusion.sum(axis=(0, 2))[:, None]
    truth = [
        one - other for one, other in zip(*(of_places(rng, 10**5, first, second).mean(axis=1)), strict=True)
    ]
    held = np.zeros((CORRECTED_PATIENTS, len(first)), bool)
    half_widths = np.zeros(held.shape)
    for patient in range(CORRECTED_PATIENTS):
        rates = draw_rates(rng, mean_rates, apart)
        sides = [
            np.array([rng.multinomial(rng.integers(60, 140), share @ rates) for share in shares])
            for shares in of_places(rng, places, first, second)
        ]
        correction = Correction(draw_test(rng, confusion, mean_rates, apart))
        intervals = correction.paired_intervals(*sides, patient)
        held[patient] = hold(intervals, truth)
        half_widths[patient] = [interval.half_width for interval in intervals]
    return {
        "confusion_correlation": round(apart, 3),
        "places": places,
        "first_shares": list(first),
        "second_shares": list(second),
        "held": round(float(held.mean()), 3),
        "held_of_the_worst_class": round(float(held.mean(axis=0).min()), 3),
        "median_half_width": np.median(half_widths, axis=0).round(3).tolist(),
    }


def of_places(rng: np.random.Generator, places: int, *times: tuple[float, ...]) -> np.ndarray:
    """Shares of all classes at places that have more of some classes at all times, (times, places, K)."""
    more = np.exp(PLACE_SPREAD * rng.standard_normal((places, len(times[0]))))
    cells = np.array(times)[:, None] * more
    return cells / cells.sum(axis=2, keepdims=True)


def draw_test(
    rng: np.random.Generator, confusion: np.ndarray, mean_rates: np.ndarray, apart: float
) -> np.ndarray:
    """What a test on other patients, of as many cells as `confusion`, would count."""
    return np.array(
        [
            [
                rng.multinomial(row.sum(), rates)
                for row, rates in zip(one, draw_rates(rng, mean_rates, apart), strict=True)
            ]
            for one in confusion
        ]
    )


def draw_rates(rng: np.random.Generator, mean_rates: np.ndarray, apart: float) -> np.ndarray:
    """A patient's rates of confusion, Dirichlet around the mean ones."""
    if not apart:
        return mean_rates
    return np.array([rng.dirichlet(np.maximum(row, 1e-6) * (1 / apart - 1)) for row in mean_rates])


def draw_patient(
    rng: np.random.Generator, fields: int, share: float, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    cells = rng.integers(60, 140, fields)
    if not correlation:
        return rng.binomial(cells, share), cells
    strength = 1 / correlation - 1
    return rng.binomial(cells, rng.beta(share * strength, (1 - share) * strength, fields)), cells


def hold(intervals: list[Interval], truths: tuple[float, ...]) -> list[bool]:
    return [holds(interval, truth) for interval, truth in zip(intervals, truths, strict=True)]


def holds(interval: Interval, truth: float) -> bool:
    return interval.low - 1e-9 <= truth <= interval.high + 1e-9


if __name__ == "__main__":
    main(Path(sys.argv[1]))
