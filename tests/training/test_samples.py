"""Training crops: which pixels are trained as what, and sample number i is always the same crop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.preprocessing import measure_light, normalise
from drepano.training.samples import (
    BETWEEN_CELLS,
    PreparedField,
    TrainingCrops,
    part_touching_cells,
    prepare_field,
)


def plain(value, size=(40, 40)):
    return PreparedField(np.full((3, *size), value, np.float32), np.full(size, 1, np.uint8))


def numbered(size=(40, 50)):
    """A field whose pixels all differ, and whose classes are its pixels'."""
    values = np.arange(size[0] * size[1], dtype=np.float32).reshape(size)
    return PreparedField(np.stack([values] * 3), (values % 5).astype(np.uint8))


def encoded(seed=0, size=96):
    """Blocks of four classes in an image that says which: its grey level is the class."""
    blocks = np.random.default_rng(seed).integers(0, 4, (size // 12, size // 12)).astype(np.uint8)
    classes = blocks.repeat(12, 0).repeat(12, 1)
    return PreparedField(np.stack([classes.astype(np.float32)] * 3), classes)


def crops(groups, count=10, size=32, seed=0, start=0, augment=False):
    return TrainingCrops(groups, size, count, seed, start, augment)


def prepared(field, scale=1.0, binary=False):
    return prepare_field(field, scale, binary, "background")


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# --- touching cells


@pytest.mark.parametrize("normalisation", ["background", "contrast"])
def test_half_precision_holds_a_normalised_image_to_a_twentieth_of_a_grey_level(normalisation):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = np.stack([grey, 255 - grey, grey // 3], axis=2)
    light = measure_light(image, normalisation)
    field = Field("a", image, classes=np.zeros((16, 16), np.uint8))
    np.testing.assert_allclose(
        prepare_field(field, 1.0, False, normalisation).image,
        normalise(image, light),
        rtol=0,
        atol=0.05 / light.contrast,
    )


def test_cells_that_touch_are_parted_by_background_on_both_sides():
    instances = np.array([[1, 1, 1, 2, 2, 2]] * 3)
    classes = np.array([[1, 1, 1, 3, 3, 3]] * 3, np.uint8)
    expected = [[1, 1, 0, 0, 3, 3]] * 3
    parted = part_touching_cells(classes, instances)
    assert parted.tolist() == expected and parted.dtype == np.uint8


def test_cells_that_meet_at_a_corner_are_parted_there():
    instances = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 2, 2]])
    expected = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]]
    assert part_touching_cells((instances > 0).astype(np.uint8), instances).tolist() == expected


def test_three_cells_at_one_point():
    instances = np.array([[1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2], [3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3]])
    parted = part_touching_cells(np.ones((4, 6), np.uint8), instances)
    assert parted.tolist() == [[1, 1, 0, 0, 1, 1], [0] * 6, [0] * 6, [1] * 6]


def test_a_pixel_between_two_cells_is_enough():
    instances = np.array([[1, 1, 0, 2, 2]] * 2)
    classes = (instances > 0).astype(np.uint8)
    assert (part_touching_cells(classes, instances) == classes).all()


def test_cells_alone_at_the_border_or_nowhere_keep_their_pixels():
    instances = np.zeros((4, 5), np.int32)
    assert not part_touching_cells(np.zeros((4, 5), np.uint8), instances).any()
    instances[:, :2] = 70_000
    classes = (instances > 0).astype(np.uint8)
    assert (part_touching_cells(classes, instances) == classes).all()


# --- preparing a field


def a_field(**changes):
    image = np.full((20, 30, 3), 150, np.uint8)
    classes = np.zeros((20, 30), np.uint8)
    classes[5:15, 5:25] = 2
    classes[5:15, 15:25] = 3
    instances = np.where(classes == 3, 2, (classes > 0).astype(np.int32))
    return Field("a", **{"image": image, "classes": classes, "instances": instances, **changes})


