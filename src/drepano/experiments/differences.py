"""Methods in pairs, on the same fields: in what they differ by more than chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.experiments.plan import Plan
from drepano.experiments.results import (
    AUC,
    DETECTION,
    ERRORS,
    FOUND,
    FOUND_CELLS,
    OF_FOUND_CELLS,
    TOGETHER,
    Result,
    count_errors,
    crops_table,
    number,
    results_by_method,
    tell_of,
    training_fields,
)
from drepano.experiments.statistics import Difference, paired_difference, verdict

_OF_COUNTED_CELLS = (*(f"{FOUND}{error}" for error in (*OF_FOUND_CELLS, TOGETHER)), *DETECTION)
_FIGURES = (
    "dice",
    "hausdorff",
    "hausdorff95",
    AUC,
    "joined",
    "artefacts",
    "incomplete",
    "misclassified",
    TOGETHER,
    "missed",
    *_OF_COUNTED_CELLS,
)
"""What methods are compared in on fields, pair by pair; with several classes of cells in each's Dice, too."""
OF_CLASS = "dice of "
"""Begins the name of the last: "dice of Grl"."""
_MEASURED_LATER = {AUC: AUC, **dict.fromkeys(_OF_COUNTED_CELLS, FOUND_CELLS)}
"""Of figures that not all versions measured the part of a field's result that tells of them."""
CROPS, RECALL = "crops", "mean recall"
"""What they are compared in on single crops: the share that is given the right class, and that share of each
class, averaged over classes."""
LARGER_IS_BETTER = ("dice", AUC, *DETECTION, CROPS, RECALL)


def method_differences(results: Sequence[Result], plan: Plan) -> list[dict[str, Any]]:
    """Every pair of methods, in what the paper compares (Dice, Hausdorff, cell errors), cells, crops.

    Parameters
    ----------
    results : sequence of dict
        From `read_results`.
    plan : Plan

    Returns
    -------
    list of dict
        A `Difference` each, with the figure, the two methods and the ``verdict`` on the first.
    """
    by_method = results_by_method(results)
    differences = []
    of_classes = [f"{OF_CLASS}{name}" for name in plan.classes[1:]]
    binary = len(of_classes) == 1
    figures = [figure for figure in _FIGURES if not (binary and figure == "misclassified")]
    for figure in [*figures, *([] if binary else of_classes)]:
        for first, second in combinations(_telling(by_method, figure), 2):
            difference = _difference(by_method[first], by_method[second], figure, plan)
            if difference is not None:
                differences.append(_as_json(figure, (first, second), difference))
    for figure in (CROPS, RECALL):
        for first, second in combinations(by_method, 2):
            difference = _crop_difference(by_method[first], by_method[second], figure)
            if difference is not None:
                differences.append(_as_json(figure, (first, second), difference))
    return differences


def _telling(by_method: dict[str, list[Result]], figure: str) -> list[str]:
    """Methods all of whose results tell of a figure; earlier versions did not measure some."""
    needed = _MEASURED_LATER.get(figure)
    return [name for name, results in by_method.items() if needed is None or tell_of(needed, results)]


def _crop_difference(first: Sequence[Result], second: Sequence[Result], figure: str) -> Difference | None:
    """In `CROPS` or `RECALL`, of the crops that both classified; None where there are none.

    A mean over classes of each one's share is a mean over crops, those of a rare class weighing more.
    """
    tables = [crops_table(results) for results in (first, second)]
    if not all(map(len, tables)):
        return None
    common = set(tables[0]["crop"]) & set(tables[1]["crop"])
    crops = pd.concat(tables).drop_duplicates("crop").set_index("crop").loc[sorted(common)]
    if crops.empty:
        return None
    weights = pd.Series(1.0, crops.index)
    if figure == RECALL:
        counts = crops["true"].value_counts()
        weights = len(crops) / len(counts) / crops["true"].map(counts)
    one, other = (_right_by_crop(table, weights) for table in tables)
    patients, folds = (dict(zip(crops.index, crops[name], strict=True)) for name in ("patient", "split"))
    return paired_difference(one, other, patients, folds)


