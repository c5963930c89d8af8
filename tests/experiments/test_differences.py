"""Methods in pairs, on the same fields; on results written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drepano.experiments.differences import curve_differences, method_differences
from drepano.experiments.results import PER_CLASS

CLASSES = ("background", "cell")


def with_other(field, dice):
    """The row of a field of a third class, too."""
    return {
        **field,
        **{figure: [*field[figure], None] for figure in PER_CLASS},
        "dice": [*field["dice"], dice],
    }


def test_methods_are_compared_in_pairs_on_the_fields_of_both(plan, results, of):
    differences = method_differences(of(results, "dunet", "unet"), plan)
    dice = next(d for d in differences if d["figure"] == "dice")
    assert (dice["first"], dice["second"], dice["fields"], dice["unit"]) == ("dunet", "unet", 2, "fields")
    assert dice["mean"] == pytest.approx(np.mean([0.9 - 0.85, 0.9 - 0.6]))
    assert dice["left_out"] == 1


def test_a_class_that_one_seed_is_not_asked_for_is_nobodys_gain(plan, field, result):
    """In field a one method has the third class in its map alone, by a stray pixel: its Dice there is 0."""
    plan = replace(plan, classes=(*CLASSES, "other"))

    results = [
        result("dunet", "fold-1", 0, [with_other(field("a", 0.8), None)]),
        result("unet", "fold-1", 0, [with_other(field("a", 0.8), 0.0)]),
        result("dunet", "fold-2", 0, [with_other(field("c", 0.8), 0.7)]),
        result("unet", "fold-2", 0, [with_other(field("c", 0.8), 0.7)]),
    ]
    dice = next(d for d in method_differences(results, plan) if d["figure"] == "dice")
    assert dice["mean"] == 0
    assert dice["fields"] == 2
    assert dice["left_out"] == 1


def test_each_class_of_cells_is_compared_where_both_methods_have_it(plan, field, result):
    plan = replace(plan, classes=(*CLASSES, "other"))

    def fields_with(*others):
        return [with_other(field(name, 0.8), dice) for name, dice in zip("ab", others, strict=True)]

    results = [
        result("dunet", "fold-1", 0, fields_with(0.7, None)),
        result("unet", "fold-1", 0, fields_with(0.5, 0.4)),
    ]
    found = {one["figure"]: one for one in method_differences(results, plan)}
    assert [name for name in found if name.startswith("dice of ")] == ["dice of cell", "dice of other"]
    assert found["dice of cell"]["mean"] == 0
    other = found["dice of other"]
    assert (other["mean"], other["fields"], other["left_out"]) == (pytest.approx(0.2), 1, 1)


def test_cells_of_one_class_are_compared_once(plan, results, of):
    figures = [one["figure"] for one in method_differences(of(results, "dunet", "unet"), plan)]
    assert not any(figure.startswith("dice of ") for figure in figures)


def test_an_empty_map_has_no_distance_and_its_field_is_left_out_and_counted(plan, field, result):
    """Were only its seed left out, the other seed's distance would stand for both."""

    def with_distance(value):
        return {**field("a", 0.8), "hausdorff95": [1.0, value]}

    results = [
        result("dunet", "fold-1", 0, [with_distance(5.0), field("b", 0.8)]),
        result("dunet", "fold-1", 1, [with_distance(None), field("b", 0.8)]),
        result("unet", "fold-1", 0, [with_distance(9.0), field("b", 0.8)]),
    ]
    distance = next(d for d in method_differences(results, plan) if d["figure"] == "hausdorff95")
    assert (distance["mean"], distance["fields"], distance["left_out"]) == (0.0, 1, 1)


def test_a_seed_that_has_not_run_in_a_fold_is_no_value_left_out(plan, results, of):
    differences = method_differences(of(results[:3] + results[4:], "dunet", "unet"), plan)
    joined = next(d for d in differences if d["figure"] == "joined")
    assert (joined["fields"], joined["left_out"]) == (3, 0)


def test_single_crops_are_compared_over_patients(plan, field, result, of, crop):
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
        one for one in method_differences(of(results, "dunet", "unet"), plan) if one["figure"] == "crops"
    ]
    assert row["mean"] == pytest.approx(0.3)
    assert (row["fields"], row["units"], row["unit"]) == (30, 3, "patients")
    assert row["verdict"] == "better"


def test_mean_recall_weighs_a_rare_class_as_much_as_others(plan, field, result, of, crop):
    """Of nine granular cells and one discocyte a patient one method has one of the former wrong, the other
    the latter."""

    def crops(patient, wrong):
        rows = [crop(f"{patient}{i}", patient, i != wrong) for i in range(10)]
        rows[9] |= {"true": "Dic+Ovl", "predicted": "none" if wrong == 9 else "Dic+Ovl"}
        return rows

    results = [
        result(method, f"fold-{patient}", 0, [field("a", 0.9)], crops=crops(patient, wrong))
        for method, wrong in (("dunet", 0), ("unet", 9))
        for patient in "PQR"
    ]
    found = {one["figure"]: one for one in method_differences(of(results, "dunet", "unet"), plan)}
    assert found["crops"]["mean"] == 0
    recall = found["mean recall"]
    assert recall["mean"] == pytest.approx((8 / 9 + 1) / 2 - (1 + 0) / 2)
    assert (recall["fields"], recall["units"], recall["verdict"]) == (30, 3, "better")