def test_a_prepared_field_is_normalised_and_marks_where_cells_meet():
    field = prepared(a_field())
    assert field.image.shape == (3, 20, 30) and field.image.dtype == np.float16
    assert np.abs(field.image).max() == 0  # the background's grey level
    assert field.classes[10].tolist() == [0] * 5 + [2] * 9 + [BETWEEN_CELLS] * 2 + [3] * 9 + [0] * 5


def test_the_gap_between_two_cells_is_marked_too():
    classes = a_field().classes.copy()
    classes[:, 15] = 0
    instances = np.where(classes == 3, 2, (classes > 0).astype(np.int32))
    field = prepared(a_field(classes=classes, instances=instances))
    assert field.classes[10].tolist() == [0] * 5 + [2] * 10 + [BETWEEN_CELLS] + [3] * 9 + [0] * 5


def test_without_instances_nothing_is_parted():
    field = prepared(a_field(instances=None))
    assert (field.classes == a_field().classes).all()


def test_binary_merges_all_classes_of_cells():
    field = prepared(a_field(), binary=True)
    assert np.unique(field.classes).tolist() == [0, 1, BETWEEN_CELLS]
    assert field.classes[10].tolist() == [0] * 5 + [1] * 9 + [BETWEEN_CELLS] * 2 + [1] * 9 + [0] * 5


def test_a_scaled_field_is_scaled_before_its_cells_are_parted():
    """Else the line between two cells would vanish when a field is made smaller."""
    field = prepared(a_field(), 0.5)
    assert field.image.shape == (3, 10, 15) and field.classes.shape == (10, 15)
    row = field.classes[5]
    assert set(row.tolist()) == {0, 2, 3, BETWEEN_CELLS}
    assert not ((row[:-1] == 2) & (row[1:] == 3)).any()
    assert prepared(a_field(), 2.0).classes.shape == (40, 60)


def test_a_field_without_class_map_is_refused_by_name():
    with pytest.raises(DrepanoError, match="field a: has no class map"):
        prepared(a_field(classes=None))


# --- crops


@pytest.mark.parametrize("augment", [False, True])
def test_crop_i_is_always_the_same_crop(augment):
    one = crops([[encoded(0), encoded(1)]], augment=augment)
    other = crops([[encoded(0), encoded(1)]], augment=augment)
    backwards = [other[i] for i in reversed(range(10))][::-1]
    assert all(same(one[i], backwards[i]) for i in range(10))
    assert all(same(one[i], one[i]) for i in range(10))


@pytest.mark.parametrize("augment", [False, True])
def test_start_shifts_the_numbers(augment):
    """So that a resumed run goes on with the crops that come next."""
    whole = crops([[encoded(0), encoded(1)]], augment=augment)
    rest = crops([[encoded(0), encoded(1)]], start=6, count=4, augment=augment)
    assert all(same(whole[6 + i], rest[i]) for i in range(4))


def test_crops_and_seeds_differ():
    one, other = crops([[numbered()]], seed=0), crops([[numbered()]], seed=1)
    corners = [tuple(float(data[i][0][0, 0, 0]) for i in range(10)) for data in (one, other)]
    assert corners[0] != corners[1] and len(set(corners[0])) > 5


def test_global_random_states_have_no_say():
    data = crops([[encoded()]], augment=True)
    torch.manual_seed(1)
    first = data[0]
    torch.manual_seed(2)
    np.random.seed(3)  # noqa: NPY002
    assert same(first, data[0])


def test_length_and_end():
    data = crops([[numbered()]], count=3)
    assert len(data) == 3 and len(list(data)) == 3
    with pytest.raises(IndexError):
        data[3]
    with pytest.raises(IndexError):
        data[-1]


