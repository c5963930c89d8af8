"""Fields of one place: python benchmarks/overlapping_fields.py BBBC041SEG RESULTS OUT.json [DATA ...]

Two fields of BBBC041Seg, one of train and one of val, overlap: cells that a network was trained on are
tested on. OUT.json has such pairs of it and of every other data set, and how alike those are that do not
overlap; the figures of the shipped `rbc` on val with and without the two, and those of the comparison in the
folder RESULTS.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from join_results import stored_results

from drepano.datasets import open_dataset
from drepano.experiments import evaluate_fields, summarise_fields
from drepano.experiments.differences import method_differences
from drepano.experiments.plan import read_plan
from drepano.experiments.results import TOGETHER, Result, results_by_method
from drepano.experiments.summary import summarise_fields_and_crops
from drepano.field import Field
from drepano.io import write_json
from drepano.overlaps import (
    ALIKE,
    Overlap,
    compare_pictures,
    overlap_picture,
    picture_scale,
    shown_by_both,
)
from drepano.segmenter import load_model


def main(data: Path, results: Path, out: Path, *others: Path) -> None:
    overlaps = {folder.name: overlaps_of(folder) for folder in (data, *others)}
    both = {id for pair in overlaps[data.name]["pairs"] for id in pair["fields"]}
    write_json(
        out,
        {
            "overlaps": overlaps,
            "rbc_on_val": figures_of_rbc(data / "val", both),
            results.name: figures_of_methods(results, both),
        },
    )


def overlaps_of(folder: Path) -> dict[str, Any]:
    """Pairs of a data set that show the same place, and the most alike of those that do not."""
    dataset = open_dataset(folder)
    fields = list(dataset)
    pictures = [overlap_picture(field.image, dataset.cell_diameter) for field in fields]
    compared = compare_pictures(pictures)
    found = [pair for pair in compared if pair.correlation > ALIKE]
    others = [pair for pair in compared if pair.correlation <= ALIKE]
    return {
        "fields": len(fields),
        "pairs": [described(pair, fields, dataset.cell_diameter) for pair in found],
        "lowest_correlation_of_these": min((round(pair.correlation, 3) for pair in found), default=None),
        "highest_correlation_of_others": max((round(pair.correlation, 3) for pair in others), default=None),
    }


def described(pair: Overlap, fields: list[Field], cell_diameter: float) -> dict[str, Any]:
    one, other = fields[pair.first], fields[pair.second]
    scale = picture_scale(one.image.shape, cell_diameter)
    rows, columns = (round(by / scale) for by in pair.shift)
    facts = {
        "fields": [one.id, other.id],
        "shift": [rows, columns],
        "share": round(pair.share, 3),
        "correlation": round(pair.correlation, 3),
    }
    if one.instances is None or other.instances is None:
        return facts
    parts = shown_by_both(one.instances, other.instances, (rows, columns))
    cells = [
        [len(set(np.unique(part)) - {0}), int(whole.max())]
        for part, whole in zip(parts, (one.instances, other.instances), strict=True)
    ]
    return facts | {"cells": cells}


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
    main(*map(Path, sys.argv[1:]))
