"""Tables of an experiment, read back cell by cell; on a summary written by hand."""

from __future__ import annotations

from itertools import count

import pytest

from drepano.reports.experiment.tables import comparison_markdown, learning_curve_markdown
from drepano.taxonomy import BINARY, SCD

FIGURES = ("dice", "jaccard", "hausdorff", "hausdorff95", "surface_dice")
ERRORS = ("joined", "artefacts", "incomplete", "misclassified", "missed", "together")


@pytest.fixture
def entry():
    """Entries of a summary, each with a mean of its own: 1, 2 and so on."""
    numbers = count(1)

    def make(**more):
        return {"mean": float(next(numbers)), "sd": 0.5, "folds": {"fold-1": 0.0, "fold-2": 0.0}, **more}

    return make


@pytest.fixture
def summary(entry):
    def make(classes, *methods):
        return {
            "title": "Methods compared",
            "conditions": ["one condition"],
            "classes": classes,
            "methods": {name: of_method(classes, entry) for name in methods},
            "validation": {},
            "differences": [],
            "splits": [
                {"name": "fold-1", "training": ["c"], "test": ["a", "b"]},
                {"name": "fold-2", "training": ["a", "b"], "test": ["c"]},
            ],
        }

    return make


def of_method(classes, entry):
    absent = {"fields_without": 0, "fields": 9}
    return {
        "jobs": 2,
        "seeds": [0],
        "overlap": {figure: {name: entry(**absent) for name in (*classes, "average")} for figure in FIGURES},
        "cell_errors": {error: {"per_fold": entry(), "per_100_cells": entry()} for error in ERRORS},
        "detection": {"f1": entry(), "panoptic_quality": entry()},
        "count_error": entry(),
        "cell_recall": {name: entry() for name in classes[1:]},
        "cell_confusion": [[0] * len(classes)] * len(classes),
        "auc": {name: entry() for name in classes},
        "calibration_error": entry(),
        "fit_seconds": 7.0,
    }


def table(markdown, heading):
    """The rows of the table under `heading`, each by the heads of its columns; the first is "method"."""
    section = markdown.split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_every_figure_of_table_1_stands_under_its_name(summary):
    binary = summary(BINARY.classes, "dunet")
    row = table(comparison_markdown(binary), "Overlap and distance of cells (Table I)")["dU-Net"]
    overlap = binary["methods"]["dunet"]["overlap"]
    for figure, head in zip(
        FIGURES, ("Dice", "Jaccard", "Hausdorff, px", "HD95, px", "surface Dice at 2 px"), strict=True
    ):
        digits = 1 if figure.startswith("hausdorff") else 3
        assert row[head].startswith(f"{overlap[figure]['cell']['mean']:.{digits}f} ±")


def test_the_papers_figures_of_table_1_stand_beside_ours(summary):
    row = table(comparison_markdown(summary(BINARY.classes, "dunet")), "Overlap and distance of cells")
    assert row["dU-Net"]["paper: Dice"] == "0.965 ± 0.002"


def test_every_class_of_table_3_stands_under_its_name_and_the_papers_below(summary):
    five = summary(SCD.classes, "unet", "pixel-forest")
    rows = table(comparison_markdown(five), "Dice of each class (Table III)")
    dice = five["methods"]["unet"]["overlap"]["dice"]
    for name in (*SCD.classes, "average"):
        assert rows["U-Net"][name].startswith(f"{dice[name]['mean']:.3f} ±")
    paper = [
        "0.996 ± 0.001",
        "0.867 ± 0.010",
        "0.547 ± 0.047",
        "0.469 ± 0.058",
        "0.620 ± 0.040",
        "0.700 ± 0.012",
    ]
    assert list(rows["- the paper's"].values())[1:] == paper


@pytest.mark.parametrize(
    ("figure", "heading", "digits", "paper"),
    [("jaccard", "Jaccard", 3, "0.664 ± 0.011"), ("hausdorff", "Hausdorff distance in px", 1, "100.2 ± 7.9")],
)
def test_table_3_has_jaccard_and_hausdorff_too(summary, figure, heading, digits, paper):
    five = summary(SCD.classes, "dunet")
    rows = table(comparison_markdown(five), f"{heading} of each class (Table III)")
    grl = five["methods"]["dunet"]["overlap"][figure]["Grl"]["mean"]
    assert rows["dU-Net"]["Grl"].startswith(f"{grl:.{digits}f} ±")
    assert rows["- the paper's"]["average"] == paper