def test_a_plain_crop_is_a_part_of_the_field_with_its_classes():
    field = numbered()
    for image, classes in crops([[field]], count=20):
        assert image.shape == (3, 32, 32) and image.dtype == torch.float32
        assert classes.shape == (32, 32) and classes.dtype == torch.int64
        top, left = divmod(int(image[0, 0, 0]), 50)
        np.testing.assert_array_equal(image, field.image[:, top : top + 32, left : left + 32])
        np.testing.assert_array_equal(classes, field.classes[top : top + 32, left : left + 32])


def test_every_corner_of_a_field_is_reached():
    seen = np.zeros((36, 38), bool)
    for image, _ in crops([[numbered((36, 38))]], count=400):
        seen.ravel()[image[0].numpy().astype(int).ravel()] = True
    assert seen.all()


def test_a_field_of_exactly_the_crops_size_is_the_crop():
    field = numbered((32, 32))
    image, classes = crops([[field]])[0]
    np.testing.assert_array_equal(image, field.image)
    np.testing.assert_array_equal(classes, field.classes)


@pytest.mark.parametrize("size", [(20, 45), (45, 20), (10, 10)])
def test_a_field_smaller_than_the_crop_is_padded_with_background(size):
    image, classes = crops([[plain(2.0, size)]])[0]
    rows, columns = min(size[0], 32), min(size[1], 32)
    assert image.shape == (3, 32, 32) and classes.shape == (32, 32)
    assert (image[:, :rows, :columns] == 2).all() and (classes[:rows, :columns] == 1).all()
    assert (image[:, rows:] == 0).all() and (image[:, :, columns:] == 0).all()  # 0 is the background's grey
    assert classes.sum() == rows * columns


def test_groups_are_drawn_equally_often_whatever_their_sizes():
    data = crops([[plain(1.0)], [plain(2.0)] * 19], count=600, size=16)
    share = np.mean([float(image[0, 0, 0]) == 1 for image, _ in data])
    assert abs(share - 0.5) < 0.07


def test_fields_of_a_group_are_drawn_equally_often():
    data = crops([[plain(float(i)) for i in range(4)]], count=600, size=16)
    counts = np.bincount([int(image[0, 0, 0]) for image, _ in data])
    assert counts.min() > 600 / 4 * 0.75


# --- augmented crops


def test_augmentation_keeps_image_and_classes_aligned():
    """The image encodes its classes; after any change of place and light it still does."""
    for image, classes in crops([[encoded(i) for i in range(4)]], count=60, size=48, augment=True):
        assert image.shape == (3, 48, 48) and image.dtype == torch.float32
        assert classes.shape == (48, 48) and classes.dtype == torch.int64
        assert classes.min() >= 0 and classes.max() <= 3
        agreement = np.corrcoef(image.mean(0).ravel(), classes.ravel())[0, 1]
        assert agreement > 0.93


def test_augmented_crops_of_one_place_differ():
    data = crops([[encoded()]], count=12, size=48, augment=True)
    assert len({image.numpy().tobytes() for image, _ in data}) == 12


def test_augmentation_zooms_by_up_to_a_quarter():
    """Boundaries of the blocks are 12 px apart in the field, 12 / 1.25 to 12 / 0.8 in the crop."""
    stripes = (np.arange(240) // 12 % 2)[None].repeat(240, 0).astype(np.uint8)
    field = PreparedField(np.stack([stripes.astype(np.float32)] * 3), stripes)
    widths = []
    for _, classes in crops([[field]], count=60, size=96, augment=True):
        line = classes[0] if (classes[0] != classes[0, 0]).any() else classes[:, 0]
        edges = np.flatnonzero(np.diff(line.numpy()))
        widths.append(np.diff(edges).mean())
    assert 12 * 0.78 < min(widths) < 10.5 and 13.5 < max(widths) < 12 * 1.27


def test_augmentation_does_not_change_the_field():
    field = encoded()
    before = field.image.copy(), field.classes.copy()
    list(crops([[field]], count=20, augment=True))
    assert (field.image == before[0]).all() and (field.classes == before[1]).all()