def _right_by_crop(crops: pd.DataFrame, weights: pd.Series) -> dict[str, NDArray[np.float64]]:
    """For every crop with a weight that weight if it was given the right class, else 0, (seeds,); NaN where
    a seed lacks it."""
    right = (crops["true"] == crops["predicted"]).astype(float)
    table = crops.assign(right=right).pivot(index="crop", columns="seed", values="right").loc[weights.index]
    return {
        str(crop): weight * row
        for crop, weight, row in zip(weights.index, weights, table.to_numpy(), strict=True)
    }


def _difference(
    first: Sequence[Result], second: Sequence[Result], figure: str, plan: Plan
) -> Difference | None:
    """None where the two have no field in common on which the figure is defined.

    A field's figure is that of cells in binary, else the mean over those classes that are defined for both
    methods and all their seeds: a class that only one of them is asked for would count as that one's gain.
    """
    sides = [_by_field(results, figure, plan.classes) for results in (first, second)]
    seeds = [sorted({result["job"]["seed"] for result in results}) for results in (first, second)]
    values: list[dict[str, NDArray[np.float64]]] = [{}, {}]
    left_out = 0
    for field in [field for field in sides[0] if field in sides[1]]:
        defined = ~np.isnan([row for side in sides for row in side[field].values()]).any(axis=0)
        left_out += int((~defined).sum())
        if defined.any():
            for value, side, of_side in zip(values, sides, seeds, strict=True):
                means = {seed: row[defined].mean() for seed, row in side[field].items()}
                value[field] = np.array([means.get(seed, np.nan) for seed in of_side])
    folds = {id_: split.fold for split in plan.splits for id_ in split.test}
    try:
        difference = paired_difference(values[0], values[1], plan.patients, folds)
    except ValueError:
        return None
    return replace(difference, left_out=left_out)


def _as_json(figure: str, names: tuple[str, str], difference: Difference) -> dict[str, Any]:
    return {
        "figure": figure,
        "first": names[0],
        "second": names[1],
        **asdict(difference),
        "verdict": verdict(difference, figure.startswith(LARGER_IS_BETTER)),
    }


def _by_field(
    results: Sequence[Result], figure: str, classes: Sequence[str]
) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Of every field and seed the figure of each class, (classes,); of one number, (1,), NaN where undefined.

    In binary the background's is left out.
    """
    values: dict[str, dict[int, NDArray[np.float64]]] = defaultdict(dict)
    for result in results:
        for field in result["fields"]:
            if figure in (*ERRORS, TOGETHER):
                row = [count_errors(field, figure)]
            elif figure.startswith(FOUND):
                row = [count_errors(field, figure.removeprefix(FOUND), FOUND_CELLS)]
            elif figure in DETECTION:
                row = [number(field[figure])]
            elif figure.startswith(OF_CLASS):
                row = [number(field["dice"][classes.index(figure.removeprefix(OF_CLASS))])]
            else:
                row = [number(value) for value in field[figure]]
            values[field["field"]][result["job"]["seed"]] = np.array(row[1:] if len(row) == 2 else row)
    return dict(values)


def curve_differences(results: Sequence[Result], plan: Plan) -> list[dict[str, Any]]:
    """Pairs of methods with equally many training fields, and either with half as many as the other.

    The paper's claim for its Fig. 7 is of the second kind: dU-Net does with half the fields what U-Net does.
    """
    by_point: dict[tuple[str, int], list[Result]] = defaultdict(list)
    for result in results:
        by_point[result["job"]["method"], training_fields(result)].append(result)
    differences = []
    methods = results_by_method(results)
    sizes = sorted({size for _, size in by_point})
    points = [((first, size), (second, size)) for first, second in combinations(methods, 2) for size in sizes]
    points += [
        ((first, size), (second, 2 * size)) for first, second in permutations(methods, 2) for size in sizes
    ]
    for (first, fewer), (second, more) in points:
        difference = _difference(by_point[first, fewer], by_point[second, more], "dice", plan)
        if difference is not None:
            names = f"{first} with {_fields(fewer)}", f"{second} with {_fields(more)}"
            differences.append(_as_json("dice", names, difference))
    return differences


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"
