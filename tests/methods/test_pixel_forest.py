"""The forest: what it learns from a few scribbles, and what it does where a class was not there."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import drepano.methods
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.methods.pixel_forest import RECORD, PixelForest
from drepano.methods.region_growing import GrowthSettings, TrainedRegionGrowing
from drepano.metrics import dice_per_class
from drepano.taxonomy import BINARY

SMALL = PixelForest(fields=2, strokes=4, length=10, trees=20)


def record_of(folder: Path) -> dict:
    return json.loads((folder / RECORD).read_text())


class TestLearning:
    def test_classes_are_told_apart(self, toy, make_discs, tmp_path, quiet):
        trained = SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        field = make_discs(100)
        dice = dice_per_class(field.classes, trained.segment(field.image).classes, 3)
        assert (dice > (0.95, 0.8, 0.8)).all()

    def test_merged_classes_are_one(self, toy, make_discs, tmp_path, quiet):
        trained = SMALL.fit(toy, BINARY, tmp_path, 0, quiet)
        field = make_discs(100)
        result = trained.segment(field.image)
        assert result.taxonomy == BINARY
        assert dice_per_class((field.classes > 0).astype(np.uint8), result.classes, 2)[1] > 0.8

    def test_colour_counts(self, dataset_of, tmp_path, quiet):
        """A disc as bright as the background, of another colour."""
        field = coloured_disc()
        trained = SMALL.fit(dataset_of([field]), BINARY, tmp_path, 0, quiet)
        assert record_of(tmp_path)["features"] == 3 * 49
        assert dice_per_class(field.classes, trained.segment(field.image).classes, 2)[1] > 0.9

    def test_grey_images_have_one_channel(self, toy, tmp_path, quiet):
        SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        assert record_of(tmp_path)["features"] == 49

    def test_a_forest_of_grey_fields_takes_an_image_in_colour(self, toy, tmp_path, quiet):
        trained = SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        assert trained.segment(coloured_disc().image).probabilities.shape == (3, 60, 60)

    def test_what_parts_touching_cells_is_background(self, dataset_of, make_discs, tmp_path, quiet):
        """As for the networks: scribbles in the background may lie between two cells."""
        classes = np.ones((30, 40), np.uint8)
        instances = np.where(np.arange(40) < 20, 1, 2).astype(np.int32) * np.ones((30, 1), np.int32)
        field = Field("two", np.full((30, 40, 3), 90, np.uint8), classes, instances)
        SMALL.fit(dataset_of([field]), BINARY, tmp_path, 0, quiet)
        assert record_of(tmp_path)["pixels"]["background"] > 0


def coloured_disc() -> Field:
    y, x = np.mgrid[:60, :60]
    disc = np.hypot(y - 30, x - 30) < 12
    image = np.where(disc[..., None], (220, 180, 200), (200, 200, 200)).astype(np.uint8)
    return Field("coloured", image, disc.astype(np.uint8))


class TestScribbling:
    def test_the_record_says_what_was_scribbled(self, toy, tmp_path, quiet):
        SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        record = record_of(tmp_path)
        assert len(record["fields"]) == 2
        assert set(record["pixels"]) == {"background", "dark", "bright"}
        assert all(0 < pixels <= 2 * 4 * 10 for pixels in record["pixels"].values())
        assert record["share_of_pixels"] == pytest.approx(sum(record["pixels"].values()) / (2 * 80 * 80))
        assert (record["strokes"], record["length"], record["trees"], record["seed"]) == (4, 10, 20, 0)

    def test_the_seed_decides_all(self, toy, make_discs, tmp_path, quiet):
        image = make_discs(100).image
        maps = [
            SMALL.fit(toy, toy.taxonomy, tmp_path / str(number), seed, quiet).segment(image).probabilities
            for number, seed in enumerate((1, 1, 2))
        ]
        np.testing.assert_array_equal(maps[0], maps[1])
        assert (maps[0] != maps[2]).any()

    def test_a_class_that_is_rare_is_looked_for(self, dataset_of, make_discs, tmp_path, quiet):
        fields = [make_discs(seed, (1, 1, 1, 1)) for seed in range(5)]
        training = dataset_of([*fields, make_discs(9)])
        for seed in range(3):
            folder = tmp_path / str(seed)
            SMALL.fit(training, training.taxonomy, folder, seed, quiet)
            record = record_of(folder)
            assert "discs-9" in record["fields"]
            assert len(record["fields"]) <= 3
            assert record["pixels"]["bright"] > 0

    def test_fields_are_read_no_further_than_needed(self, dataset_of, make_discs, tmp_path, quiet):
        read = []
        training = dataset_of([make_discs(seed) for seed in range(6)], read)
        SMALL.fit(training, training.taxonomy, tmp_path, 0, quiet)
        assert len(read) == 2

    def test_a_class_that_is_nowhere_has_probability_0(self, dataset_of, make_discs, tmp_path, quiet):
        training = dataset_of([make_discs(seed, (2, 2, 2, 2)) for seed in range(2)])
        trained = SMALL.fit(training, training.taxonomy, tmp_path, 0, quiet)
        result = trained.segment(make_discs(100).image)
        assert not result.probabilities[1].any()
        assert set(np.unique(result.classes)) == {0, 2}
        assert record_of(tmp_path)["pixels"]["dark"] == 0

    def test_background_alone(self, dataset_of, tmp_path, quiet):
        image = np.full((20, 20, 3), 150, np.uint8)
        training = dataset_of([Field("empty", image, np.zeros((20, 20), np.uint8))])
        trained = SMALL.fit(training, training.taxonomy, tmp_path, 0, quiet)
        assert (trained.segment(image).probabilities[0] == 1).all()

    def test_progress_is_told(self, toy, tmp_path):
        told = []
        SMALL.fit(toy, toy.taxonomy, tmp_path, 0, lambda *call: told.append(call[:3]))
        assert told == [("scribbling", 1, 2), ("scribbling", 2, 2), ("training the forest", 1, 1)]

    def test_a_field_without_class_map_is_refused(self, dataset_of, tmp_path, quiet):
        training = dataset_of([Field("bare", np.zeros((8, 8, 3), np.uint8))])
        with pytest.raises(DrepanoError, match="field bare: has no class map"):
            SMALL.fit(training, training.taxonomy, tmp_path, 0, quiet)

    def test_no_fields_are_refused(self, dataset_of, tmp_path, quiet):
        with pytest.raises(DrepanoError, match="no fields to train on"):
            SMALL.fit(dataset_of([]), BINARY, tmp_path, 0, quiet)


class TestSegment:
    def test_probabilities_add_up_to_one_and_agree_with_the_classes(self, toy, make_discs, tmp_path, quiet):
        trained = SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        result = trained.segment(make_discs(100).image)
        assert result.probabilities.dtype == np.float32
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)
        np.testing.assert_array_equal(result.probabilities.argmax(0), result.classes)
        assert result.classes.dtype == np.uint8
        assert (result.taxonomy, result.cell_diameter) == (toy.taxonomy, 16)

    def test_blocks_do_not_show(self, toy, tmp_path, quiet, monkeypatch):
        trained = SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        image = np.random.default_rng(0).integers(0, 256, (100, 90, 3)).astype(np.uint8)
        whole = trained.segment(image).probabilities
        monkeypatch.setattr("drepano.methods.pixel_forest._BLOCK", 32)
        np.testing.assert_array_equal(trained.segment(image).probabilities, whole)

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 23)])
    def test_a_field_of_any_size(self, toy, tmp_path, quiet, size):
        trained = SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        result = trained.segment(np.full((*size, 3), 150, np.uint8))
        assert result.probabilities.shape == (3, *size)

    def test_a_real_stained_smear(self, dataset_of, real_image, tmp_path, quiet):
        """It learns what region growing finds; there is no true class map of this one."""
        cells = TrainedRegionGrowing(GrowthSettings(1.0, 0.2, 0.1, 15), BINARY, 70).segment(real_image)
        training = dataset_of([Field("smear", real_image, cells.classes)])
        trained = PixelForest(trees=30).fit(training, BINARY, tmp_path, 0, quiet)
        assert dice_per_class(cells.classes, trained.segment(real_image).classes, 2)[1] > 0.75


class TestNothingIsPickled:
    def test_the_forest_is_in_no_file(self, toy, tmp_path, quiet):
        SMALL.fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        assert [file.name for file in tmp_path.iterdir()] == [RECORD]

    @pytest.mark.parametrize(
        "path", sorted(Path(drepano.methods.__file__).parent.glob("*.py")), ids=lambda p: p.stem
    )
    def test_no_method_imports_what_pickles(self, path):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
        assert not imported & {"pickle", "joblib", "cloudpickle", "shelve", "dill"}
