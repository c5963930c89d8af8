"""Means over fields, then seeds, then folds; on results written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drepano.experiments.differences import method_differences
from drepano.experiments.results import PER_CLASS
from drepano.experiments.summary import learning_curves, summarise_methods

CLASSES = ("background", "cell")


def test_dice_is_averaged_over_fields_then_seeds_then_folds(plan, results, of):
    dice = summarise_methods(of(results, "unet"), plan.classes)["unet"]["overlap"]["dice"]["cell"]
    first, second = (0.8 + (0.9 + 0.7) / 2) / 2, 0.6
    assert dice["mean"] == pytest.approx((first + second) / 2)
    assert dice["sd"] == pytest.approx(np.std([first, second], ddof=1))
    assert dice["folds"] == pytest.approx({"fold-1": first, "fold-2": second})


def with_dice(result, field, *seeds):
    """Results of U-Net, of each seed the Dice of its folds."""
    return [
        result("unet", f"fold-{fold}", seed, [field("ac"[fold - 1], dice)])
        for seed, folds in enumerate(seeds)
        for fold, dice in enumerate(folds, start=1)
    ]


def test_the_spread_over_seeds_is_that_of_their_means_over_folds(plan, result, field):
    made = with_dice(result, field, (0.8, 0.6), (0.9, 0.7))
    dice = summarise_methods(made, plan.classes)["unet"]["overlap"]["dice"]["cell"]
    assert dice["sd_over_seeds"] == pytest.approx(np.std([(0.8 + 0.6) / 2, (0.9 + 0.7) / 2], ddof=1))


def test_folds_that_a_seed_lacks_do_not_count_as_spread_over_seeds(plan, result, field):
    made = with_dice(result, field, (0.8, 0.6), (0.8,))
    dice = summarise_methods(made, plan.classes)["unet"]["overlap"]["dice"]["cell"]
    assert dice["sd_over_seeds"] == 0
    assert dice["mean"] == pytest.approx(0.7)


def test_fields_without_a_figure_are_counted(plan, results, of):
    overlap = summarise_methods(of(results, "unet"), plan.classes)["unet"]["overlap"]
    assert (overlap["dice"]["cell"]["fields_without"], overlap["dice"]["cell"]["fields"]) == (1, 6)
    assert np.isnan(overlap["hausdorff"]["cell"]["mean"])
    assert overlap["hausdorff"]["cell"]["fields_without"] == 6


def test_a_class_that_a_fold_lacks_is_left_out_of_its_average(plan, results, of):
    overlap = summarise_methods(of(results, "unet"), plan.classes)["unet"]["overlap"]["hausdorff"]
    assert overlap["average"]["mean"] == overlap["background"]["mean"] == 1.0


def test_what_is_left_out_of_the_average_is_counted_over_all_classes(plan, results, of):
    average = summarise_methods(of(results, "unet"), plan.classes)["unet"]["overlap"]["dice"]["average"]
    assert (average["fields_without"], average["fields"]) == (1, 12)


def test_calibration_is_that_of_all_pixels_together(plan, results):
    results[0]["calibration"] = {
        "error": 0.4,
        "pixels": [0, 300],
        "confidence": [None, 0.8],
        "right": [None, 0.4],
    }
    bins = summarise_methods(results[:2], plan.classes)["unet"]["calibration"]
    assert bins["pixels"] == [0, 400]
    assert np.isnan([bins["confidence"][0], bins["right"][0]]).all()
    assert (bins["confidence"][1], bins["right"][1]) == pytest.approx((0.825, 0.5))


def test_errors_are_counted_a_fold_and_for_every_hundred_cells(plan, results, of):
    errors = summarise_methods(of(results, "unet"), plan.classes)["unet"]["cell_errors"]["incomplete"]
    assert errors["per_fold"]["mean"] == pytest.approx((4 + 2) / 2)
    assert errors["per_100_cells"]["mean"] == pytest.approx(10)


def test_errors_3_are_incomplete_cells_in_binary_and_cells_of_two_classes_else(plan, results, of):
    for one in results:
        for row in one["fields"]:
            row["cell_errors"] = {**row["cell_errors"], "misclassified": 7}
    binary = summarise_methods(of(results, "unet"), plan.classes)["unet"]["cell_errors"]["together"]
    assert binary["per_100_cells"]["mean"] == pytest.approx(100 * (1 + 0 + 2) / 20)
    for one in results:
        for row in one["fields"]:
            row |= {figure: [*row[figure], None] for figure in PER_CLASS}
        one |= {"roc": [one["roc"][0]] * 3, "cell_recall": [0.9, None]}
    plan = replace(plan, classes=(*CLASSES, "other"))
    for one in of(results, "dunet"):
        for row in one["fields"]:
            row["cell_errors"] = {**row["cell_errors"], "incomplete": 50, "misclassified": 4}
    five = summarise_methods(of(results, "unet"), plan.classes)["unet"]["cell_errors"]["together"]
    assert five["per_100_cells"]["mean"] == pytest.approx(40)
    (together,) = [d for d in method_differences(results, plan) if d["figure"] == "together"]
    assert (together["first"], together["mean"]) == ("unet", 3)


def test_errors_of_found_cells_are_those_of_seeds_whose_results_all_have_them(plan, results, of):
    for one in of(results, "unet", "dunet")[1:]:
        for row in one["fields"]:
            row["found_cell_errors"] = {**row["cell_errors"], "joined": 6}
    methods = summarise_methods(of(results, "unet", "dunet"), plan.classes)
    assert methods["unet"]["seeds_of_found_cells"] == [1], "the first result of seed 0 has none"
    assert methods["dunet"]["seeds_of_found_cells"] == methods["dunet"]["seeds"]
    found = methods["dunet"]["found_cell_errors"]
    assert found["joined"]["per_100_cells"]["mean"] == pytest.approx(30)
    assert found["together"]["per_100_cells"]["mean"] == pytest.approx(100 * (6 + 0 + 2) / 20)


def test_error_of_the_count_is_relative_and_per_field(plan, results, of):
    methods = summarise_methods(of(results, "unet", "dunet"), plan.classes)
    assert methods["unet"]["count_error"]["folds"] == pytest.approx({"fold-1": 0, "fold-2": 0.25})
    assert methods["dunet"]["count_error"]["mean"] == 0


def test_confusion_counts_all_pixels_of_all_jobs(plan, results, of):
    assert summarise_methods(of(results, "dunet"), plan.classes)["dunet"]["confusion"] == [[180, 2], [4, 14]]


def test_confusion_counts_all_cells_of_all_jobs(plan, results, of):
    counts = summarise_methods(of(results, "dunet"), plan.classes)["dunet"]["cell_confusion"]
    assert counts == [[0, 2], [4, 34]]


def test_crops_count_as_right_over_all_patients_together(plan, field, result, of):
    crops = [{"crop": "c", "true": "cell", "predicted": "cell"}] * 3
    crops += [{"crop": "c", "true": "other", "predicted": "cell"}]
    both = [
        result("unet", "fold-1", 0, [field("a", 0.8)], crops=crops),
        result("unet", "fold-2", 0, [field("c", 0.8)], crops=crops[:1]),
    ]
    summary = summarise_methods(of(both, "unet"), plan.classes)["unet"]["crops"]
    assert summary == {"crops": [5], "right": [0.8], "mean_recall": [0.5]}


def test_crops_are_counted_for_each_seed(plan, field, result, of):
    crops = [{"crop": "c", "true": "cell", "predicted": "cell"}]
    seeds = [
        result("unet", "fold-1", seed, [field("a", 0.8)], crops=crops * count)
        for seed, count in ((0, 3), (1, 1))
    ]
    assert summarise_methods(seeds, plan.classes)["unet"]["crops"]["crops"] == [3, 1]


def test_a_learning_curve_has_a_point_a_size(results, of):
    for one in results:
        one["job"]["split"] = one["job"]["split"].replace("fold-", "fields-")
    curves = learning_curves(of(results, "dunet", "unet"), CLASSES)
    assert {method: list(curve) for method, curve in curves.items()} == {
        "dunet": ["1", "2"],
        "unet": ["1", "2"],
    }
    assert curves["dunet"]["2"]["mean"] == 0.9