@pytest.mark.parametrize(
    ("classes", "number", "third", "other"),
    [
        (BINARY.classes, "II", "III, incomplete a fold", "III, two classes a fold"),
        (SCD.classes, "IV", "III, two classes a fold", "III, incomplete a fold"),
    ],
)
def test_the_papers_errors_3_are_incomplete_cells_in_binary_and_cells_of_two_classes_else(
    summary, classes, number, third, other
):
    markdown = comparison_markdown(summary(classes, "dunet"))
    rows = table(markdown, f"Cell errors (Table {number})")
    paper = rows["- the paper's, by hand"]
    assert [paper[head] for head in ("I, joined a fold", "II, artefacts a fold")] == [
        "31.8 ± 3.6",
        "6.0 ± 2.1",
    ]
    assert paper[third] == "13.4 ± 2.4"
    assert (other in paper) == (number == "IV"), "of one class no cell can have two"
    assert not paper.get(other)
    assert paper["I + II + III a fold"] == "51.2"
    section = markdown.split("## Cell errors")[1].split("\n## ")[0]
    for word in ("I, joined:", "II, artefact:", "III, incomplete:", "missed:", "counted by hand"):
        assert word in section


def test_the_papers_figures_stand_beside_the_papers_classes_only(summary):
    markdown = comparison_markdown(summary(("background", "round", "flat"), "dunet"))
    assert "the paper's" not in markdown.split("## In pairs")[0].replace("as the paper's", "")
    assert "counted by hand" not in markdown


def test_errors_of_counted_cells_stand_below_where_they_are_known(summary, entry):
    five = summary(SCD.classes, "dunet", "unet")
    heading = "Errors of the cells that are counted"
    assert heading not in comparison_markdown(five)
    errors = {error: {"per_fold": entry(), "per_100_cells": entry()} for error in ERRORS}
    five["methods"]["dunet"] |= {"found_cell_errors": errors, "seeds": [0, 1], "seeds_of_found_cells": [1]}
    five["truth"] = {"cell_errors": errors, "found_cell_errors": errors}
    markdown = comparison_markdown(five)
    rows = table(markdown, "Cell errors (Table IV)")
    assert "the true map itself" in rows
    found = table(markdown, heading)
    assert list(found) == ["dU-Net", "the true map itself"]
    assert (
        found["dU-Net"]["I, joined per 100 cells"]
        == f"{errors['joined']['per_100_cells']['mean']:.2f} ± 0.50"
    )
    assert "Not known of dU-Net, seed 0; U-Net: measured by an older version." in markdown


def test_the_count_is_off_by_per_cent(summary):
    five = summary(SCD.classes, "unet")
    five["methods"]["unet"]["count_error"].update(mean=0.0625, sd=0.01)
    row = table(comparison_markdown(five), "Cells found, at an overlap (IoU) of more than 0.5")["U-Net"]
    assert row["count off by, %"] == "6.2 ± 1.0"


def test_folds_without_a_figure_are_counted_beside_it(summary):
    five = summary(SCD.classes, "unet")
    recall = five["methods"]["unet"]["cell_recall"]["Grl"]
    recall["folds"]["fold-2"] = float("nan")
    row = table(comparison_markdown(five), "Cells found, at an overlap (IoU) of more than 0.5")["U-Net"]
    assert row["recall of Grl"].endswith("(1 of 2 folds)")
    assert "folds" not in row["recall of El+Sk"]


def test_classes_that_neither_map_nor_truth_have_are_counted(summary):
    five = summary(SCD.classes, "unet")
    five["methods"]["unet"]["overlap"]["dice"]["Grl"]["fields_without"] = 4
    assert "neither map nor truth have the class: U-Net Grl 4 of 9." in comparison_markdown(five)


def test_fields_without_a_figure_are_counted_in_table_1(summary):
    binary = summary(BINARY.classes, "unet")
    overlap = binary["methods"]["unet"]["overlap"]
    overlap["dice"]["cell"]["fields_without"], overlap["hausdorff"]["cell"]["fields_without"] = 1, 2
    row = table(comparison_markdown(binary), "Overlap and distance of cells (Table I)")["U-Net"]
    assert (row["fields without Dice"], row["fields without distance"]) == ("1 of 9", "2 of 9")


def test_test_fields_of_every_split_are_named(summary):
    markdown = comparison_markdown(summary(BINARY.classes, "unet"))
    assert "- fold-1, 1 training field: a, b\n- fold-2, 2 training fields: c\n" in markdown


def test_a_learning_curve_has_a_column_a_size_and_counts_what_is_left_out():
    def point(mean, without=0):
        return {"mean": mean, "sd_over_seeds": 0.01, "fields_without": without, "fields": 9}

    summary = {
        "title": "Learning curve",
        "conditions": [],
        "curves": {"dunet": {"10": point(0.7), "20": point(0.8, 3)}, "unet": {"20": point(0.6)}},
        "differences": [],
        "splits": [{"name": "fields-10", "training": ["c"], "test": ["a"]}],
    }
    markdown = learning_curve_markdown(summary)
    rows = table(markdown, "Learning curve (the paper's Fig. 7)")
    assert [rows["dU-Net"][size] for size in ("10", "20")] == ["0.700 ± 0.010", "0.800 ± 0.010"]
    assert [rows["U-Net"][size] for size in ("10", "20")] == ["", "0.600 ± 0.010"]
    assert "neither map nor truth have the class: dU-Net with 20: 3 of 9." in markdown