def test_patients_with_more_of_a_class_do_not_differ_in_mean_recall_by_that_alone(plan, field, result, crop):
    """One method has half of every class of every patient right, the other all; one patient has more of one
    class, the others of another."""

    def crops(patient, right):
        counts = {"Grl": 20, "Dic+Ovl": 4} if patient == "P" else {"Grl": 4, "Dic+Ovl": 20}
        rows = [
            crop(f"{patient}{name}{i}", patient, True)
            | {"true": name, "predicted": name if right(i) else "none"}
            for name, count in counts.items()
            for i in range(count)
        ]
        return rows

    results = [
        result(method, f"fold-{patient}", 0, [field("a", 0.9)], crops=crops(patient, right))
        for method, right in (("dunet", lambda i: True), ("unet", lambda i: i % 2 == 0))
        for patient in "PQR"
    ]
    recall = next(one for one in method_differences(results, plan) if one["figure"] == "mean recall")
    assert [recall[name] for name in ("mean", "low", "high")] == pytest.approx([0.5, 0.5, 0.5])


def test_crops_that_only_one_method_classified_are_no_part_of_a_pair(plan, field, result, crop):
    results = [
        result("dunet", "fold-1", 0, [field("a", 0.9)], crops=[crop("x", "P", True), crop("y", "P", False)]),
        result("unet", "fold-1", 0, [field("a", 0.9)], crops=[crop("x", "P", True)]),
    ]
    found = {one["figure"]: one for one in method_differences(results, plan)}
    for figure in ("crops", "mean recall"):
        assert (found[figure]["fields"], found[figure]["mean"]) == (1, 0)


def test_areas_under_roc_curves_are_compared_where_both_methods_have_them(plan, results, of):
    def compared():
        differences = method_differences(of(results, "dunet", "unet"), plan)
        return [one for one in differences if one["figure"] == "auc"]

    for one in results:
        assert not compared()
        for row in one["fields"]:
            area = 0.9 if one["job"]["method"] == "dunet" else 0.8
            row["auc"] = [area, None if row["field"] == "a" else area]
    (area,) = compared()
    assert (area["mean"], area["fields"], area["left_out"]) == (pytest.approx(0.1), 2, 1)


def test_found_cells_are_compared_over_the_seeds_of_both_methods_that_tell_of_them(plan, results, of):
    def compared():
        differences = method_differences(of(results, "dunet", "unet"), plan)
        return {one["figure"]: one for one in differences if one["figure"].startswith(("found", "f1"))}

    for one in results:
        assert not compared()
        for row in one["fields"]:
            errors = {**row["cell_errors"], "joined": 4 if one["job"]["method"] == "unet" else 1}
            f1 = None if row["field"] == "a" else 0.5 + row["cells"] / 100
            row |= {"found_cell_errors": errors, "f1": f1, "panoptic_quality": f1}
    found = compared()
    assert found["found joined"]["mean"] == found["found together"]["mean"] == -3
    assert (found["found joined"]["fields"], found["found joined"]["left_out"]) == (3, 0)
    assert found["found joined"]["seeds"] == [1, 2]
    assert found["f1"]["mean"] == pytest.approx(np.mean([0.7 - 0.7, 0.7 - 0.75]))
    assert (found["f1"]["fields"], found["f1"]["left_out"]) == (2, 1)
    results[0]["fields"][0].pop("found_cell_errors")
    results[1]["fields"][0]["found_cell_errors"]["joined"] = 10
    assert compared()["found joined"]["seeds"] == [1, 1]
    assert compared()["found joined"]["mean"] == np.mean([1 - 10, 1 - 4, 1 - 4]), "of U-Net seed 1 alone"


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ("dice", "better"),
        ("jaccard", "better"),
        ("surface_dice", "better"),
        ("f1", "better"),
        ("auc", "better"),
        ("hausdorff95", "worse"),
        ("joined", "worse"),
        ("found joined", "worse"),
    ],
)
def test_less_is_better_of_distances_and_errors_and_more_of_all_else(plan, field, result, figure, said):
    def results_of(method, value, errors):
        one = field("a", value)
        one |= {"hausdorff95": [errors, errors], "cell_errors": one["cell_errors"] | {"joined": errors}}
        one |= {"f1": value, "panoptic_quality": value, "found_cell_errors": one["cell_errors"]}
        one |= {name: [value, value] for name in ("jaccard", "surface_dice", "auc")}
        return [
            result(method, f"fold-{fold}", 0, [one | {"field": name}])
            for fold, names in ((1, "ab"), (2, "c"))
            for name in names
        ]

    differences = method_differences([*results_of("dunet", 0.9, 8), *results_of("unet", 0.8, 2)], plan)
    assert next(d for d in differences if d["figure"] == figure)["verdict"] == said


def test_a_learning_curve_compares_at_equal_sizes_and_with_half_the_fields(plan, field, result, of):
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
