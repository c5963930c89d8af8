"""Measuring a network against known truth: here, stand-ins whose answers are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from drepano.datasets import FieldDataset, FieldSource
from drepano.errors import DrepanoError
from drepano.experiments import evaluate_fields, summarise_fields
from drepano.field import Field, Segmentation
from drepano.taxonomy import BINARY, SCD, Taxonomy

SIZE = (80, 120)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def disc(y, x, radius=15):
    return (Y - y) ** 2 + (X - x) ** 2 <= radius**2


class StandIn:
    """Answers like a segmenter, by a function from image to class map."""

    def __init__(self, answer, taxonomy=SCD):
        self.answer = answer
        self.card = SimpleNamespace(name="stand-in", class_taxonomy=taxonomy)
        self.asked = []

    def segment(self, image, cell_diameter=None):
        self.asked.append((image, cell_diameter))
        classes = np.asarray(self.answer(image), np.uint8)
        taxonomy = self.card.class_taxonomy
        probabilities = np.eye(len(taxonomy), dtype=np.float32)[classes].transpose(2, 0, 1)
        return Segmentation(classes, probabilities, taxonomy, cell_diameter)


def read_off(image):
    """The class of a pixel stands in the first channel."""
    return image[..., 0]


def field(name, classes, patient="P1", instances=True):
    numbers = (disc(30, 30) * 1 + disc(50, 85) * 2) * (classes > 0)
    return Field(
        id=name,
        image=np.repeat(classes.astype(np.uint8)[..., None], 3, axis=2),
        classes=classes.astype(np.uint8),
        instances=numbers.astype(np.int32) if instances else None,
        patient=patient,
    )


def dataset(*fields, taxonomy=SCD):
    by_id = {each.id: each for each in fields}
    sources = tuple(FieldSource(each.id, Path(each.id), patient=each.patient) for each in fields)
    return FieldDataset("small", taxonomy, sources, lambda s: by_id[s.id], "CC0", 30.0, "here")


TWO_CELLS = disc(30, 30) * 1 + disc(50, 85) * 2
ONE_CELL = disc(30, 30) * 1


class TestFields:
    def test_an_oracle_is_right_everywhere(self):
        table = evaluate_fields(StandIn(read_off), dataset(field("a", TWO_CELLS), field("b", ONE_CELL, "P2")))
        assert table["field"].tolist() == ["a", "b"]
        assert table["patient"].tolist() == ["P1", "P2"]
        assert table["cells"].tolist() == table["true_cells"].tolist() == [2, 1]
        assert table["matched_cells"].tolist() == [2, 1]
        dice = table.set_index("field").filter(like="dice ")
        assert dice.columns.tolist() == [f"dice {name}" for name in SCD.classes]
        assert dice.loc["a"].tolist()[:3] == [1, 1, 1]
        assert dice.loc["a"].isna().tolist() == [False, False, False, True, True]
        assert dice.loc["b"].isna().tolist() == [False, False, True, True, True]

    def test_one_that_finds_nothing_has_zero_for_every_class_there_is(self):
        table = evaluate_fields(StandIn(lambda image: image[..., 0] * 0), dataset(field("a", TWO_CELLS)))
        row = table.iloc[0]
        assert row["dice Dic+Ovl"] == row["dice El+Sk"] == 0
        assert row["cells"] == 0
        area, cells = TWO_CELLS.size, (TWO_CELLS > 0).sum()
        assert row["dice background"] == pytest.approx(2 * (area - cells) / (2 * area - cells))

    def test_images_are_scaled_by_the_data_sets_cell_diameter(self):
        oracle = StandIn(read_off)
        evaluate_fields(oracle, dataset(field("a", TWO_CELLS)))
        assert oracle.asked[0][1] == 30.0

    def test_a_network_of_one_class_of_cells_is_compared_with_all_cells(self):
        cell_or_not = StandIn(lambda image: image[..., 0] > 0, BINARY)
        table = evaluate_fields(cell_or_not, dataset(field("a", TWO_CELLS)))
        assert table.filter(like="dice ").iloc[0].to_dict() == {"dice background": 1.0, "dice cell": 1.0}
        assert table["cells"].tolist() == [2]

    def test_without_instances_the_true_count_is_unknown(self):
        table = evaluate_fields(StandIn(read_off), dataset(field("a", TWO_CELLS, instances=False)))
        assert table["true_cells"].isna().all()
        assert "mean_count_error" not in summarise_fields(table)

    def test_a_field_without_background_has_its_cells_counted(self):
        full = Field(
            "full",
            np.ones((*SIZE, 3), np.uint8),
            np.ones(SIZE, np.uint8),
            np.where(X < 60, 1, 2).astype(np.int32),
        )
        assert evaluate_fields(StandIn(read_off), dataset(full))["true_cells"].tolist() == [2]

    def test_no_field_is_refused(self):
        with pytest.raises(DrepanoError, match="nothing to measure on"):
            evaluate_fields(StandIn(read_off), dataset())

    def test_progress_is_told_after_every_field(self):
        steps = []
        evaluate_fields(
            StandIn(read_off), dataset(field("a", TWO_CELLS), field("b", ONE_CELL)), lambda: steps.append(1)
        )
        assert len(steps) == 2

    def test_other_classes_than_the_networks_are_refused(self):
        other = dataset(field("a", ONE_CELL), taxonomy=Taxonomy("custom", ("background", "RBC")))
        with pytest.raises(DrepanoError, match="data set small has the classes background, RBC, the network"):
            evaluate_fields(StandIn(read_off), other)

    def test_a_field_without_truth_is_refused_by_name(self):
        unlabelled = Field("blank", np.zeros((*SIZE, 3), np.uint8))
        with pytest.raises(DrepanoError, match="field blank: has no class map"):
            evaluate_fields(StandIn(read_off), dataset(unlabelled))


class TestSummaryOfFields:
    table = pd.DataFrame(
        {
            "field": ["a", "b", "c"],
            "dice background": [1.0, 0.8, 0.9],
            "dice Grl": [0.5, np.nan, 0.7],
            "cells": [11, 8, 1],
            "true_cells": [10, 10, 0],
            "matched_cells": [9, 8, 0],
        }
    )

    def test_dice_is_the_mean_over_fields_that_have_the_class_and_says_how_many_lack_it(self):
        summary = summarise_fields(self.table)
        assert summary["fields"] == 3
        assert summary["dice"] == {"background": pytest.approx(0.9), "Grl": pytest.approx(0.6)}
        assert summary["fields_without_class"] == {"background": 0, "Grl": 1}

    def test_the_error_of_the_count_is_relative_to_the_truth(self):
        summary = summarise_fields(self.table)
        assert summary["mean_count_error"] == pytest.approx((0.1 + 0.2 + 1) / 3)
        assert summary["f1"] == pytest.approx(2 * 17 / (self.table["cells"].sum() + 20))
