"""Every image file becomes RGB of 8 bits, or one line that says why not."""

import math
import os
import struct
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from drepano.errors import DrepanoError
from drepano.io import (
    IMAGE_SUFFIXES,
    Plane,
    find_images,
    list_planes,
    pixel_size,
    read_image,
    read_label_values,
    to_rgb8,
)
from drepano.io.microscope import READERS

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
WHITE, BLACK = 255, 0


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def as_rgb(grey):
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def save(path: Path, pixels, mode=None, **options) -> Path:
    """A file of `pixels`, converted to Pillow's `mode`."""
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def save_tiff(path: Path, pixels, **options) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(path: Path, width: int, height: int) -> Path:
    """A PNG of some bytes whose header states any size."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b""))
    return path


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """The file with `old` overwritten."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


def refusal(action, *arguments, **options) -> str:
    with pytest.raises(DrepanoError) as error:
        action(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- arrays


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1)])
def test_a_grey_array_gets_three_equal_channels(shape):
    np.testing.assert_array_equal(to_rgb8(GREY.reshape(shape)), as_rgb(GREY))


def test_rgb_of_8_bits_is_unchanged_and_new():
    result = to_rgb8(RGB)
    np.testing.assert_array_equal(result, RGB)
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, RGB)


def test_an_opaque_alpha_channel_is_dropped():
    rgba = np.dstack([RGB, np.full_like(GREY, 255)])
    np.testing.assert_array_equal(to_rgb8(rgba), RGB)


def test_transparent_pixels_are_laid_over_white():
    rgba = np.array([[[200, 0, 0, 0], [200, 0, 0, 51], [200, 0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(to_rgb8(rgba), [[[255, 255, 255], [244, 204, 204], [200, 0, 0]]])


def test_bool_becomes_black_and_white():
    np.testing.assert_array_equal(to_rgb8(np.array([[True, False]]))[..., 0], [[WHITE, BLACK]])


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.int64, np.float32])
def test_wide_values_within_0_to_255_are_unchanged(dtype):
    np.testing.assert_array_equal(to_rgb8(GREY.astype(dtype)), as_rgb(GREY))


def test_16_bits_are_mapped_linearly_between_their_percentiles():
    values = np.linspace(1000, 4000, 10_000).round().astype(np.uint16).reshape(100, 100)
    low, high = np.percentile(values, (0.1, 99.9))
    expected = np.clip((values - low) / (high - low), 0, 1) * 255
    result = to_rgb8(values)[..., 0]
    np.testing.assert_allclose(result, expected, atol=0.51)
    assert (result.min(), result.max()) == (0, 255)


def test_one_mapping_serves_all_channels_so_that_colours_stay():
    values = np.zeros((40, 40, 3), np.uint16)
    values[:20] = (60_000, 30_000, 0)
    np.testing.assert_array_equal(to_rgb8(values)[0, 0], [255, 128, 0])


def test_a_constant_16_bit_image_is_black():
    assert not to_rgb8(np.full((4, 4), 3000, np.uint16)).any()


def test_negative_and_huge_values_are_mapped_as_well():
    values = np.array([[-(2**40), 2**40]])
    np.testing.assert_array_equal(to_rgb8(values)[0, :, 0], [0, 255])


def test_floats_from_0_to_1_are_fractions_of_255():
    np.testing.assert_array_equal(to_rgb8(np.array([[0.0, 0.5, 1.0]]))[0, :, 0], [0, 128, 255])


def test_floats_a_little_beyond_0_and_1_are_fractions_too():
    """As an image is that was scaled by cubic interpolation."""
    np.testing.assert_array_equal(to_rgb8(np.array([[-0.02, 0.5, 1.02]]))[0, :, 0], [0, 128, 255])


@pytest.mark.parametrize("highest", [1.2, 3.0, 15.0])
def test_floats_that_are_neither_fractions_nor_grey_levels_are_stretched(highest):
    """As a field divided by its background is: as grey levels of 8 bits it would be black."""
    values = np.linspace(0.2, highest, 10_000).reshape(100, 100)
    result = to_rgb8(values)
    assert (result.min(), result.max()) == (0, 255)
    assert len(np.unique(result)) == 256


def test_floats_around_0_are_no_fractions():
    """As of a field less its background: they are stretched."""
    np.testing.assert_array_equal(to_rgb8(np.array([[-0.08, 0.08]]))[0, :, 0], [0, 255])


def test_16_bit_transparency_is_laid_over_white():
    values = np.zeros((1, 2, 4), np.uint16)
    values[0, 1, 3] = 65535
    np.testing.assert_array_equal(to_rgb8(values)[0, :, 0], [WHITE, BLACK])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    assert "NaN or infinite" in refusal(to_rgb8, np.array([[0.0, bad]]))


@pytest.mark.parametrize("shape", [(5,), (2, 5, 5, 3), (5, 5, 2), (5, 5, 5), ()])
def test_other_shapes_are_refused_with_what_came_and_what_is_expected(shape):
    message = refusal(to_rgb8, np.zeros(shape, np.uint8))
    assert str(shape) in message
    assert "expected is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)" in message


def test_channels_first_gets_a_hint():
    assert "np.moveaxis(image, 0, -1)" in refusal(to_rgb8, np.zeros((3, 20, 30), np.uint8))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3)])
