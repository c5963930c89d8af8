"""Composed fields: real cells of one patient on a background like that patient's, with exact truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from drepano.datasets import CellCrop, compose_field, open_dataset, read_crop, simulate_cell
from drepano.datasets.cell_mask import background_level
from drepano.errors import DrepanoError
from drepano.taxonomy import CATEGORIES, SCD


def crop_of(category, seed=0, patient="P1", level=150.0):
    """A drawn cell with its exact mask: dark, with a darker rim, on a background of that grey level."""
    rng = np.random.default_rng([seed, CATEGORIES.index(category)])
    cell = simulate_cell(category, rng, cell_diameter=30.0)
    rows, columns = (np.flatnonzero(cell.mask.any(axis)) for axis in (1, 0))
    box = slice(rows[0] - 6, rows[-1] + 7), slice(columns[0] - 6, columns[-1] + 7)
    mask = cell.mask[box]
    rim = mask & ~ndimage.binary_erosion(mask, iterations=3)
    grey = level - 25 * mask - 30 * rim + rng.normal(0, 1, mask.shape)
    return CellCrop(grey.round().astype(np.uint8), mask, category, patient, f"{patient}-{category}-{seed}")


@pytest.fixture(scope="module")
def crops():
    return [crop_of(category, seed) for category in CATEGORIES for seed in range(3)]


def gaps(instances):
    """Distance in px from every cell to the nearest other one, between the centres of their pixels."""
    return [
        ndimage.distance_transform_edt((instances == 0) | (instances == number))[instances == number].min()
        for number in range(1, instances.max() + 1)
    ]


def whole(instances):
    """Numbers of the cells that the border does not cut."""
    border = np.concatenate([instances[0], instances[-1], instances[:, 0], instances[:, -1]])
    return sorted(set(range(1, instances.max() + 1)) - set(border.tolist()))


# --- the truth


@pytest.mark.parametrize("size", [(160, 160), (61, 97), (97, 61)])
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_is_exact(crops, size, seed):
    field = compose_field(crops, seed, size, cells=20)
    assert field.image.shape == (*size, 3) and field.image.dtype == np.uint8
    assert field.classes.shape == size and field.classes.dtype == np.uint8
    assert field.instances.shape == size and field.instances.dtype == np.int32
    assert ((field.classes > 0) == (field.instances > 0)).all()
    numbers = np.unique(field.instances[field.instances > 0])
    assert 1 <= len(numbers) <= 20
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    for number in numbers:
        assert len(np.unique(field.classes[field.instances == number])) == 1


def test_a_field_is_grey_and_says_whose_it_is(crops):
    field = compose_field(crops, 7, (80, 80))
    assert (field.id, field.patient) == ("composed-P1-000007", "P1")
    assert (field.image == field.image[..., :1]).all()


def test_every_cell_has_the_merged_class_of_its_category():
    for category in CATEGORIES:
        field = compose_field([crop_of(category)], 0, (100, 100), cells=3)
        assert np.unique(field.classes).tolist() == [0, SCD.index(category)]


def test_no_cells_gives_background_alone(crops):
    field = compose_field(crops, 0, (61, 97), cells=0)
    assert not field.classes.any() and not field.instances.any()
    assert field.image.std() > 0


def test_there_are_fewer_cells_where_there_is_no_room(crops):
    field = compose_field(crops, 0, (50, 50), cells=100)
    assert 1 <= field.instances.max() < 20


def test_cells_are_placed_whole_or_cut_by_the_border():
    """Turned, mirrored and scaled by up to 12 %: areas stay within 0.75 and 1.3 of the crop's."""
    crop = crop_of("Discocyte")
    field = compose_field([crop], 3, (400, 400), cells=25, touching=0.5)
    areas = [(field.instances == number).sum() / crop.mask.sum() for number in whole(field.instances)]
    assert len(areas) > 8
    assert min(areas) > 0.75 and max(areas) < 1.3
    assert max(areas) - min(areas) > 0.1


# --- the same bits, or others


def test_the_same_crops_and_seed_give_the_same_bits(crops):
    one, other = compose_field(crops, 5, (90, 110)), compose_field(list(crops), 5, (90, 110))
    for a, b in ((one.image, other.image), (one.classes, other.classes), (one.instances, other.instances)):
        assert a.tobytes() == b.tobytes()


def test_the_global_random_state_has_no_say_and_is_left_alone(crops):
    np.random.seed(1)  # noqa: NPY002
    one = compose_field(crops, 5, (90, 90))
    np.random.seed(2)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    other = compose_field(crops, 5, (90, 90))
    assert (one.image == other.image).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_seeds_differ(crops):
    fields = [compose_field(crops, seed, (90, 90)) for seed in range(6)]
    assert len({field.image.tobytes() for field in fields}) == 6
    assert len({field.instances.tobytes() for field in fields}) == 6


def test_patients_differ_in_arrangement_for_the_same_seed(crops):
    others = [replace(crop, patient="P2") for crop in crops]
    one, other = compose_field(crops, 0, (90, 90)), compose_field(others, 0, (90, 90))
    assert (one.instances != other.instances).any()


