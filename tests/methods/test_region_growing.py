"""Region growing: the algorithm step by step, its seeds, its choice of settings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.methods.region_growing import (
    LARGEST_TOLERANCE,
    RECORD,
    GrowthSettings,
    RegionGrowing,
    TrainedRegionGrowing,
    find_seeds,
    grow,
)
from drepano.metrics import dice_per_class
from drepano.preprocessing import background_colour
from drepano.taxonomy import BINARY

SHARP = GrowthSettings(smoothing=0.01, clearance=0.5, share=0.1, tolerance=8)


def as_image(grey) -> np.ndarray:
    return np.repeat(np.asarray(grey, np.float32)[..., None], 3, axis=2)


def seeds_at(*places: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.array(places).T
    return rows, columns


def slow_levels(image: np.ndarray, seeds) -> np.ndarray:
    """What `grow` documents, pixel by pixel."""
    height, width = image.shape[:2]
    level = np.full((height, width), LARGEST_TOLERANCE + 1)
    members = [[(int(row), int(column))] for row, column in zip(*seeds, strict=True)]
    owner = {region[0]: number for number, region in enumerate(members)}
    for place in owner:
        level[place] = 0
    for tolerance in range(1, LARGEST_TOLERANCE + 1):
        last = list(owner.items())  # whose neighbours are looked at: of all, then of the last ring
        while last:
            means = [np.mean([image[place] for place in region], axis=0) for region in members]
            wishes: dict[tuple[int, int], tuple[float, int]] = {}
            for (row, column), number in last:
                for place in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                    inside = 0 <= place[0] < height and 0 <= place[1] < width
                    if not inside or place in owner:
                        continue
                    difference = float(np.sqrt(np.mean((image[place] - means[number]) ** 2)))
                    if difference <= tolerance:
                        wishes[place] = min(wishes.get(place, (np.inf, 0)), (difference, number))
            last = [(place, number) for place, (_, number) in wishes.items()]
            for place, number in last:
                owner[place] = number
                members[number].append(place)
                level[place] = tolerance
    return level


class TestGrow:
    @pytest.mark.parametrize("seed", range(4))
    def test_it_is_what_the_documentation_says_pixel_by_pixel(self, seed):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 40, (9, 11, 3)).astype(np.float32)
        seeds = seeds_at((1, 1), (7, 9), (4, 5))
        np.testing.assert_array_equal(grow(image, seeds), slow_levels(image, seeds))

    def test_a_seed_has_level_0_and_what_equals_it_level_1(self):
        np.testing.assert_array_equal(grow(as_image([[7, 7, 7]]), seeds_at((0, 1))), [[1, 0, 1]])

    def test_a_pixel_joins_at_its_difference_rounded_up(self):
        levels = grow(as_image([[100, 100, 104.5]]), seeds_at((0, 0)))
        np.testing.assert_array_equal(levels, [[0, 1, 5]])

    def test_what_lies_behind_an_edge_is_reached_when_the_edge_is(self):
        """That is why an unstained cell is found whole, though inside it is as grey as the background."""
        levels = grow(as_image([[100, 100, 100, 120, 100]]), seeds_at((0, 0)))
        np.testing.assert_array_equal(levels, [[0, 1, 1, 20, 20]])

    def test_nothing_is_reached_diagonally(self):
        levels = grow(as_image([[0, 200], [200, 0]]), seeds_at((0, 0)))
        np.testing.assert_array_equal(levels, [[0, 61], [61, 61]])

    def test_the_mean_follows_the_region(self):
        """The end of a slope lies farther from the seed than from the mean of what has joined."""
        slope = np.linspace(100, 130, 61)[None]
        assert grow(as_image(slope), seeds_at((0, 0)))[0, -1] < 20

    def test_the_nearer_region_in_colour_takes_a_pixel(self):
        levels = grow(as_image([[100, 106, 110]]), seeds_at((0, 0), (0, 2)))
        np.testing.assert_array_equal(levels, [[0, 4, 0]])

    def test_a_difference_in_one_channel_counts_a_third_of_its_square(self):
        image = as_image([[100, 100]])
        image[0, 1, 2] += 12
        assert grow(image, seeds_at((0, 0)))[0, 1] == np.ceil(12 / np.sqrt(3))


class TestSeeds:
    def test_at_most_one_in_every_square_of_a_cell_diameter(self, make_discs):
        image = make_discs(0).image.astype(np.float32)
        rows, columns = find_seeds(image, background_colour(image), 16, 0.2, 0.1)
        assert len(rows) > 3
        assert len(set(zip(rows // 16, columns // 16, strict=True))) == len(rows)

    @pytest.mark.parametrize("noise", [0, 2, 6])
    def test_none_lies_in_a_cell(self, make_discs, noise):
        field = make_discs(0, noise=noise)
        image = field.image.astype(np.float32)
        seeds = find_seeds(image, background_colour(image), 16, 0.5, 0.1)
        assert len(seeds[0])
        assert not field.classes[seeds].any()

    def test_none_lies_in_a_cell_that_is_as_grey_inside_as_the_background(self):
        image = as_image(ring_image())
        seeds = find_seeds(image, background_colour(image), 20, 0.5, 0.1)
        assert np.hypot(seeds[0] - 30, seeds[1] - 30).min() > 10

    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 70)])
    def test_there_is_one_in_an_image_of_any_size(self, size):
        image = as_image(np.random.default_rng(0).integers(0, 256, size))
        rows, columns = find_seeds(image, background_colour(image), 16, 0.5, 0.1)
        assert len(rows)
        assert (rows < size[0]).all()
        assert (columns < size[1]).all()


def disc_image(size=(70, 90)) -> tuple[np.ndarray, np.ndarray]:
    """Two dark discs on a bright ground, without noise: image and true cells."""
    y, x = np.mgrid[: size[0], : size[1]]
    cells = (np.hypot(y - 20, x - 25) < 10) | (np.hypot(y - 45, x - 60) < 10)
    return np.where(cells, 90, 200), cells


def ring_image() -> np.ndarray:
    """An unstained cell: a bright and a dark ring of 10 px around what is as grey as the background."""
    y, x = np.mgrid[:60, :60]
    distance = np.hypot(y - 30, x - 30)
    return np.select([distance < 7, distance < 9, distance < 10], [150, 190, 110], 150)


class TestSegment:
    def test_the_exact_discs(self):
        grey, cells = disc_image()
        result = TrainedRegionGrowing(SHARP, BINARY, 20).segment(as_image(grey).astype(np.uint8))
        np.testing.assert_array_equal(result.classes, cells)

    def test_the_exact_discs_of_a_stain_as_bright_as_the_background(self):
        _, cells = disc_image()
        image = np.where(cells[..., None], (220, 180, 200), (200, 200, 200)).astype(np.uint8)
        result = TrainedRegionGrowing(SHARP, BINARY, 20).segment(image)
        np.testing.assert_array_equal(result.classes, cells)

    def test_an_unstained_cell_is_found_whole(self):
        y, x = np.mgrid[:60, :60]
        result = TrainedRegionGrowing(SHARP, BINARY, 20).segment(as_image(ring_image()).astype(np.uint8))
        np.testing.assert_array_equal(result.classes, np.hypot(y - 30, x - 30) < 10)

    def test_uneven_light_is_no_cell(self):
        grey, cells = disc_image((120, 160))
        light = np.linspace(-20, 20, 160)  # two and a half tolerances on either side
        settings = GrowthSettings(smoothing=0.01, clearance=0.2, share=0.5, tolerance=8)
        result = TrainedRegionGrowing(settings, BINARY, 20).segment(as_image(grey + light).astype(np.uint8))
        np.testing.assert_array_equal(result.classes, cells)

    def test_probabilities_add_up_to_one_and_agree_with_the_classes(self, make_discs):
        result = TrainedRegionGrowing(SHARP, BINARY, 16).segment(make_discs(0).image)
        assert result.probabilities.dtype == np.float32
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-6)
        np.testing.assert_array_equal(result.probabilities.argmax(0), result.classes)
        assert result.classes.dtype == np.uint8
        assert (result.taxonomy, result.cell_diameter) == (BINARY, 16)

    def test_another_tolerance_is_another_threshold_on_the_same_order_of_pixels(self, make_discs):
        """So that one ROC curve is the curve over all tolerances."""
        image = make_discs(0, noise=8).image
        loose = TrainedRegionGrowing(GrowthSettings(0.5, 0.5, 0.1, 20), BINARY, 16).segment(image)
        strict = TrainedRegionGrowing(GrowthSettings(0.5, 0.5, 0.1, 5), BINARY, 16).segment(image)
        threshold = loose.probabilities[1][strict.classes == 1].min()
        np.testing.assert_array_equal(loose.probabilities[1] >= threshold, strict.classes == 1)
        assert loose.classes.sum() < strict.classes.sum()

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 23)])
    def test_an_empty_field_of_any_size_has_no_cell(self, size):
        image = np.full((*size, 3), 160, np.uint8)
        result = TrainedRegionGrowing(SHARP, BINARY, 16).segment(image)
        assert result.probabilities.shape == (2, *size)
        assert not result.classes.any()

    def test_a_real_stained_smear(self, real_image):
        trained = TrainedRegionGrowing(GrowthSettings(1.0, 0.2, 0.1, 15), BINARY, 70)
        result = trained.segment(real_image)
        assert 0.1 < result.classes.mean() < 0.7
        # Cells are darker than what they lie on.
        assert real_image[result.classes == 1].mean() < real_image[result.classes == 0].mean() - 10


class TestFit:
    def test_it_finds_the_cells_of_other_fields(self, toy, make_discs, tmp_path, quiet):
        trained = RegionGrowing().fit(toy, BINARY, tmp_path, 0, quiet)
        field = make_discs(100)
        assert dice_per_class((field.classes > 0).astype(np.uint8), trained.segment(field.image).classes, 2)[
            1
        ] == pytest.approx(1, abs=0.02)
        assert trained.cell_diameter == 16

    def test_the_dice_that_it_chooses_by_is_that_of_its_maps(self, toy, tmp_path, quiet):
        trained = RegionGrowing(fields=3).fit(toy, BINARY, tmp_path, 0, quiet)
        record = json.loads((tmp_path / RECORD).read_text())
        assert record["settings"] == vars(trained.settings)
        dice = [
            dice_per_class((field.classes > 0).astype(np.uint8), trained.segment(field.image).classes, 2)[1]
            for field in toy.with_ids(record["fields"])
        ]
        assert record["dice"] == pytest.approx(np.mean(dice))
        assert record["dice"] == max(other["dice"] for other in record["best_dice"])

    def test_it_looks_at_no_more_fields_than_it_says(self, dataset_of, make_discs, tmp_path, quiet):
        read = []
        training = dataset_of([make_discs(seed) for seed in range(6)], read)
        RegionGrowing(fields=2).fit(training, BINARY, tmp_path, 0, quiet)
        assert len(read) == 2
        assert json.loads((tmp_path / RECORD).read_text())["fields"] == read

    def test_the_seed_says_which_fields(self, toy, tmp_path, quiet):
        chosen = []
        for number, seed in enumerate((1, 1, 2)):
            folder = tmp_path / str(number)
            RegionGrowing(fields=2).fit(toy, BINARY, folder, seed, quiet)
            chosen.append((folder / RECORD).read_bytes())
        assert chosen[0] == chosen[1] != chosen[2]

    def test_progress_is_told_field_by_field(self, toy, tmp_path):
        told = []
        RegionGrowing(fields=3).fit(toy, BINARY, tmp_path, 0, lambda *call: told.append(call[:3]))
        assert told == [("choosing settings", done, 3) for done in (1, 2, 3)]

    def test_a_field_without_cells_can_be_chosen_on(self, dataset_of, tmp_path, quiet):
        image = np.full((40, 40, 3), 150, np.uint8)
        training = dataset_of([Field("empty", image, np.zeros((40, 40), np.uint8))])
        trained = RegionGrowing().fit(training, BINARY, tmp_path, 0, quiet)
        assert not trained.segment(image).classes.any()

    def test_several_classes_of_cells_are_refused(self, toy, tmp_path, quiet):
        with pytest.raises(DrepanoError) as error:
            RegionGrowing().fit(toy, toy.taxonomy, tmp_path, 0, quiet)
        assert str(error.value) == (
            "region growing tells cells from background only; compare it with --binary"
        )

    def test_a_field_without_class_map_is_refused(self, dataset_of, tmp_path, quiet):
        training = dataset_of([Field("bare", np.zeros((8, 8, 3), np.uint8))])
        with pytest.raises(DrepanoError, match="field bare: has no class map"):
            RegionGrowing().fit(training, BINARY, tmp_path, 0, quiet)

    def test_no_fields_are_refused(self, dataset_of, tmp_path, quiet):
        with pytest.raises(DrepanoError, match="no fields to train on"):
            RegionGrowing().fit(dataset_of([]), BINARY, tmp_path, 0, quiet)