def test_an_empty_array_is_refused(shape):
    assert "no pixel" in refusal(to_rgb8, np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [complex, object, "U1"])
def test_other_types_are_refused(dtype):
    assert "of type" in refusal(to_rgb8, np.zeros((2, 2), dtype))


# --- files that are read


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_rgb_files_give_their_pixels(tmp_path, suffix):
    image = read_image(save(tmp_path / f"a{suffix}", RGB))
    np.testing.assert_array_equal(image, RGB)
    assert image.dtype == np.uint8
    assert image.flags.writeable


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".gif"])
def test_grey_files_give_three_equal_channels(tmp_path, suffix):
    np.testing.assert_array_equal(read_image(save(tmp_path / f"a{suffix}", GREY)), as_rgb(GREY))


def test_a_file_may_be_named_by_a_string(tmp_path):
    path = str(save(tmp_path / "a.png", RGB))
    np.testing.assert_array_equal(read_image(path), RGB)
    assert (list_planes(path), pixel_size(path)) == ([Plane()], None)


def test_webp_gives_its_pixels(tmp_path):
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.webp", RGB, lossless=True)), RGB)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_gives_nearly_its_pixels(tmp_path, mode):
    flat = np.full((16, 16, 3), (200, 200, 200), np.uint8)
    np.testing.assert_allclose(read_image(save(tmp_path / "a.jpg", flat, mode, quality=95)), flat, atol=3)


def test_the_preview_in_a_telephones_jpeg_is_no_second_page(tmp_path):
    main, preview = Image.fromarray(RGB), Image.fromarray(RGB[:2, :2])
    path = tmp_path / "a.jpg"
    main.save(path, format="MPO", save_all=True, append_images=[preview])
    assert list_planes(path) == [Plane()]
    assert read_image(path).shape == RGB.shape


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_one_pixel_is_an_image(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", np.array([[[1, 2, 3]]], np.uint8))
    np.testing.assert_array_equal(read_image(path), [[[1, 2, 3]]])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_1_bit_is_black_and_white(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", np.array([[True, False]]))
    np.testing.assert_array_equal(read_image(path)[..., 0], [[WHITE, BLACK]])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".gif"])
def test_indexed_files_give_their_colours(tmp_path, suffix):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 90, 0])
    image.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(
        read_image(tmp_path / f"a{suffix}"), [[[10, 20, 30], [200, 0, 0], [0, 90, 0]]]
    )


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_transparent_indices_are_white(tmp_path, transparency):
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.save(tmp_path / "a.png", transparency=transparency)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[10, 20, 30], [255, 255, 255]]])