def test_the_crops_are_not_changed(crops):
    before = [(crop.image.copy(), crop.mask.copy()) for crop in crops]
    compose_field(crops, 0, (90, 90))
    for crop, (image, mask) in zip(crops, before, strict=True):
        assert (crop.image == image).all() and (crop.mask == mask).all()


# --- whose cells


def test_cells_of_several_patients_are_never_mixed(crops):
    with pytest.raises(DrepanoError, match=r"exactly one patient.*P1, P2"):
        compose_field([*crops, crop_of("Oval", patient="P2")], 0)


def test_crops_without_a_mask_are_never_used(crops):
    """Not even seen: with them or without them the same bits come out."""
    empty = CellCrop(np.zeros((30, 30), np.uint8), np.zeros((30, 30), bool), "Sickle", "P1", "empty")
    some = [crop for crop in crops if crop.category != "Sickle"]
    with_empty, without = compose_field([empty, *some], 0, (90, 90)), compose_field(some, 0, (90, 90))
    assert (with_empty.image == without.image).all()


def test_crops_none_of_which_has_a_mask_are_refused(crops):
    blank = [replace(crop, mask=np.zeros_like(crop.mask)) for crop in crops]
    for unusable in (blank, []):
        with pytest.raises(DrepanoError, match="with masks") as error:
            compose_field(unusable, 0)
        assert "\n" not in str(error.value)


# --- how they lie


def test_touching_cells_lie_within_2_px_of_another_one(crops):
    near = []
    for seed in range(4):
        instances = compose_field(crops, seed, (256, 256), cells=15, touching=1.0).instances
        distances = gaps(instances)
        near += [distances[number - 1] <= 2 for number in whole(instances) if number > 1]
    assert len(near) > 20
    assert np.mean(near) > 0.95


def test_cells_that_do_not_touch_keep_2_px_apart(crops):
    for seed in range(4):
        distances = gaps(compose_field(crops, seed, (256, 256), cells=15, touching=0.0).instances)
        assert len(distances) > 5
        assert min(distances) > 2


def test_balanced_draws_the_four_classes_equally_often_and_natural_as_often_as_they_are():
    crops = [crop_of("Discocyte", seed) for seed in range(12)]
    crops += [crop_of("Sickle"), crop_of("Granular"), crop_of("Echinocyte"), crop_of("Stomatocyte")]
    shares = {}
    for balanced in (True, False):
        counts = np.zeros(5)
        for seed in range(12):
            field = compose_field(crops, seed, (300, 300), cells=10, touching=0.0, balanced=balanced)
            cells = np.unique(np.stack([field.instances, field.classes], -1).reshape(-1, 2), axis=0)
            counts += np.bincount(cells[:, 1], minlength=5)
        shares[balanced] = counts[1:] / counts[1:].sum()
    np.testing.assert_allclose(shares[True], 0.25, atol=0.1)
    np.testing.assert_allclose(shares[False], [12 / 16, 1 / 16, 1 / 16, 2 / 16], atol=0.1)


# --- what they look like


@pytest.mark.parametrize("level", [100, 180])
def test_the_background_is_near_the_patients_grey_level(level):
    crops = [crop_of("Oval", seed, level=level) for seed in range(3)]
    for seed in range(5):
        field = compose_field(crops, seed, (150, 150), cells=4)
        assert abs(np.median(field.image[field.instances == 0]) / level - 1) < 0.08


def test_a_cells_pixels_are_the_crops():
    """Contrast as a function of the depth below the outline, which turning and mirroring do not change."""
    crop = crop_of("Discocyte")
    field = compose_field([crop], 1, (260, 260), cells=6, touching=0.0)

    def profile(grey, mask):
        depth = ndimage.distance_transform_edt(mask)
        rings = np.digitize(depth[mask] / depth.max(), np.linspace(0, 1, 11))
        return np.array([grey[mask][rings == ring].mean() for ring in range(1, 11)])

    expected = profile(crop.image.astype(float), crop.mask)
    cells = whole(field.instances)
    assert len(cells) >= 2
    for number in cells:
        found = profile(field.image[..., 0].astype(float), field.instances == number)
        assert np.corrcoef(expected, found)[0, 1] > 0.95


def test_cells_of_real_crops_are_darker_or_brighter_as_they_are_in_their_crops(xu2017):
    dataset = open_dataset(xu2017).of_patients(["JH18361915"])
    crops = [read_crop(source) for source in dataset.sources[:30]]
    level = np.array([background_level(crop.image) for crop in crops])
    field = compose_field(crops, 0, (400, 400), cells=15, touching=0.0)
    background = np.median(field.image[field.instances == 0])
    assert level.min() * 0.92 < background < level.max() * 1.08

    def spread(image, mask, background):
        return np.abs(image[mask].astype(float) - background).mean()

    real = [spread(crop.image, crop.mask, background_level(crop.image)) for crop in crops if crop.mask.any()]
    placed = [
        spread(field.image[..., 0], field.instances == number, background)
        for number in whole(field.instances)
    ]
    assert 0.5 * np.median(real) < np.median(placed) < 2 * np.median(real)
    empty = np.abs(field.image[field.instances == 0].astype(float) - background).mean()
    assert np.median(placed) > 2 * empty
