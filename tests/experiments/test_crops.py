"""The class of single crops: here, of stand-ins for networks whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drepano.datasets import CellCrop, FieldDataset, FieldSource
from drepano.errors import DrepanoError
from drepano.experiments.crops import evaluate_crops, on_canvas, summarise_crops
from drepano.field import Segmentation
from drepano.taxonomy import BINARY, SCD


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


def network(answer, taxonomy=SCD, asked=None):
    """What segments an image, by a function from image to class map."""

    def segment(image):
        if asked is not None:
            asked.append(image)
        classes = np.asarray(answer(image), np.uint8)
        probabilities = np.eye(len(taxonomy), dtype=np.float32)[classes].transpose(2, 0, 1)
        return Segmentation(classes, probabilities, taxonomy, 40.0)

    return segment


def dark_as(class_index, asked=None):
    """A network that calls what is dark by one class."""
    return network(lambda image: (image[..., 0] < 120) * class_index, asked=asked)


class TestCrops:
    def test_the_cell_of_every_crop_gets_a_class(self, crops):
        table = evaluate_crops(dark_as(2), crops)
        assert table["crop"].tolist() == ["c1", "c2", "c3"]
        assert table["category"].tolist() == ["Sickle", "Oval", "Granular"]
        assert table["true"].tolist() == ["El+Sk", "Dic+Ovl", "Grl"]
        assert table["predicted"].tolist() == ["El+Sk"] * 3
        assert table["probability"].tolist() == [1.0] * 3

    def test_no_crop_is_refused(self, crops):
        with pytest.raises(DrepanoError, match="nothing to measure on"):
            evaluate_crops(dark_as(2), crops.subset([]))

    def test_a_crop_in_which_no_cell_is_found_is_wrong(self, crops):
        table = evaluate_crops(network(lambda image: np.zeros(image.shape[:2])), crops)
        assert table["predicted"].tolist() == ["none"] * 3
        assert table["probability"].isna().all()
        assert summarise_crops(table)["right"] == 0

    def test_the_largest_cell_is_taken_for_the_crops(self, crops):
        def with_neighbour(image):
            classes = (image[..., 0] < 120) * 4
            classes[:18, :18] = 1
            return classes

        assert evaluate_crops(network(with_neighbour), crops)["predicted"].tolist() == ["Ret+Sto+Ech"] * 3

    def test_crops_are_laid_on_a_canvas(self, crops):
        asked, steps = [], []
        evaluate_crops(dark_as(1, asked), crops, lambda: steps.append(1))
        shapes = [image.shape for image in asked]
        assert shapes == [(128, 128, 3)] * 3, "colours, as every method wants"
        assert len(steps) == 3

    def test_a_network_of_other_classes_is_refused(self, crops):
        with pytest.raises(
            DrepanoError, match="single crops need a network with the classes background, Dic"
        ):
            evaluate_crops(network(lambda image: image[..., 0] < 120, BINARY), crops)


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
