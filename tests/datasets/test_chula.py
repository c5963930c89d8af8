"""Chula RBC-12: centres and classes of cells, no masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drepano.datasets import open_dataset
from drepano.datasets.chula import TAXONOMY, read_points
from drepano.errors import DrepanoError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name in ("2", "10"):
        Image.new("RGB", (64, 48), (200, 180, 190)).save(tmp_path / "images" / f"{name}.jpg")
    (tmp_path / "labels" / "10.txt").write_text("60 5 0\n\n3 40 11\n")
    return tmp_path


def points(tmp_path, text):
    path = tmp_path / "points.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_x_y_class_becomes_row_column_class_counted_from_1(folder):
    field = open_dataset(folder)[1]
    assert field.points.tolist() == [[5, 60, 1], [40, 3, 12]]
    assert field.points.dtype == np.int32
    assert (TAXONOMY.classes[1], TAXONOMY.classes[12]) == ("normal", "hypochromia")
    assert field.classes is None and field.instances is None


@pytest.mark.parametrize("point", ["64 5 0", "3 48 0", "-1 5 0", "3 -1 0"])
def test_a_point_outside_the_image_is_refused(folder, point):
    (folder / "labels" / "10.txt").write_text(f"60 5 0\n{point}\n")
    told = rf"10\.txt: the point {point.removesuffix(' 0')} lies outside 10\.jpg, of 64 x 48 px"
    with pytest.raises(DrepanoError, match=told):
        open_dataset(folder)[1]


def test_fields_come_in_the_order_of_their_numbers(folder):
    assert [source.id for source in open_dataset(folder).sources] == ["2", "10"]


def test_a_field_without_a_label_file_has_no_points(folder):
    assert open_dataset(folder)[0].points is None


def test_an_empty_label_file_is_a_field_without_cells(tmp_path):
    assert read_points(points(tmp_path, "\n")).shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 2 0\n1 2\n", "line 2"),
        ("1 2 0 0\n", "line 1"),
        ("1 2.5 0\n", "line 1"),
        ("a b c\n", "three whole numbers"),
        (b"\xff\xfe1 2\n", "line 1"),
        ("1 2 -1\n", "classes are 0 to"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, told):
    with pytest.raises(DrepanoError, match=told) as error:
        read_points(points(tmp_path, text))
    assert "points.txt" in str(error.value) and "\n" not in str(error.value)


def test_the_last_class_is_12(tmp_path):
    assert read_points(points(tmp_path, "1 2 12\n")).tolist() == [[2, 1, 13]]
    assert TAXONOMY.classes[13] == "elliptocyte" and len(TAXONOMY) == 14
    with pytest.raises(DrepanoError, match="class 13; classes are 0 to 12"):
        read_points(points(tmp_path, "1 2 13\n"))


# --- the real files


@pytest.fixture(scope="module")
def chula(shared_data):
    return open_dataset(shared_data / "chula-rbc12")


def test_real_fields_with_and_without_labels(chula):
    assert len(chula) == 216
    assert sum(source.labels is not None for source in chula.sources) == 185
    assert chula.licence == "MIT"


def test_real_points_lie_inside_their_fields_and_are_of_known_classes(chula):
    classes = np.zeros(len(TAXONOMY), int)
    for source in chula.sources:
        if source.labels is None:
            continue
        found = read_points(source.labels)
        with Image.open(source.image) as image:
            width, height = image.size
        assert (found[:, 0] >= 0).all() and (found[:, 0] < height).all(), source.id
        assert (found[:, 1] >= 0).all() and (found[:, 1] < width).all(), source.id
        classes += np.bincount(found[:, 2], minlength=len(TAXONOMY))
    assert classes[0] == 0 and (classes[1:] > 0).all()
    assert classes[1] == classes.max()  # normal cells are the most frequent


def test_a_real_field(chula):
    field = chula[0]
    assert field.image.shape == (480, 640, 3)
    assert field.points is not None and len(field.points) > 0
