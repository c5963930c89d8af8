"""Fields of one place: python benchmarks/overlapping_fields.py BBBC041SEG RESULTS OUT.json

Two fields of BBBC041Seg, one of train and one of val, overlap: cells that a network was trained on are tested
on. All pairs are registered by phase correlation, and those that look alike where they would overlap are
named. OUT.json has them, the figures of the shipped `rbc` on val with and without them, and those of the
comparison in the folder RESULTS.
"""

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from drepano.datasets import open_dataset
from drepano.experiments import evaluate_fields, summarise_fields
from drepano.experiments.differences import method_differences
from drepano.experiments.plan import read_plan
from drepano.experiments.results import TOGETHER, Result, results_by_method
from drepano.experiments.summary import summarise_fields_and_crops
from drepano.io import write_json
from drepano.preprocessing import scale_image
from drepano.segmenter import load_model

sys.path.append(str(Path(__file__).parent))
from join_results import stored_results

SCALE = 0.25
SIDE = 720
"""Of the squares that scaled fields are laid in, px: at least twice a field's, so that no shift is taken for
another."""
ALIKE = 0.9
"""Correlation of two fields where they would overlap."""
SMALLEST = 0.02
"""Share of a field that an overlap has at least."""


def main(data: Path, results: Path, out: Path) -> None:
    dataset = open_dataset(data)
    fields = {field.id: field for field in dataset}
    grey = {id: scale_image(field.image, SCALE).mean(axis=2) for id, field in fields.items()}
    spectra = {id: fft.rfft2(image - image.mean(), (SIDE, SIDE)) for id, image in grey.items()}
    found = []
    for one, other in combinations(fields, 2):
        rows, columns = shift_between(spectra[one], spectra[other])
        parts = overlap(grey[one], grey[other], rows, columns)
        if parts[0].size < SMALLEST * grey[one].size:
            continue
        correlation = float(np.corrcoef(parts[0].ravel(), parts[1].ravel())[0, 1])
        if correlation > ALIKE:
            cells = overlap(fields[one].instances, fields[other].instances, *factor(rows, columns))
            found.append(
                {
                    "fields": [one, other],
                    "shift": list(factor(rows, columns)),
                    "correlation": round(correlation, 3),
                    "cells": [
                        [len(set(np.unique(part)) - {0}), int(fields[id].instances.max())]
                        for id, part in zip((one, other), cells, strict=True)
                    ],
                }
            )
    both = {id for pair in found for id in pair["fields"]}
    write_json(
        out,
        {
            "pairs": found,
            "rbc_on_val": figures_of_rbc(data / "val", both),
            results.name: figures_of_methods(results, both),
        },
    )


def shift_between(one: NDArray[np.complex64], other: NDArray[np.complex64]) -> tuple[int, int]:
    """Rows and columns by which the second field is to be moved to lie on the first, scaled px."""
    product = one * np.conj(other)
    peaks = fft.irfft2(product / np.maximum(np.abs(product), 1e-9), (SIDE, SIDE))
    rows, columns = (int(place) for place in np.unravel_index(peaks.argmax(), peaks.shape))
    return (rows + SIDE // 2) % SIDE - SIDE // 2, (columns + SIDE // 2) % SIDE - SIDE // 2


def factor(rows: int, columns: int) -> tuple[int, int]:
    """Scaled px as those of the fields."""
    return round(rows / SCALE), round(columns / SCALE)


def overlap(one: NDArray[Any], other: NDArray[Any], rows: int, columns: int) -> list[NDArray[Any]]:
    """What both show when the second is moved by so much; empty where nothing."""
    height, width = (
        min(a, b + shift) - max(0, shift)
        for a, b, shift in zip(one.shape, other.shape, (rows, columns), strict=True)
    )
    if height <= 0 or width <= 0:
        return [one[:0], other[:0]]
    return [
        image[top : top + height, left : left + width]
        for image, top, left in (
            (one, max(0, rows), max(0, columns)),
            (other, max(0, -rows), max(0, -columns)),
        )
    ]


def figures_of_rbc(val: Path, left_out: set[str]) -> dict[str, Any]:
    table = evaluate_fields(load_model("rbc"), open_dataset(val))
    without = table[~table["field"].isin(left_out)]
    return {"all": summarise_fields(table), "without": summarise_fields(without)}


def figures_of_methods(folder: Path, left_out: set[str]) -> dict[str, Any]:
    """Dice and errors of every method, and what is said of the pairs, with and without those fields."""
    plan = read_plan(folder)
    results = stored_results(folder, plan)
    of_all = method_differences(results, plan)
    kept: list[Result] = [
        {**result, "fields": [field for field in result["fields"] if field["field"] not in left_out]}
        for result in results
    ]
    verdicts = {
        (one["figure"], one["first"], one["second"]): one["verdict"] for one in method_differences(kept, plan)
    }
    changed = [
        [*key, one["verdict"], verdicts[key]]
        for one in of_all
        if verdicts[key := (one["figure"], one["first"], one["second"])] != one["verdict"]
    ]
    return {
        "all": figures(results, plan.classes),
        "without": figures(kept, plan.classes),
        "pairs": len(of_all),
        "pairs_told_otherwise_without": changed,
    }


def figures(results: list[Result], classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    summaries = {
        name: summarise_fields_and_crops(of_method, classes)
        for name, of_method in results_by_method(results).items()
    }
    return {
        name: {
            "dice": round(summary["overlap"]["dice"][classes[1]]["mean"], 4),
            "errors_per_100_cells": round(summary["cell_errors"][TOGETHER]["per_100_cells"]["mean"], 2),
        }
        for name, summary in summaries.items()
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
