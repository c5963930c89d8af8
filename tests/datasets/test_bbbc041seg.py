"""BBBC041Seg: masks whose components are the cells."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from drepano.datasets import describe_unnumbered_cells, open_dataset
from drepano.datasets.bbbc041seg import is_bbbc041seg
from drepano.errors import DrepanoError
from drepano.taxonomy import BINARY

MARGIN = 105
NAME = "0a1b2c3d-0000-4000-8000-00000000000"
"""Of images, but for the last digit."""


def write(split, name, mask):
    """A field of a name that ends with `name`, whose margin has unlabelled cells, with `mask` inside."""
    mask = np.pad(mask, MARGIN)
    for folder in ("images", "masks"):
        (split / folder).mkdir(parents=True, exist_ok=True)
    grey = np.where(mask > 0, 120, 220).astype(np.uint8)
    grey[:60, :60], grey[-60:, -60:] = 120, 120
    Image.fromarray(grey).convert("RGB").save(split / "images" / f"{NAME}{name}.jpg")
    Image.fromarray(mask.astype(np.uint8)).save(split / "masks" / f"{NAME}{name}.png")


def a_mask():
    """Two cells that meet at a corner, one large, one of exactly 200 px, and a speck of 199 px."""
    mask = np.zeros((80, 120), np.uint8)
    mask[10:30, 10:30] = 255
    mask[30:50, 30:50] = 255
    mask[60:70, 60:80] = 255
    mask[10:20, 80:100] = 255
    mask[10, 80] = 0
    return mask


# --- small folders


def test_components_are_cells_and_corners_do_not_join_them(tmp_path):
    write(tmp_path / "train", "a", a_mask())
    field = open_dataset(tmp_path)[0]
    assert field.instances.dtype == np.int32 and field.instances.max() == 3
    assert field.instances[20, 20] != field.instances[40, 40]


def test_the_mask_that_parts_cells_counts_as_their_instance_map(tmp_path):
    write(tmp_path / "train", "a", a_mask())
    assert describe_unnumbered_cells(open_dataset(tmp_path)) == []


def test_the_margin_in_which_cells_are_not_labelled_is_left_out(tmp_path):
    write(tmp_path / "train", "a", a_mask())
    field = open_dataset(tmp_path)[0]
    assert field.image.shape == (80, 120, 3) and field.classes.shape == field.instances.shape == (80, 120)
    dark = field.image[..., 0] < 170
    assert (dark != (field.classes > 0)).mean() < 0.03  # JPEG blurs edges
    assert not dark[52:58].any()


def test_a_cell_that_the_new_border_cuts_is_still_a_cell(tmp_path):
    mask = np.zeros((80, 120), np.uint8)
    mask[:20, 40:60] = 255
    write(tmp_path / "train", "a", mask)
    assert (open_dataset(tmp_path)[0].instances == (mask > 0)).all()


def test_a_field_that_is_nothing_but_margin_is_refused(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (300, 210)).save(tmp_path / "images" / f"{NAME}a.jpg")
    Image.new("L", (300, 210)).save(tmp_path / "masks" / f"{NAME}a.png")
    with pytest.raises(DrepanoError, match=r"a\.jpg: has only 300 x 210 px"):
        open_dataset(tmp_path)[0]


def test_specks_are_no_cells_but_stay_in_the_classes(tmp_path):
    write(tmp_path / "train", "a", a_mask())
    field = open_dataset(tmp_path)[0]
    assert (field.instances[10:20, 80:100] == 0).all()
    assert (field.instances[60:70, 60:80] > 0).all()
    assert (field.classes == (a_mask() > 0)).all()


@pytest.mark.parametrize("high", [1, 255])
def test_masks_of_0_and_1_or_of_0_and_255(tmp_path, high):
    write(tmp_path / "val", "a", (a_mask() > 0) * high)
    dataset = open_dataset(tmp_path / "val")
    assert dataset.taxonomy == BINARY
    assert np.unique(dataset[0].classes).tolist() == [0, 1]


def test_another_value_is_refused_with_the_file_and_the_value(tmp_path):
    write(tmp_path / "val", "a", np.full((20, 20), 7))
    with pytest.raises(DrepanoError, match=r"a\.png.*7"):
        open_dataset(tmp_path)[0]


def test_a_mask_of_another_size_is_refused(tmp_path):
    write(tmp_path / "val", "a", a_mask())
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(tmp_path / "val" / "masks" / f"{NAME}a.png")
    with pytest.raises(DrepanoError, match=r"a\.png: is 300 x 300 but .*a\.jpg is 330 x 290"):
        open_dataset(tmp_path)[0]


def test_a_missing_mask_is_named(tmp_path):
    write(tmp_path / "train", "a", a_mask())
    write(tmp_path / "train", "b", a_mask())
    (tmp_path / "train" / "masks" / f"{NAME}b.png").unlink()
    with pytest.raises(
        DrepanoError, match=r"masks.*b\.png.*not there; restore it or remove the image"
    ) as error:
        open_dataset(tmp_path)
    assert "\n" not in str(error.value)
    assert [source.id for source in open_dataset(tmp_path, strict=False).sources] == [f"{NAME}a"]


def test_a_folder_without_masks_is_another_data_set(tmp_path):
    (tmp_path / "images").mkdir()
    assert not is_bbbc041seg(tmp_path)


def test_so_is_one_whose_images_have_other_names(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.new("L", (400, 400)).save(tmp_path / folder / "field-1.jpg")
    with pytest.raises(DrepanoError, match="is no data set that is known"):
        open_dataset(tmp_path)


def test_a_field_in_both_parts_is_a_problem(tmp_path):
    for part in ("train", "val"):
        write(tmp_path / part, "a", a_mask())
    with pytest.raises(DrepanoError, match=r"a\.jpg has the same name; rename one of them"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, strict=False)) == 1


# --- the real files


def test_real_splits(bbbc041seg):
    assert len(open_dataset(bbbc041seg)) == 90
    assert len(open_dataset(bbbc041seg / "train")) == 80
    val = open_dataset(bbbc041seg / "val")
    assert len(val) == 10 and len({source.id for source in val.sources}) == 10
    assert val.patients == ()


def test_a_real_field_has_cells_of_the_stated_diameter(bbbc041seg):
    dataset = open_dataset(bbbc041seg / "val")
    field = dataset[0]
    assert field.image.shape[2] == 3 and field.image.shape[:2] == field.classes.shape == field.instances.shape
    assert np.unique(field.classes).tolist() == [0, 1]
    assert not (field.instances[field.classes == 0]).any()
    areas = np.bincount(field.instances.ravel())[1:]
    assert areas.min() >= 200
    assert 30 < len(areas) < 300
    for number, box in enumerate(ndimage.find_objects(field.instances), start=1):
        assert ndimage.label(field.instances[box] == number)[1] == 1
    diameter = np.sqrt(4 * np.median(areas) / np.pi)
    assert abs(diameter / dataset.cell_diameter - 1) < 0.35
