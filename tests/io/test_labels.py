"""Label maps keep their values, and values without a class are explained."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from drepano.errors import DrepanoError
from drepano.io import (
    LabelValues,
    OutputError,
    format_value,
    map_values,
    parse_value,
    read_label_values,
    write_class_map,
    write_label_map,
)
from drepano.taxonomy import BINARY, SCD


def refusal(action, *arguments) -> str:
    with pytest.raises(DrepanoError) as error:
        action(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def grey(*values) -> LabelValues:
    return LabelValues(np.array([values], np.int64), is_colour=False)


def colours(*values) -> LabelValues:
    return LabelValues(np.array([values], np.int64), is_colour=True)


def assert_holds(labels: LabelValues, values, is_colour=False):
    np.testing.assert_array_equal(labels.values, values)
    assert labels.values.dtype == np.int64
    assert labels.is_colour == is_colour


# --- reading


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_mask_of_0_and_255_keeps_these(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(path)
    assert_holds(read_label_values(path), [[0, 255]])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_1_bit_gives_0_and_1(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.array([[False, True]])).save(path)
    assert_holds(read_label_values(path), [[0, 1]])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_indexed_files_give_indices_not_colours(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(path)
    assert_holds(read_label_values(path), [[0, 1, 2]])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_instances_are_exact(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.array([[0, 300, 65535]], np.uint16)).save(path)
    assert_holds(read_label_values(path), [[0, 300, 65535]])


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float32])
def test_wider_tiff_is_exact(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 70_000]], dtype))
    assert_holds(read_label_values(tmp_path / "a.tif"), [[0, 70_000]])


def test_fractions_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 0.5, np.inf]], np.float32))
    assert "a label map of fractions" in refusal(read_label_values, tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_packed(tmp_path, mode):
    pixels = np.array([[[255, 0, 16], [0, 0, 0]]], np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png")
    assert_holds(read_label_values(tmp_path / "a.png"), [[0xFF0010, 0]], is_colour=True)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colours_that_are_all_grey_are_a_grey_map(tmp_path, mode):
    Image.fromarray(np.array([[0, 38]], np.uint8)).convert(mode).save(tmp_path / "a.png")
    assert_holds(read_label_values(tmp_path / "a.png"), [[0, 38]])


def test_16_bit_colours_are_refused(tmp_path):
    pixels = np.array([[[1000, 0, 0]]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    assert "colours beyond 8 bits" in refusal(read_label_values, tmp_path / "a.tif")


def test_what_is_no_image_is_refused_as_for_images(tmp_path):
    assert "does not exist" in refusal(read_label_values, tmp_path / "a.png")
    (tmp_path / "a.png").write_text("text")
    assert "not an image of a known format" in refusal(read_label_values, tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 4, 5), np.uint8))
    assert "holds 2 pages" in refusal(read_label_values, tmp_path / "a.tif")


def test_a_label_map_is_turned_like_its_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.array([[1, 2]], np.uint8)).save(tmp_path / "a.png", exif=exif)
    assert_holds(read_label_values(tmp_path / "a.png"), [[1], [2]])


def test_the_real_masks_hold_two_values(shared_data):
    mask = min((shared_data / "bbbc041seg" / "val" / "masks").glob("*.png"))
    assert set(np.unique(read_label_values(mask).values)) == {0, 1}


# --- values as text


@pytest.mark.parametrize(
    ("text", "value", "is_colour"),
    [
        ("0", 0, False),
        ("255", 255, False),
        ("-1", -1, False),
        ("#FF0010", 0xFF0010, True),
        ("#000000", 0, True),
    ],
)
def test_values_are_written_and_read_back(text, value, is_colour):
    assert format_value(value, is_colour) == text
    assert parse_value(text) == (value, is_colour)


def test_lower_case_colours_are_read():
    assert parse_value("#ff00aa") == (0xFF00AA, True)


@pytest.mark.parametrize("text", ["", "red", "#FFF", "1.5", "#12345G", "0x10", " 1"])
def test_other_text_is_no_value(text):
    assert "is not a label value; write a number" in refusal(parse_value, text)


# --- values to classes


def test_values_become_classes(tmp_path):
    classes = map_values(grey(0, 38, 255), {"0": 0, "38": 2, "255": 1}, tmp_path)
    np.testing.assert_array_equal(classes, [[0, 2, 1]])
    assert classes.dtype == np.uint8


def test_colours_become_classes(tmp_path):
    labels = colours(0xFF0000, 0x000000)
    np.testing.assert_array_equal(map_values(labels, {"#ff0000": 1, "#000000": 0}, tmp_path), [[1, 0]])


def test_a_colour_map_that_shows_only_background_is_understood(tmp_path):
    """Its three channels are equal, so it is read as grey."""
    np.testing.assert_array_equal(map_values(grey(0, 0), {"#000000": 0, "#FF0000": 1}, tmp_path), [[0, 0]])


def test_a_grey_number_is_no_packed_colour(tmp_path):
    assert "holds values without a class" in refusal(map_values, grey(0x0000FF), {"#0000FF": 1}, tmp_path)


def test_values_without_a_class_are_listed_with_their_share_and_the_lines_to_write(tmp_path):
    message = refusal(map_values, grey(*[0] * 7, *[38] * 2, 75), {"0": 0, "255": 1}, tmp_path / "a.png")
    assert message == (
        f"{tmp_path / 'a.png'}: holds values without a class; "
        "found 0 (70.00%), 38 (20.00%), 75 (10.00%); known are 0, 255; "
        'add under [classes] in dataset.toml: "38" = "name of the class", "75" = "name of the class"'
    )


def test_colours_without_a_class_are_listed_as_colours(tmp_path):
    assert '"#FF0000" = "name of the class"' in refusal(map_values, colours(0xFF0000), {}, tmp_path)


def test_of_many_values_twelve_are_listed(tmp_path):
    message = refusal(map_values, grey(*range(300)), {}, tmp_path)
    assert "11 (0.33%) and 288 more; known are none" in message
    assert message.count("name of the class") == 12


# --- writing


def test_a_class_map_is_an_indexed_png_in_the_taxonomys_colours(tmp_path):
    classes = np.array([[0, 1, 2, 3, 4]], np.uint8)
    write_class_map(tmp_path / "a.png", classes, SCD)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB"))[0], SCD.colours)
    assert_holds(read_label_values(tmp_path / "a.png"), classes)


def test_a_class_that_the_taxonomy_lacks_is_refused(tmp_path):
    message = refusal(write_class_map, tmp_path / "a.png", np.array([[0, 2]]), BINARY)
    assert "cannot hold the values 0 to 2; 0 to 1 are the classes of taxonomy 'rbc'" in message
    assert not list(tmp_path.iterdir())


def test_instances_are_a_16_bit_png(tmp_path):
    instances = np.array([[0, 1], [300, 65535]], np.int32)
    write_label_map(tmp_path / "a.png", instances)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "I;16"
    assert_holds(read_label_values(tmp_path / "a.png"), instances)


@pytest.mark.parametrize("bad", [-1, 65536])
def test_numbers_that_16_bits_cannot_hold_are_refused(tmp_path, bad):
    assert "0 to 65535" in refusal(write_label_map, tmp_path / "a.png", np.array([[0, bad]]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), np.zeros((0, 2), np.uint8)]
)
def test_what_is_no_map_is_not_written(tmp_path, array):
    assert "expected is (H, W) integer" in refusal(write_label_map, tmp_path / "a.png", array)


def test_a_map_that_cannot_be_written_is_an_output_error(tmp_path):
    with pytest.raises(OutputError):
        write_label_map(tmp_path / "absent" / "a.png", np.array([[1]]))


def test_a_jpeg_of_a_label_map_is_told_to_be_a_png(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    path = tmp_path / "mask.jpg"
    Image.fromarray(mask).save(path)
    with pytest.raises(DrepanoError, match="export the label maps as PNG"):
        map_values(read_label_values(path), {"0": 0, "255": 1}, path)
