"""Methods in pairs, on the same fields: in what they differ by more than chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.experiments.compared import CROPS, RECALL, field_figures, larger_is_better
from drepano.experiments.plan import Plan
from drepano.experiments.results import (
    Result,
    crops_table,
    having,
    results_by_method,
)
from drepano.experiments.splits import training_size
from drepano.experiments.statistics import Difference, paired_difference, verdict


def method_differences(results: Sequence[Result], plan: Plan) -> list[dict[str, Any]]:
    """Every pair of methods, in all of `field_figures` and in single crops.

    Parameters
    ----------
    results : sequence of dict
        From `read_results`.
    plan : Plan

    Returns
    -------
    list of dict
        A `Difference` each, with the ``figure``, the two methods (``first``, ``second``), how many ``seeds``
        of each tell of it, the ``verdict`` on the first, and how many values are ``left_out``, undefined in a
        training of either.
    """
    by_method = results_by_method(results)
    differences = []
    for name, figure in field_figures(plan.classes).items():
        known = {method: having(figure.needs, of_method) for method, of_method in by_method.items()}
        for first, second in combinations([method for method in known if known[method]], 2):
            sides = known[first], known[second]
            differences += _difference((first, second), sides, name, figure.read, plan)
    for name in (CROPS, RECALL):
        for first, second in combinations(by_method, 2):
            differences += _crop_difference((first, second), (by_method[first], by_method[second]), name)
    return differences


def _crop_difference(
    names: tuple[str, str], sides: tuple[Sequence[Result], Sequence[Result]], figure: str
) -> list[dict[str, Any]]:
    """In `CROPS` or `RECALL`, of the crops that both have classified; empty where there are none."""
    tables = [crops_table(results) for results in sides]
    if not all(map(len, tables)):
        return []
    common = set(tables[0]["crop"]) & set(tables[1]["crop"])
    crops = pd.concat(tables).drop_duplicates("crop").set_index("crop").loc[sorted(common)]
    if crops.empty:
        return []
    classes = crops["true"] if figure == RECALL else pd.Series("any", crops.index)
    one, other = (_recall_by_crop(table, classes) for table in tables)
    patients, folds = (dict(zip(crops.index, crops[name], strict=True)) for name in ("patient", "split"))
    seeds = [table["seed"].nunique() for table in tables]
    return [_as_json(figure, names, seeds, paired_difference(one, other, patients, folds))]


def _recall_by_crop(table: pd.DataFrame, classes: pd.Series) -> dict[str, NDArray[np.float64]]:
    """Of every crop what it tells of the mean over classes of the share that is given the right class.

    A crop's share of it: the mean itself, and, weighted by one over the number of crops of its class, how far
    the crop, 1 where it is right and 0 where not, is above the share of its class. So the mean over crops is
    that mean over classes, and patients who have more of a class do not differ by that alone (the linear
    approximation of a mean of ratios; Cochran 1977, Sampling Techniques, chapter 6).

    Parameters
    ----------
    table : DataFrame
        From `crops_table`.
    classes : Series
        Class of every crop to be looked at, by its name.

    Returns
    -------
    dict of crop to (seeds,) float64 array
        NaN where a seed lacks the crop.
    """
    right = (table["true"] == table["predicted"]).astype(float)
    by_seed = table.assign(right=right).pivot(index="crop", columns="seed", values="right").loc[classes.index]
    shares = by_seed.mean(axis=1).groupby(classes).mean()
    counts = classes.value_counts()
    weights = len(classes) / len(counts) / classes.map(counts)
    values = by_seed.sub(classes.map(shares), axis=0).mul(weights, axis=0) + shares.mean()
    return {str(crop): row for crop, row in zip(values.index, values.to_numpy(), strict=True)}


def _difference(
    names: tuple[str, str],
    results: tuple[Sequence[Result], Sequence[Result]],
    figure: str,
    read: Callable[[dict[str, Any]], list[float]],
    plan: Plan,
) -> list[dict[str, Any]]:
    """In what is read of every field; empty where the two have no field in common on which it is defined.

    A field's figure is the mean over those classes that are defined for both methods and all their seeds: a
    class that only one of them is asked for would count as that one's gain.
    """
    sides = [_by_field(of_side, read) for of_side in results]
    seeds = [sorted({result["job"]["seed"] for result in of_side}) for of_side in results]
    values: list[dict[str, NDArray[np.float64]]] = [{}, {}]
    left_out = 0
    for field in [field for field in sides[0] if field in sides[1]]:
        defined = ~np.isnan([row for side in sides for row in side[field].values()]).any(axis=0)
        left_out += int((~defined).sum())
        if defined.any():
            for value, side, of_side in zip(values, sides, seeds, strict=True):
                means = {seed: row[defined].mean() for seed, row in side[field].items()}
                value[field] = np.array([means.get(seed, np.nan) for seed in of_side])
    if not values[0]:
        return []
    folds = {id_: split.fold for split in plan.splits for id_ in split.test}
    difference = paired_difference(values[0], values[1], plan.patients, folds)
    return [_as_json(figure, names, [*map(len, seeds)], difference, left_out)]


def _as_json(
    figure: str, names: tuple[str, str], seeds: list[int], difference: Difference, left_out: int = 0
) -> dict[str, Any]:
    """`left_out`: values, one a field or one a field and class, that a training of either method lacks."""
    return {
        "figure": figure,
        "first": names[0],
        "second": names[1],
        "seeds": seeds,
        **asdict(difference),
        "left_out": left_out,
        "verdict": verdict(difference, larger_is_better(figure)),
    }


def _by_field(
    results: Sequence[Result], read: Callable[[dict[str, Any]], list[float]]
) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Of every field and seed what is read there, (classes,), NaN where undefined."""
    values: dict[str, dict[int, NDArray[np.float64]]] = defaultdict(dict)
    for result in results:
        for field in result["fields"]:
            values[field["field"]][result["job"]["seed"]] = np.array(read(field))
    return dict(values)


def curve_differences(results: Sequence[Result], plan: Plan) -> list[dict[str, Any]]:
    """Pairs of methods with equally many training fields, and either with half as many as the other.

    The paper's claim for its Fig. 7 is of the second kind: dU-Net does with half the fields what U-Net does.
    """
    by_point: dict[tuple[str, int], list[Result]] = defaultdict(list)
    for result in results:
        by_point[result["job"]["method"], training_size(result["job"]["split"])].append(result)
    differences = []
    dice = field_figures(plan.classes)["dice"].read
    methods = results_by_method(results)
    sizes = sorted({size for _, size in by_point})
    points = [((first, size), (second, size)) for first, second in combinations(methods, 2) for size in sizes]
    points += [
        ((first, size), (second, 2 * size)) for first, second in permutations(methods, 2) for size in sizes
    ]
    for (first, fewer), (second, more) in points:
        names = f"{first} with {_fields(fewer)}", f"{second} with {_fields(more)}"
        sides = by_point[first, fewer], by_point[second, more]
        differences += _difference(names, sides, "dice", dice, plan)
    return differences


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"