@pytest.mark.parametrize(
    ("mode", "suffix"), [("LA", ".png"), ("RGBA", ".png"), ("RGBA", ".tif"), ("LA", ".tif")]
)
def test_transparent_pixels_of_a_file_are_white(tmp_path, mode, suffix):
    rgba = np.array([[[50, 50, 50, 255], [50, 50, 50, 0]]], np.uint8)
    path = save(tmp_path / f"a{suffix}", rgba, mode)
    np.testing.assert_array_equal(read_image(path)[..., 0], [[50, WHITE]])


def test_a_transparent_colour_of_an_rgb_png_is_white(tmp_path):
    path = save(tmp_path / "a.png", np.array([[[9, 9, 9], [1, 2, 3]]], np.uint8), transparency=(9, 9, 9))
    np.testing.assert_array_equal(read_image(path), [[[255, 255, 255], [1, 2, 3]]])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_files_are_mapped_by_the_linear_rule(tmp_path, suffix):
    values = GREY.astype(np.uint16) * 200
    np.testing.assert_array_equal(read_image(save(tmp_path / f"a{suffix}", values)), to_rgb8(values))


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_png_keeps_what_12_bits_of_a_camera_hold(tmp_path, channels):
    values = np.full((6, 8, channels), 65535, np.uint16)
    values[..., :3] = RGB.astype(np.uint16) * 16
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(values))
    np.testing.assert_array_equal(read_image(path), to_rgb8(values[..., :3]))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
