"""Means over fields, then seeds, then folds; on results written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drepano.experiments.plan import Plan
from drepano.experiments.splits import Split
from drepano.experiments.summary import (
    PER_CLASS,
    curve_differences,
    fields_table,
    learning_curves,
    method_differences,
    summarise,
)
from drepano.methods import Budget

CLASSES = ("background", "cell")
ERRORS = {"joined": 1, "artefacts": 0, "incomplete": 2, "misclassified": 0, "missed": 0, "true_cells": 20}


def field(name, dice, cells=20):
    values = {figure: [1.0, dice] for figure in ("dice", "jaccard", "hausdorff95", "surface_dice")}
    return {
        "field": name,
        "patient": None,
        "cells": cells,
        **values,
        "hausdorff": [1.0, None],
        "cell_errors": ERRORS,
    }


def result(method, split, seed, fields, **more):
    return {
        "job": {"method": method, "split": split, "seed": seed},
        "fields": fields,
        "detection": {"f1": 0.9, "panoptic_quality": 0.8},
        "confusion": [[90, 1], [2, 7]],
        "cell_confusion": [[0, 1], [2, 17]],
        "cell_recall": [0.9],
        "roc": [{"false_positive_rate": [0, 1], "true_positive_rate": [0, 1], "auc": 0.5}] * 2,
        "calibration": {"error": 0.01, "pixels": [0, 100], "confidence": [None, 0.9], "right": [None, 0.8]},
        "settings": {"config": {"seed": 0, "steps": 9}},
        "versions": {"drepano": "2"},
        "fit_seconds": 2.0,
        **more,
    }


def of(results, *methods):
    """As `read_results` gives them: those of `methods`, method by method."""
    return [one for method in methods for one in results if one["job"]["method"] == method]


def crop(name, patient, right):
    return {"crop": name, "patient": patient, "true": "Grl", "predicted": "Grl" if right else "El+Sk"}


@pytest.fixture
def plan():
    return Plan(
        kind="compare",
        data={"name": "two fields"},
        taxonomy="binary",
        classes=CLASSES,
        group="field",
        patients={"a": None, "b": None, "c": None},
        budget=Budget(),
        splits=(Split("fold-1", ("c",), ("a", "b")), Split("fold-2", ("a", "b"), ("c",))),
        notes=(),
    )


@pytest.fixture
def results():
    return [
        result("unet", "fold-1", 0, [field("a", 0.8), field("b", None)]),
        result("unet", "fold-1", 1, [field("a", 0.9), field("b", 0.7)]),
        result("unet", "fold-2", 0, [field("c", 0.6, cells=25)]),
        result("unet", "fold-2", 1, [field("c", 0.6, cells=25)]),
        result("dunet", "fold-1", 0, [field("a", 0.9), field("b", 0.9)]),
        result("dunet", "fold-2", 0, [field("c", 0.9)]),
    ]


def test_dice_is_averaged_over_fields_then_seeds_then_folds(plan, results):
    dice = summarise(plan, of(results, "unet"))["methods"]["unet"]["overlap"]["dice"]["cell"]
    first, second = (0.8 + (0.9 + 0.7) / 2) / 2, 0.6
    assert dice["mean"] == pytest.approx((first + second) / 2)
    assert dice["sd"] == pytest.approx(np.std([first, second], ddof=1))
    assert dice["folds"] == pytest.approx({"fold-1": first, "fold-2": second})


def test_the_spread_over_seeds_is_that_of_their_means_over_folds(plan, results):
    dice = summarise(plan, of(results, "unet"))["methods"]["unet"]["overlap"]["dice"]["cell"]
    assert dice["sd_over_seeds"] == pytest.approx(np.std([(0.8 + 0.6) / 2, (0.8 + 0.6) / 2], ddof=1))


def test_fields_without_a_figure_are_counted(plan, results):
    overlap = summarise(plan, of(results, "unet"))["methods"]["unet"]["overlap"]
    assert (overlap["dice"]["cell"]["fields_without"], overlap["dice"]["cell"]["fields"]) == (1, 6)
    assert np.isnan(overlap["hausdorff"]["cell"]["mean"])
    assert overlap["hausdorff"]["cell"]["fields_without"] == 6


def test_a_class_that_a_fold_lacks_is_left_out_of_its_average(plan, results):
    overlap = summarise(plan, of(results, "unet"))["methods"]["unet"]["overlap"]["hausdorff"]
    assert overlap["average"]["mean"] == overlap["background"]["mean"] == 1.0


def test_what_is_left_out_of_the_average_is_counted_over_all_classes(plan, results):
    average = summarise(plan, of(results, "unet"))["methods"]["unet"]["overlap"]["dice"]["average"]
    assert (average["fields_without"], average["fields"]) == (1, 12)


def test_a_method_says_how_and_by_which_versions_it_was_trained_and_measured(plan, results):
    results[0] |= {"cells_versions": {"drepano": "3"}}
    results[1] |= {"training_versions": {"drepano": "1", "gpu": "a GPU"}}
    unet = summarise(plan, of(results, "unet"))["methods"]["unet"]
    assert (unet["jobs"], unet["seeds"], unet["settings"]) == (4, [0, 1], {"config": {"steps": 9}})
    two = {"drepano": "2"}
    assert unet["versions"] == [
        {"trained": two, "measured": two, "cells": {"drepano": "3"}},
        {"trained": {"drepano": "1", "gpu": "a GPU"}, "measured": two, "cells": two},
        {"trained": two, "measured": two, "cells": two},
    ]


def test_calibration_is_that_of_all_pixels_together(plan, results):
    results[0]["calibration"] = {
        "error": 0.4,
        "pixels": [0, 300],
        "confidence": [None, 0.8],
        "right": [None, 0.4],
    }
    bins = summarise(plan, results[:2])["methods"]["unet"]["calibration"]
    assert bins["pixels"] == [0, 400]
    assert np.isnan([bins["confidence"][0], bins["right"][0]]).all()
    assert (bins["confidence"][1], bins["right"][1]) == pytest.approx((0.825, 0.5))


def test_errors_are_counted_a_fold_and_for_every_hundred_cells(plan, results):
    errors = summarise(plan, of(results, "unet"))["methods"]["unet"]["cell_errors"]["incomplete"]
    assert errors["per_fold"]["mean"] == pytest.approx((4 + 2) / 2)
    assert errors["per_100_cells"]["mean"] == pytest.approx(10)


def test_errors_3_are_incomplete_cells_in_binary_and_cells_of_two_classes_else(plan, results):
    for one in results:
        for row in one["fields"]:
            row["cell_errors"] = {**ERRORS, "misclassified": 7}
    binary = summarise(plan, of(results, "unet"))["methods"]["unet"]["cell_errors"]["together"]
    assert binary["per_100_cells"]["mean"] == pytest.approx(100 * (1 + 0 + 2) / 20)
    for one in results:
        for row in one["fields"]:
            row |= {figure: [*row[figure], None] for figure in PER_CLASS}
        one |= {"roc": [one["roc"][0]] * 3, "cell_recall": [0.9, None]}
    plan = replace(plan, classes=(*CLASSES, "other"))
    for one in of(results, "dunet"):
        for row in one["fields"]:
            row["cell_errors"] = {**ERRORS, "incomplete": 50, "misclassified": 4}
    five = summarise(plan, of(results, "unet", "dunet"))
    assert five["methods"]["unet"]["cell_errors"]["together"]["per_100_cells"]["mean"] == pytest.approx(40)
    assert [d["mean"] for d in five["differences"] if d["figure"] == "together"] == [3]


def test_error_of_the_count_is_relative_and_per_field(plan, results):
    methods = summarise(plan, of(results, "unet", "dunet"))["methods"]
    assert methods["unet"]["count_error"]["folds"] == pytest.approx({"fold-1": 0, "fold-2": 0.25})
    assert methods["dunet"]["count_error"]["mean"] == 0


def test_confusion_counts_all_pixels_of_all_jobs(plan, results):
    assert summarise(plan, of(results, "dunet"))["methods"]["dunet"]["confusion"] == [[180, 2], [4, 14]]


def test_confusion_counts_all_cells_of_all_jobs(plan, results):
    counts = summarise(plan, of(results, "dunet"))["methods"]["dunet"]["cell_confusion"]
    assert counts == [[0, 2], [4, 34]]


def test_methods_are_compared_in_pairs_on_the_fields_of_both(plan, results):
    differences = summarise(plan, of(results, "dunet", "unet"))["differences"]
    dice = next(d for d in differences if d["figure"] == "dice")
    assert (dice["first"], dice["second"], dice["fields"], dice["unit"]) == ("dunet", "unet", 3, "fields")
    assert dice["mean"] == pytest.approx(np.mean([0.9 - 0.85, 0.9 - 0.7, 0.9 - 0.6]))
    assert dice["words"].startswith("dU-Net ")


def test_a_class_that_one_seed_is_not_asked_for_is_nobodys_gain(plan):
    """In field a one method has the third class in its map alone, by a stray pixel: its Dice there is 0."""
    plan = replace(plan, classes=(*CLASSES, "other"))

    def with_third(dice, third):
        return {**field("a", dice), "dice": [0.9, dice, third]}

    results = [
        result("dunet", "fold-1", 0, [with_third(0.8, None)]),
        result("unet", "fold-1", 0, [with_third(0.8, 0.0)]),
        result("dunet", "fold-2", 0, [{**field("c", 0.8), "dice": [0.9, 0.8, 0.7]}]),
        result("unet", "fold-2", 0, [{**field("c", 0.8), "dice": [0.9, 0.8, 0.7]}]),
    ]
    by_method = {name: [one for one in results if one["job"]["method"] == name] for name in ("dunet", "unet")}
    dice = next(d for d in method_differences(by_method, plan) if d["figure"] == "dice")
    assert dice["mean"] == 0
    assert dice["fields"] == 2
    assert dice["left_out"] == 1
    assert "2 fields, without 1 value of an absent class" in dice["words"]


def test_crops_count_as_right_over_all_patients_together(plan):
    crops = [{"crop": "c", "true": "cell", "predicted": "cell"}] * 3
    crops += [{"crop": "c", "true": "other", "predicted": "cell"}]
    both = [
        result("unet", "fold-1", 0, [field("a", 0.8)], crops=crops),
        result("unet", "fold-2", 0, [field("c", 0.8)], crops=crops[:1]),
    ]
    summary = summarise(plan, of(both, "unet"))["methods"]["unet"]["crops"]
    assert summary == {"crops": 5, "right": [0.8], "mean_recall": [0.5]}


def test_the_table_of_fields_has_a_row_a_field_a_job(results):
    table = fields_table(results, CLASSES)
    assert len(table) == sum(len(one["fields"]) for one in results)
    row = table[(table["method"] == "unet") & (table["seed"] == 1) & (table["field"] == "a")].iloc[0]
    assert (row["dice cell"], row["incomplete"], row["true_cells"], row["split"]) == (0.9, 2, 20, "fold-1")
    assert table["hausdorff cell"].isna().all()


def test_single_crops_are_compared_over_patients(plan):
    hits = {"dunet": {"P": 9, "Q": 8, "R": 9}, "unet": {"P": 6, "Q": 5, "R": 6}}
    results = [
        result(
            method,
            f"fold-{patient}",
            seed,
            [field("a", 0.9)],
            crops=[crop(f"{patient}{i}", patient, i < right) for i in range(10)],
        )
        for method, patients in hits.items()
        for patient, right in patients.items()
        for seed in (0, 1)
    ]
    (row,) = [
        one
        for one in summarise(plan, of(results, "dunet", "unet"))["differences"]
        if one["figure"] == "crops"
    ]
    assert row["mean"] == pytest.approx(0.3)
    assert (row["fields"], row["units"], row["unit"]) == (30, 3, "patients")
    assert row["words"].startswith(
        "dU-Net is better than U-Net in the share of single crops given the right class by more than chance"
    )
    assert "30 crops of 3 patients" in row["words"]


def test_a_learning_curve_compares_at_equal_sizes_and_with_half_the_fields(plan):
    points = {("dunet", 10): 0.8, ("dunet", 20): 0.9, ("unet", 10): 0.7, ("unet", 20): 0.8}
    results = [
        result(method, f"fields-{size}", 0, [field("a", dice), field("b", dice)])
        for (method, size), dice in points.items()
    ]
    differences = curve_differences(of(results, "dunet", "unet"), plan)
    assert {(d["first"], d["second"]): round(d["mean"], 6) for d in differences} == {
        ("dunet with 10 fields", "unet with 10 fields"): 0.1,
        ("dunet with 10 fields", "unet with 20 fields"): 0.0,
        ("unet with 10 fields", "dunet with 20 fields"): -0.2,
        ("dunet with 20 fields", "unet with 20 fields"): 0.1,
    }


def test_a_learning_curve_has_a_point_a_size(results):
    for one in results:
        one["job"]["split"] = one["job"]["split"].replace("fold-", "fields-")
    curves = learning_curves(of(results, "dunet", "unet"), CLASSES)
    assert {method: list(curve) for method, curve in curves.items()} == {
        "dunet": ["1", "2"],
        "unet": ["1", "2"],
    }
    assert curves["dunet"]["2"]["mean"] == 0.9
