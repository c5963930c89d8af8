"""Measuring a network against known truth: here, stand-ins whose answers are known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drepano.datasets import CellCrop, FieldDataset, FieldSource
from drepano.errors import DrepanoError
from drepano.experiments import evaluate_crops, evaluate_fields, summarise_crops, summarise_fields
from drepano.experiments.evaluation import on_canvas
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


@pytest.fixture
def crops(tmp_path):
    """Two crops as a data set of single cells has them: a disc in the middle of a grey background."""
    y, x = np.mgrid[:60, :70]
    sources = []
    for name, category in (("c1", "Sickle"), ("c2", "Oval"), ("c3", "Granular")):
        image = np.where((y - 30) ** 2 + (x - 35) ** 2 <= 20**2, 90, 150).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        sources.append(FieldSource(name, tmp_path / f"{name}.png", patient="P1", category=category))
    return FieldDataset("crops", SCD, tuple(sources), lambda source: None, "CC0", 40.0, "here")


def dark_as(class_index):
    """A network that calls what is dark by one class."""
    return StandIn(lambda image: (image[..., 0] < 120) * class_index)


def known_scale(network):
    """As an image's segmentation is called whose cells have a known size."""
    return partial(network.segment, cell_diameter=40.0)


class TestCrops:
    def test_the_cell_of_every_crop_gets_a_class(self, crops):
        table = evaluate_crops(known_scale(dark_as(2)), crops)
        assert table["crop"].tolist() == ["c1", "c2", "c3"]
        assert table["category"].tolist() == ["Sickle", "Oval", "Granular"]
        assert table["true"].tolist() == ["El+Sk", "Dic+Ovl", "Grl"]
        assert table["predicted"].tolist() == ["El+Sk"] * 3
        assert table["probability"].tolist() == [1.0] * 3

    def test_no_crop_is_refused(self):
        with pytest.raises(DrepanoError, match="nothing to measure on"):
            evaluate_crops(known_scale(dark_as(2)), dataset())

    def test_a_crop_in_which_no_cell_is_found_is_wrong(self, crops):
        table = evaluate_crops(known_scale(StandIn(lambda image: np.zeros(image.shape[:2]))), crops)
        assert table["predicted"].tolist() == ["none"] * 3
        assert table["probability"].isna().all()
        assert summarise_crops(table)["right"] == 0

    def test_the_largest_cell_is_taken_for_the_crops(self, crops):
        def with_neighbour(image):
            classes = (image[..., 0] < 120) * 4
            classes[:18, :18] = 1
            return classes

        assert (
            evaluate_crops(known_scale(StandIn(with_neighbour)), crops)["predicted"].tolist()
            == ["Ret+Sto+Ech"] * 3
        )

    def test_crops_are_laid_on_a_canvas(self, crops):
        network = dark_as(1)
        steps = []
        evaluate_crops(known_scale(network), crops, lambda: steps.append(1))
        assert [image.shape for image, _ in network.asked] == [(128, 128, 3)] * 3, (
            "colours, as every method wants"
        )
        assert {diameter for _, diameter in network.asked} == {40.0}
        assert len(steps) == 3

    def test_a_network_of_other_classes_is_refused(self, crops):
        with pytest.raises(
            DrepanoError, match="single crops need a network with the classes background, Dic"
        ):
            evaluate_crops(known_scale(StandIn(lambda image: image[..., 0] < 120, BINARY)), crops)


def test_summary_of_crops_worked_by_hand():
    table = pd.DataFrame(
        {
            "true": ["Grl", "Grl", "Grl", "El+Sk", "El+Sk"],
            "predicted": ["Grl", "El+Sk", "none", "El+Sk", "El+Sk"],
        }
    )
    summary = summarise_crops(table)
    assert summary["crops"] == 5
    assert summary["right"] == pytest.approx(3 / 5)
    assert summary["recall"] == {"Grl": pytest.approx(1 / 3), "El+Sk": 1.0}
    assert summary["mean_recall"] == pytest.approx(2 / 3)
    assert summary["confusion"]["Grl"] == {"Grl": 1, "El+Sk": 1, "none": 1}
    assert summary["confusion"]["El+Sk"] == {"Grl": 0, "El+Sk": 2, "none": 0}


class TestCanvas:
    @staticmethod
    def crop(image):
        return CellCrop(image, np.zeros(image.shape, bool), "Oval", "P1", "c")

    @pytest.mark.parametrize(
        ("size", "canvas"), [((60, 70), 128), ((1, 1), 128), ((150, 40), 150), ((128, 128), 128)]
    )
    def test_it_is_a_square_of_128_px_or_as_large_as_the_crop(self, size, canvas):
        laid = on_canvas(self.crop(np.full(size, 77, np.uint8)))
        assert laid.shape == (canvas, canvas)
        assert laid.dtype == np.uint8
        assert (laid == 77).all(), "a crop of background alone is a plain canvas"

    def test_the_inside_of_the_crop_is_kept_and_the_rest_is_its_background(self):
        image = np.full((60, 70), 150, np.uint8)
        image[10:50, 10:60] = np.random.default_rng(0).integers(0, 256, (40, 50))
        laid = on_canvas(self.crop(image))
        top, left = (128 - 60) // 2, (128 - 70) // 2
        np.testing.assert_array_equal(laid[top : top + 60, left : left + 70], image)
        outside = np.ones(laid.shape, bool)
        outside[top : top + 60, left : left + 70] = False
        assert (laid[outside] == 150).all()

    def test_what_the_edge_of_the_crop_cuts_fades_in_over_3_px(self):
        image = np.full((60, 70), 150, np.uint8)
        image[:20, 30:40] = 90
        laid = on_canvas(self.crop(image))
        top = (128 - 60) // 2
        assert laid[top - 1 : top + 4, 64].tolist() == [150, 130, 110, 90, 90]