def test_compressed_tiff_gives_its_pixels(tmp_path, compression):
    path = save_tiff(tmp_path / "a.tif", RGB, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(read_image(path), RGB)


def test_jpeg_in_a_tiff_is_rgb(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    path = save_tiff(tmp_path / "a.tif", flat, photometric="rgb", compression="jpeg")
    np.testing.assert_allclose(read_image(path), flat, atol=3)


@pytest.mark.parametrize(
    "options", [{"tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}, {"rowsperstrip": 1}]
)
def test_every_layout_of_tiff_gives_its_pixels(tmp_path, options):
    path = save_tiff(tmp_path / "a.tif", RGB, photometric="rgb", **options)
    np.testing.assert_array_equal(read_image(path), RGB)


def test_planar_samples_of_a_tiff_are_one_image(tmp_path):
    path = save_tiff(
        tmp_path / "a.tif", np.moveaxis(RGB, -1, 0).copy(), photometric="rgb", planarconfig="separate"
    )
    assert list_planes(path) == [Plane()]
    np.testing.assert_array_equal(read_image(path), RGB)


def test_min_is_white_is_turned(tmp_path):
    path = save_tiff(tmp_path / "a.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path), as_rgb(255 - GREY))


def test_cmyk_tiff_is_rgb(tmp_path):
    path = save(tmp_path / "a.tif", RGB, "CMYK")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_4_bit_grey_tiff_is_not_dark(tmp_path):
    path = save_tiff(tmp_path / "a.tif", np.array([[0, 15]], np.uint8), bitspersample=4)
    np.testing.assert_array_equal(read_image(path)[..., 0], [[BLACK, WHITE]])


def test_float_tiff_is_read_and_nan_refused(tmp_path):
    path = save_tiff(tmp_path / "a.tif", np.array([[0.0, 1.0]], np.float32))
    np.testing.assert_array_equal(read_image(path)[..., 0], [[BLACK, WHITE]])
    path = save_tiff(tmp_path / "b.tif", np.array([[0.0, np.nan]], np.float32))
    assert refusal(read_image, path).startswith(f"{path}: the image has values that are NaN")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(tmp_path, suffix, orientation):
    """A white corner goes where the camera says that it was."""
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    if suffix == ".tif":
        extratags = [(274, "H", 1, orientation, True)]
        path = save_tiff(tmp_path / "a.tif", pixels, extratags=extratags)
    else:
        path = save(tmp_path / f"a{suffix}", pixels, "RGB", exif=exif)
    image = read_image(path)
    assert image.shape == ((16, 32, 3) if orientation <= 4 else (32, 16, 3))
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    assert image[corners[orientation]].min() > 200
    assert (image > 128).sum() == 3 * 64


def test_the_content_decides_whatever_the_name_says(tmp_path):
    path = save(tmp_path / "a.png", RGB, format="TIFF")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_the_real_crops_are_read_in_every_mode_that_they_have(shared_data):
    paths = sorted((shared_data / "xu2017" / "images").rglob("*.png"))
    of_mode = {}
    for path in paths:
        with Image.open(path) as image:
            of_mode.setdefault(image.mode, path)
    assert of_mode
    for path in of_mode.values():
        with Image.open(path) as image:
            np.testing.assert_array_equal(read_image(path), np.asarray(image.convert("RGB")))


# --- several pages


@pytest.fixture(params=[".tif", ".gif", ".webp"])
def stack(tmp_path, request):
    """Three grey pages of values 0, 80 and 160."""
    pages = [Image.fromarray(np.full((6, 8), value, np.uint8)).convert("RGB") for value in (0, 80, 160)]
    path = tmp_path / f"stack{request.param}"
    options = {"lossless": True} if request.param == ".webp" else {}
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    return path


def test_a_stack_is_refused_without_a_page(stack):
    message = refusal(read_image, stack)
    assert f"{stack}: holds 3 pages" in message
    assert "page=0 to page=2" in message


def test_a_page_of_a_stack_is_read(stack):
    assert len(list_planes(stack)) == 3
    assert [int(read_image(stack, page).mean()) for page in range(3)] == [0, 80, 160]


@pytest.mark.parametrize("page", [3, -1])
def test_a_page_that_is_not_there_is_refused(stack, page):
    assert f"has no page={page}; its pages are page=0 to page=2" in refusal(read_image, stack, page)


def values(*lengths: int) -> np.ndarray:
    """16-bit pages of 6 x 8 px, each of one value: 1, 2, 3 and so on."""
    pages = np.arange(1, 1 + math.prod(lengths), dtype=np.uint16).reshape(*lengths, 1, 1)
    return np.broadcast_to(pages, (*lengths, 6, 8)).copy()


@pytest.mark.parametrize(
    ("axes", "lengths", "of_first", "of_second"),
    [
        ("CYX", (2,), [1], [2]),
        ("TCYX", (3, 2), [1, 3, 5], [2, 4, 6]),
        ("CZYX", (2, 3), [1, 2, 3], [4, 5, 6]),
        ("TCZYX", (2, 2, 2), [1, 2, 5, 6], [3, 4, 7, 8]),
    ],
)
def test_channels_of_an_ome_tiff_are_told_apart_and_all_else_is_a_page(
    tmp_path, axes, lengths, of_first, of_second
):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values(*lengths), ome=True, photometric="minisblack", metadata={"axes": axes})
    assert len(list_planes(path)) == len(of_first)
    assert {plane.place for plane in list_planes(path)} == {0}, "layers and times are of one place"
    for channel, expected in enumerate((of_first, of_second)):
        read = [read_image(path, page, channel)[0, 0, 0] for page in range(len(of_first))]
        assert read == expected


def test_channels_of_an_imagej_hyperstack(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values(3, 2).astype(np.uint8), imagej=True, metadata={"axes": "TCYX"})
    assert list_planes(path) == [Plane(time=time, stack=False) for time in range(3)]
    assert [read_image(path, page, 1)[0, 0, 0] for page in range(3)] == [2, 4, 6]


def test_a_scene_that_lacks_the_channel_is_refused_and_the_next_is_read(tmp_path):
    path = tmp_path / "a.ome.tif"
    sizes = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    with tifffile.TiffWriter(path, ome=True) as file:
        for channels, grey, size in ((1, 100, 1.0), (2, 200, 0.1)):
            planes = np.full((channels, 8, 8), grey, np.uint8)
            state = {"axes": "CYX", "PhysicalSizeX": size, "PhysicalSizeY": size} | sizes
            file.write(planes, photometric="minisblack", metadata=state)
    assert list_planes(path) == [Plane(0, stack=False), Plane(1, stack=False)]
    assert "has no channel 2; it has one channel only" in refusal(read_image, path, 0, 1)
    assert (read_image(path, 1, 1)[0, 0, 0], pixel_size(path, 1)) == (200, pytest.approx(0.1))


def test_rgb_is_one_channel(tmp_path):
    path = tmp_path / "a.ome.tif"
    image = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    tifffile.imwrite(path, image, ome=True, photometric="rgb")
    assert list_planes(path) == [Plane()]
    np.testing.assert_array_equal(read_image(path), image)


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values(2), ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    assert "has no channel 3; its channels are 1 to 2" in refusal(read_image, path, None, 2)
    plain = tmp_path / "b.png"
    Image.fromarray(values(1)[0].astype(np.uint8)).save(plain)
    assert "has no channel 2; it has one channel only" in refusal(read_image, plain, None, 1)


def test_plain_pages_are_pages_whatever_their_number(stack):
    assert list_planes(stack) == [Plane(number, time=number, stated=False) for number in range(3)]
    assert "it has one channel only" in refusal(read_image, stack, 0, 1)


def test_an_ordinary_file_has_one_page(tmp_path):
    path = save(tmp_path / "a.png", GREY)
    assert list_planes(path) == [Plane()]
    np.testing.assert_array_equal(read_image(path, 0), as_rgb(GREY))


def test_pages_of_different_sizes_are_counted_and_previews_are_not(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(GREY)
        file.write(GREY[:4])
        file.write(GREY[:2], subfiletype=1)
    assert len(list_planes(path)) == 2
    assert read_image(path, 1).shape == (4, 8, 3)


def test_frames_of_imagej_are_times_and_its_slices_may_be_fields(tmp_path):
    stack = values(3, 2).astype(np.uint8)
    frames, slices, both = tmp_path / "frames.tif", tmp_path / "slices.tif", tmp_path / "both.tif"
    tifffile.imwrite(frames, stack[:, 0], imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(slices, stack[:, 0], imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(both, stack, imagej=True, metadata={"axes": "TZYX"})
    assert list_planes(frames) == [Plane(0, 0, 0), Plane(0, 0, 1), Plane(0, 0, 2)]
    assert list_planes(slices) == [Plane(number, layer=number, stated=False) for number in range(3)]
    assert list_planes(both) == [
        Plane(number, number, time, stated=False, stack=False) for time in range(3) for number in range(2)
    ]


def test_imagej_stacks_are_counted(tmp_path):
    path = save_tiff(tmp_path / "a.tif", np.stack([GREY, GREY]), imagej=True, metadata={"axes": "ZYX"})
    assert len(list_planes(path)) == 2


def test_a_huge_imagej_stack_that_has_no_index_is_refused(tmp_path):
    path = save_tiff(tmp_path / "a.tif", GREY, imagej=True, metadata={"frames": 1})
    patched(path, b"images=1", b"images=9")
    assert "ImageJ stack of 9 images" in refusal(read_image, path)


# --- the size of a pixel


@pytest.mark.parametrize("unit", [b"um", b"micron", b"\\u00B5m", b"\xb5m"])
def test_imagej_states_the_pixel_size(tmp_path, unit):
    metadata = {"unit": "?" * len(unit)}
    path = save_tiff(tmp_path / "a.tif", GREY, imagej=True, resolution=(8, 8), metadata=metadata)
    assert pixel_size(patched(path, b"?" * len(unit), unit)) == pytest.approx(0.125)


@pytest.mark.parametrize(("unit", "expected"), [("µm", 0.25), ("nm", 0.00025), ("pixel", None)])
def test_ome_states_the_pixel_size(tmp_path, unit, expected):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": unit}
    assert pixel_size(save_tiff(tmp_path / "a.ome.tif", GREY, metadata=metadata)) == pytest.approx(expected)


def test_every_image_of_an_ome_file_has_a_pixel_size_of_its_own(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for size, channels in ((0.1, 2), (0.5, 1)):
            metadata = {"axes": "CYX", "PhysicalSizeX": size, "PhysicalSizeY": size}
            file.write(np.zeros((channels, 12, 16), np.uint8), metadata=metadata)
    assert len(list_planes(path)) == 2
    assert pixel_size(path, 0) == pytest.approx(0.1)
    assert pixel_size(path, 1) == pytest.approx(0.5)


def test_pixels_that_are_not_square_are_refused(tmp_path):
    ome = save_tiff(tmp_path / "a.ome.tif", GREY, metadata={"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.4})
    imagej = save_tiff(tmp_path / "b.tif", GREY, imagej=True, resolution=(5, 2.5), metadata={"unit": "um"})
    for path in (ome, imagej):
        with pytest.raises(DrepanoError, match=r"its pixels are 0.2 x 0.4 µm; make them square"):
            pixel_size(path)


def test_metadata_that_make_no_sense_state_no_pixel_size(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25}
    path = save_tiff(tmp_path / "a.ome.tif", GREY, metadata=metadata)
    assert pixel_size(patched(path, b'"0.25"', b'"a.bc"')) is None
    assert pixel_size(patched(path, b"<Pixels", b"<<ixels")) is None


def test_dots_per_inch_are_no_pixel_size(tmp_path):
    assert pixel_size(save(tmp_path / "a.tif", GREY, dpi=(72, 72))) is None
    assert pixel_size(save(tmp_path / "a.png", GREY, dpi=(72, 72))) is None
    assert pixel_size(save(tmp_path / "a.jpg", GREY, dpi=(72, 72))) is None
    assert pixel_size(save_tiff(tmp_path / "b.tif", GREY, imagej=True, metadata={"unit": "um"})) is not None
    assert pixel_size(save_tiff(tmp_path / "c.tif", GREY, imagej=True, resolution=(72, 72))) is None


# --- files that are refused


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(read_image, tmp_path / "a.png") == f"{tmp_path / 'a.png'}: does not exist; check the name"


def test_a_folder_is_refused(tmp_path):
    assert "is a folder; give the name of an image file" in refusal(read_image, tmp_path)


def test_a_device_is_refused():
    assert "is not an ordinary file" in refusal(read_image, Path("/dev/null"))


def test_a_name_that_is_too_long_is_refused(tmp_path):
    assert "cannot be read (File name too long)" in refusal(read_image, tmp_path / ("n" * 300 + ".png"))


@pytest.mark.parametrize("name", ["a.txt", "a.svs", "a"])
def test_other_types_of_file_are_refused(tmp_path, name):
    (tmp_path / name).write_text("text")
    message = refusal(read_image, tmp_path / name)
    assert "cannot be read; save it as one of .png, .jpg" in message


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_an_empty_file_is_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").touch()
    assert "the file is empty; copy or export it again" in refusal(read_image, tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [suffix for suffix in IMAGE_SUFFIXES if suffix not in READERS])
def test_text_with_the_name_of_an_image_is_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("not an image at all, but a letter")
    message = refusal(read_image, tmp_path / f"a{suffix}")
    assert message.startswith(f"{tmp_path / f'a{suffix}'}: ")
    assert "not an image of a known format" in message


def noise_file(path: Path, kind: str) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    match kind:
        case "planar.tif":
            planes = np.moveaxis(noise, -1, 0).copy()
            return save_tiff(path, planes, photometric="rgb", planarconfig="separate")
        case "lzw.tif":
            return save_tiff(path, noise, photometric="rgb", compression="lzw", rowsperstrip=4)
        case "jpeg.tif":
            return save_tiff(path, noise, photometric="rgb", compression="jpeg", rowsperstrip=8)
        case "pages.tif":
            return save_tiff(path, noise, photometric="minisblack")
        case "deep.png":
            path.write_bytes(imagecodecs.png_encode(noise.astype(np.uint16) * 200))
            return path
        case "moving.gif" | "moving.webp":
            pages = [Image.fromarray(noise), Image.fromarray(255 - noise)]
            pages[0].save(path, save_all=True, append_images=pages[1:])
            return path
    return save(path, noise)


KINDS = (
    *("a.png", "deep.png", "a.jpg", "a.bmp", "a.gif", "moving.gif", "a.webp", "moving.webp"),
    *("a.tif", "planar.tif", "lzw.tif", "jpeg.tif", "pages.tif"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.9, 0.98])
def test_a_file_that_is_cut_short_is_refused_never_half_read(tmp_path, kind, kept):
    path = noise_file(tmp_path / kind, kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert refusal(read_image, path).startswith(f"{path}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path, kind):
    content = noise_file(tmp_path / kind, kind).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(content)
        for position in rng.integers(0, rng.choice([60, len(content)]), 4):
            damaged[position] = rng.integers(256)
        (tmp_path / kind).write_bytes(damaged)
        for read in (read_image, list_planes, pixel_size):
            try:
                read(tmp_path / kind)
            except DrepanoError as error:
                assert "\n" not in str(error)


def test_a_stack_that_lost_its_last_page_is_refused(tmp_path):
    path = noise_file(tmp_path / "pages.tif", "pages.tif")
    with tifffile.TiffFile(path) as file:
        second = file.pages[1].offset
    path.write_bytes(path.read_bytes()[:second])
    assert "cut short" in refusal(list_planes, path)


def test_a_tiff_with_strips_left_out_is_refused(tmp_path):
    path = save_tiff(tmp_path / "a.tif", np.zeros((6, 8), np.uint8), compression="zlib", rowsperstrip=2)
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = file.pages.first.tags["StripByteCounts"]
        counts.overwrite([0, *counts.value[1:]])
    assert "part of its pixels is not there" in refusal(read_image, path)


@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "SamplesPerPixel"])
def test_a_tiff_without_pixels_is_refused(tmp_path, tag):
    path = save_tiff(tmp_path / "a.tif", RGB, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags[tag].overwrite(0)
    assert str(path) in refusal(read_image, path)
    assert str(path) in refusal(read_label_values, path)


@pytest.mark.parametrize("channels", [2, 5])
def test_a_tiff_of_many_channels_is_refused_or_its_first_taken(tmp_path, channels):
    pixels = np.repeat(GREY[..., np.newaxis], channels, axis=-1)
    path = save_tiff(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    if channels == 2:
        np.testing.assert_array_equal(read_image(path), as_rgb(GREY))
    else:
        assert "5 samples a pixel; save it as grey or RGB" in refusal(read_image, path)


def test_a_tiff_in_another_colour_space_is_refused(tmp_path):
    path = save_tiff(tmp_path / "a.tif", RGB, photometric="cielab")
    assert "CIELAB" in refusal(read_image, path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg", ".gif"])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, suffix):
    path = tmp_path / f"bomb{suffix}"
    size = struct.Struct({".bmp": "<ii", ".jpg": ">HH", ".gif": "<HH"}.get(suffix, "<II"))
    match suffix:
        case ".png":
            png_claiming(path, 30_000, 30_000)
        case ".tif":
            save_tiff(path, np.zeros((7, 9), np.uint8), compression="zlib")
            with tifffile.TiffFile(path, mode="r+") as file:
                file.pages.first.tags["ImageWidth"].overwrite(30_000)
                file.pages.first.tags["ImageLength"].overwrite(30_000)
        case _:
            save(path, np.zeros((777, 777), np.uint8))
            patched(path, size.pack(777, 777), size.pack(30_000, 30_000))
    message = refusal(read_image, path)
    assert "30000 x 30000 pixels are more than the limit of 150,000,000; cut it into fields" in message


def test_a_large_image_within_the_limit_gives_no_warning(tmp_path):
    """Pillow itself would warn from 89 million pixels on."""
    path = png_claiming(tmp_path / "a.png", 12_000, 12_000)
    assert list_planes(path) == [Plane()]
    assert "cut short" in refusal(read_image, path)


# --- looking for images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.TIF", "sub/c.jpg", ".hidden.png", ".hidden/d.png", "sub/.e/f.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def test_a_folder_gives_its_images_sorted_without_hidden_ones(folder):
    assert find_images([folder]) == [folder / "a.TIF", folder / "b.png", folder / "sub" / "c.jpg"]


def test_files_are_taken_as_they_are_in_the_order_given_and_once(folder):
    twice = folder / "sub" / ".." / "b.png"
    found = find_images([folder / "sub", folder / ".hidden.png", folder / "b.png", twice, folder])
    assert found == [folder / "sub" / "c.jpg", folder / ".hidden.png", folder / "b.png", folder / "a.TIF"]


def test_linked_folders_are_searched_and_circles_are_no_trap(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "e.png").touch()
    (folder / "link").symlink_to(elsewhere)
    (folder / "sub" / "up").symlink_to(folder)
    names = [str(path.relative_to(folder)) for path in find_images([folder])]
    assert names == ["a.TIF", "b.png", "link/e.png", "sub/c.jpg"]


def test_a_folder_that_a_link_leads_to_keeps_its_own_name(tmp_path):
    (tmp_path / "p7").mkdir()
    (tmp_path / "p7" / "a.png").touch()
    (tmp_path / "latest").symlink_to(tmp_path / "p7")
    assert find_images([tmp_path]) == [tmp_path / "p7" / "a.png"]


def test_a_hidden_folder_above_the_one_named_does_not_matter(folder):
    assert find_images([folder / ".hidden"]) == [folder / ".hidden" / "d.png"]


def test_a_folder_without_images_is_refused_with_what_was_looked_for(folder):
    message = refusal(find_images, [folder / "b.png", folder / "folder.png"])
    assert message.startswith(
        f"{folder / 'folder.png'}: no image in this folder; looked for .png, .jpg, .jpeg"
    )


def test_a_link_that_leads_nowhere_is_not_passed_over(folder):
    (folder / "lost.png").symlink_to(folder / "absent.png")
    assert folder / "lost.png" in find_images([folder])


def refuse(monkeypatch, folder):
    """As without permission to read `folder`, which a superuser always has."""
    scandir = os.scandir

    def without_permission(path):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", without_permission)


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_searched(folder, monkeypatch):
    refuse(monkeypatch, folder / "sub")
    told = []
    found = find_images([folder], lambda place, error: told.append((place, str(error))))
    assert found == [folder / "a.TIF", folder / "b.png"]
    reason = f"{folder / 'sub'}: cannot be read (Permission denied); check it and its permissions"
    assert told == [(folder / "sub", reason)]
    assert refusal(find_images, [folder]) == reason
    assert refusal(find_images, [folder / "sub"]) == reason


def test_a_file_that_cannot_be_looked_at_is_told_and_the_others_are_found(folder, monkeypatch):
    stat = os.stat

    def without_permission(path, **options):
        if Path(path) == folder / "sub" / "c.jpg":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", without_permission)
    told = []
    found = find_images([folder], lambda place, error: told.append(str(error)))
    assert found == [folder / "a.TIF", folder / "b.png"]
    (reason,) = told
    assert reason.startswith(f"{folder / 'sub' / 'c.jpg'}: cannot be read (Permission denied)")


def test_a_link_that_leads_to_itself_costs_the_others_nothing(folder):
    (folder / "loop.png").symlink_to(folder / "loop.png")
    told = []
    found = find_images([folder], lambda place, error: told.append(place))
    assert [*told, *found].count(folder / "loop.png") == 1
    assert {folder / "a.TIF", folder / "b.png", folder / "sub" / "c.jpg"} <= set(found)


def test_a_path_that_does_not_exist_is_refused(folder):
    assert "absent: does not exist" in refusal(find_images, [folder / "absent"])
