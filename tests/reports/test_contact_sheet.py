"""Fields with their true labels, side by side."""

import numpy as np
import pytest

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.reports import contact_sheet as module
from drepano.reports import draw_contact_sheet
from drepano.reports.legend import UNCLASSIFIED_COLOUR
from drepano.taxonomy import SCD

GREY = 200


def field(height: int = 28, width: int = 28, **labels: object) -> Field:
    return Field("field", np.full((height, width, 3), GREY, dtype=np.uint8), **labels)  # type: ignore[arg-type]


def square(value: int, dtype: type, side: int = 28) -> np.ndarray:
    labels = np.zeros((side, side), dtype=dtype)
    labels[side // 4 : -side // 4, side // 4 : -side // 4] = value
    return labels


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == colour).all(axis=2)


def tiles(sheet: np.ndarray, rows: int = 256) -> np.ndarray:
    """The part of the sheet above the captions of its first row."""
    return sheet[: 12 + rows]


def test_instances_are_outlined_in_the_class_that_most_of_their_pixels_have() -> None:
    classes = square(2, np.uint8)
    classes[14, 14] = 1
    sheet = draw_contact_sheet([field(classes=classes, instances=square(9, np.int32))], SCD)
    assert has(tiles(sheet), SCD.colours[2]).any()
    assert not has(tiles(sheet), SCD.colours[1]).any()


@pytest.mark.parametrize("labels", ["classes", "instances"])
def test_labels_that_do_not_lie_on_the_image_are_refused(labels: str) -> None:
    one = field(
        **{"classes": square(1, np.uint8), "instances": square(1, np.int32)}
        | {labels: np.ones((9, 9), np.uint8)}
    )
    with pytest.raises(DrepanoError, match=r"field field: labels of shape \(9, 9\) do not lie on an image"):
        draw_contact_sheet([one], SCD)


def test_small_fields_are_enlarged_without_smoothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    sheet = draw_contact_sheet([Field("crop", image)], SCD, tile=280)
    assert np.array_equal(sheet[12 : 12 + 280, 12 : 12 + 280], np.kron(image, np.ones((10, 10, 1), np.uint8)))


def test_outline_of_an_enlarged_field_lies_on_its_pixels() -> None:
    sheet = draw_contact_sheet([field(classes=square(1, np.uint8))], SCD, tile=280)
    rows, columns = has(sheet[12:292, 12:292], SCD.colours[1]).nonzero()
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (70, 210, 70, 210)


def test_the_shape_of_a_field_is_kept() -> None:
    sheet = draw_contact_sheet([field(480, 640)], SCD, tile=256)
    assert has(tiles(sheet, 192), (GREY, GREY, GREY)).sum() == 256 * 192


def test_touching_regions_of_two_classes_are_two_cells() -> None:
    classes = np.zeros((28, 28), dtype=np.uint8)
    classes[5:20, 5:12], classes[5:20, 12:20] = 1, 2
    labels = module._labels_of(field(classes=classes), SCD)
    assert sorted(labels.classes or []) == [1, 2]


def test_points_become_crosses() -> None:
    points = np.array([[10, 20, 1], [100, 50, 2], [200, 200, 77]], dtype=np.int32)
    sheet = tiles(draw_contact_sheet([field(256, 256, points=points)], SCD))
    assert has(sheet, SCD.colours[1])[12 + 10, 12 + 16 : 12 + 25].all()
    assert has(sheet, SCD.colours[2])[12 + 96 : 12 + 105, 12 + 50].all()
    assert has(sheet, UNCLASSIFIED_COLOUR)[12 + 200, 12 + 200]


@pytest.mark.parametrize(
    "labelled, words",
    [
        (field(), "no labels"),
        (field(instances=np.zeros((28, 28), np.int32)), "0 cells"),
        (field(classes=square(1, np.uint8)), "1 cell"),
        (field(points=np.ones((3, 3), np.int32)), "3 cells"),
    ],
)
def test_caption_says_how_many_cells_are_labelled(labelled: Field, words: str) -> None:
    assert module._count_in_words(module._labels_of(labelled, SCD)) == words


def test_patient_and_name_are_in_the_caption() -> None:
    image = np.full((28, 28, 3), GREY, dtype=np.uint8)
    sheets = [
        draw_contact_sheet([Field(name, image, patient=patient)], SCD)
        for name, patient in (("a", "JH172"), ("b", "JH172"), ("a", None))
    ]
    assert not np.array_equal(sheets[0], sheets[1])
    assert not np.array_equal(sheets[0], sheets[2])


def test_fields_fill_rows_of_the_asked_length() -> None:
    one, four, five = (draw_contact_sheet([field()] * number, SCD, columns=4) for number in (1, 4, 5))
    assert one.shape[1] < four.shape[1] == five.shape[1]
    assert five.shape[0] > four.shape[0] + 256


def test_no_fields_give_a_sheet_that_says_so() -> None:
    sheet = draw_contact_sheet([], SCD)
    assert sheet.ndim == 3 and sheet.dtype == np.uint8


@pytest.mark.parametrize("columns, tile", [(0, 256), (4, 0)])
def test_an_empty_layout_is_refused(columns: int, tile: int) -> None:
    with pytest.raises(DrepanoError, match="at least 1"):
        draw_contact_sheet([field()], SCD, columns, tile)


def test_fields_of_one_pixel_and_of_extreme_shape_work() -> None:
    fields = [field(1, 1, instances=np.ones((1, 1), np.int32)), field(1, 3000), field(3000, 1)]
    draw_contact_sheet(fields, SCD, tile=64)
