"""CZI written by Zeiss's own library, LIF and ND2 by hand as liffile and nd2 read them, and damaged files."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

from drepano.errors import DrepanoError
from drepano.io import Plane, find_images, list_planes, pixel_size, read_image

RNG = np.random.default_rng(0)


def write_czi(path, planes, pixel_size=0.0):
    """`planes`: arrays by (channel, time)."""
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(path)) as file:
        for (channel, time), values in planes.items():
            file.write(values, plane={"C": channel, "T": time, "Z": 0})
        file.write_metadata(scale_x=pixel_size, scale_y=pixel_size)


def write_lif(path, images, colours=(1, 2, 3)):
    """`images`: by name an array of 8 bits and the side of its pixels in metres.

    Arrays are (channels, times, height, width), or (times, height, width, 3) with their `colours` in that
    order: red is 1, green 2, blue 3.
    """
    elements, blocks = [], [("MemBlock_0", b"")]
    for number, (name, (values, side)) in enumerate(images.items(), start=1):
        if values.shape[-1] == 3:
            times, height, width, _ = values.shape
            channels = [(colour, place) for place, colour in enumerate(colours)]
            steps = [(1, width, 3), (2, height, 3 * width), (4, times, 3 * width * height)]
        else:
            count, times, height, width = values.shape
            channels = [(0, channel * times * height * width) for channel in range(count)]
            steps = [(1, width, 1), (2, height, width), (4, times, width * height)]
        described = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="{tag}" Resolution="8" NameOfMeasuredQuantity="" '
            f'Min="0" Max="255" Unit="" LUTName="Gray" IsLUTInverted="0" BytesInc="{step}" BitInc="0"/>'
            for tag, step in channels
        )
        dimensions = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{length}" Origin="0" '
            f'Length="{side * (length - 1)}" Unit="m" BitInc="0" BytesInc="{step}"/>'
            for axis, length, step in steps
        )
        elements.append(
            f'<Element Name="{name}" Visibility="1" UniqueID="u{number}"><Data><Image TextDescription="">'
            f"<ImageDescription><Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions>"
            f'</ImageDescription></Image></Data><Memory Size="{values.nbytes}" '
            f'MemoryBlockID="MemBlock_{number}"/><Children/></Element>'
        )
        blocks.append((f"MemBlock_{number}", values.tobytes()))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="fields" Visibility="1" UniqueID="u0"><Data>'
        '<Experiment Path=""/></Data><Memory Size="0" MemoryBlockID="MemBlock_0"/><Children>'
        f"{''.join(elements)}</Children></Element></LMSDataContainerHeader>"
    )
    text = xml.encode("utf-16-le")
    content = struct.pack("<IIBI", 0x70, 5 + len(text), 0x2A, len(xml)) + text
    for name, values in blocks:
        text = name.encode("utf-16-le")
        content += struct.pack("<IIBQBI", 0x70, 14 + len(text), 0x2A, len(values), 0x2A, len(name))
        content += text + values
    path.write_bytes(content)


def write_nd2(path, frames, times=1, places=1, pixel_size=0.0):
    """`frames`: (places * times, height, width, channels, colours), colours with blue first."""
    count, height, width, channels, colours = frames.shape
    plane = {"uiCompCount": colours, "pFluorescentProbe": {"m_sName": "none"}}
    points = {f"i{place:010}": {"dPosX": float(place), "dPosY": 0.0} for place in range(places)}
    time_loop = {"uiCount": times, "dStart": 0.0, "dPeriod": 1.0, "dDuration": 1.0}
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": frames[0, 0].nbytes,
        "uiHeight": height,
        "uiComp": channels * colours,
        "uiBpcInMemory": 8 * frames.itemsize,
        "uiBpcSignificant": 8 * frames.itemsize,
        "uiSequenceCount": count,
    }
    planes = {f"a{channel}": plane for channel in range(channels)}
    picture = {
        "bCalibrated": pixel_size > 0,
        "dCalibration": pixel_size,
        "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes},
    }
    experiment = {
        "eType": 2,
        "uLoopPars": {"Points": points},
        "ppNextLevelEx": {"i0000000000": {"eType": 1, "uLoopPars": time_loop}},
    }
    chunks = {
        "ImageAttributesLV": nd2_value("SLxImageAttributes", attributes),
        "ImageMetadataSeqLV|0": nd2_value("SLxPictureMetadata", picture),
        "ImageMetadataLV": nd2_value("SLxExperiment", experiment),
        "CustomData|AcqTimesCache": np.arange(count, dtype=np.float64).tobytes(),
    }
    chunks |= {f"ImageDataSeq|{place}": bytes(8) + frame.tobytes() for place, frame in enumerate(frames)}
    content = nd2_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"))
    table = b""
    for name, values in chunks.items():
        table += f"{name}!".encode() + struct.pack("<QQ", len(content), len(values))
        content += nd2_chunk(f"{name}!".encode().ljust(4072, b"\0"), values)
    table += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(content))
    path.write_bytes(content + nd2_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table))


def nd2_chunk(name, values):
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(values)) + name + values


def nd2_value(name, value):
    """A value with its name as NIS-Elements' "lite variant": type, length of the name, name, value."""
    text = f"{name}\0".encode("utf-16-le")
    if isinstance(value, dict):
        items = [nd2_value(*item) for item in value.items()]
        length = 2 + len(text) + 12 + sum(map(len, items))
        packed = struct.pack("<IQ", len(items), length) + b"".join(items) + bytes(8 * len(items))
        return struct.pack("<BB", 11, len(text) // 2) + text + packed
    if isinstance(value, str):
        return struct.pack("<BB", 8, len(text) // 2) + text + f"{value}\0".encode("utf-16-le")
    kind, form = {bool: (1, "<B"), int: (3, "<I"), float: (6, "<d")}[type(value)]
    return struct.pack("<BB", kind, len(text) // 2) + text + struct.pack(form, value)


def test_an_nd2_of_16_bit_has_a_page_a_place_and_time_and_its_channels_apart(tmp_path):
    pytest.importorskip("bioio_nd2")
    frames = RNG.integers(0, 256, (6, 20, 30, 2, 1)).astype(np.uint16)
    write_nd2(tmp_path / "field.nd2", frames, times=3, places=2, pixel_size=0.25)
    assert list_planes(tmp_path / "field.nd2") == [
        Plane(place, time=time, stack=False) for place, time in np.ndindex(2, 3)
    ]
    for page, channel in np.ndindex(6, 2):
        image = read_image(tmp_path / "field.nd2", page, channel)
        np.testing.assert_array_equal(image, frames[page, ..., channel, :].repeat(3, axis=2))
    assert pixel_size(tmp_path / "field.nd2") == pytest.approx(0.25)


def test_colours_of_an_nd2_are_stored_with_blue_first(tmp_path):
    pytest.importorskip("bioio_nd2")
    red = np.zeros((20, 30, 3), np.uint8)
    red[..., 0] = 200
    write_nd2(tmp_path / "field.nd2", red[None, :, :, None, ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "field.nd2"), red)


def test_an_nd2_that_is_not_calibrated_has_no_pixel_size(tmp_path):
    pytest.importorskip("bioio_nd2")
    write_nd2(tmp_path / "field.nd2", np.zeros((1, 20, 30, 1, 1), np.uint8))
    assert pixel_size(tmp_path / "field.nd2") is None


def test_a_czi_of_16_bit_has_a_page_a_time_and_its_channels_apart(tmp_path):
    planes = {
        (channel, time): RNG.integers(0, 256, (40, 50, 1)).astype(np.uint16)
        for channel in range(2)
        for time in range(3)
    }
    write_czi(tmp_path / "field.czi", planes, 0.2e-6)
    assert list_planes(tmp_path / "field.czi") == [Plane(time=time, stack=False) for time in range(3)]
    for (channel, time), values in planes.items():
        image = read_image(tmp_path / "field.czi", time, channel)
        np.testing.assert_array_equal(image, values.repeat(3, axis=2))
    assert pixel_size(tmp_path / "field.czi") == pytest.approx(0.2)


def test_colours_of_a_czi_are_stored_with_blue_first(tmp_path):
    red = np.zeros((20, 30, 3), np.uint8)
    red[..., 0] = 200
    write_czi(tmp_path / "field.czi", {(0, 0): np.ascontiguousarray(red[..., ::-1])})
    np.testing.assert_array_equal(read_image(tmp_path / "field.czi"), red)
    assert pixel_size(tmp_path / "field.czi") is None


def test_a_lif_has_a_page_an_image_and_time(tmp_path):
    pytest.importorskip("bioio_lif")
    first = RNG.integers(0, 256, (2, 3, 20, 30)).astype(np.uint8)
    second = RNG.integers(0, 256, (2, 1, 24, 16)).astype(np.uint8)
    write_lif(tmp_path / "fields.lif", {"first": (first, 0.2e-6), "second": (second, 0.2e-6)})
    assert list_planes(tmp_path / "fields.lif") == [
        Plane(place, time=time, stack=False) for place, time in ((0, 0), (0, 1), (0, 2), (1, 0))
    ]
    np.testing.assert_array_equal(read_image(tmp_path / "fields.lif", 1, 1)[..., 0], first[1, 1])
    np.testing.assert_array_equal(read_image(tmp_path / "fields.lif", 3)[..., 0], second[0, 0])
    assert pixel_size(tmp_path / "fields.lif") == pytest.approx(0.2)


def test_every_image_of_a_lif_has_a_pixel_size_of_its_own(tmp_path):
    pytest.importorskip("bioio_lif")
    grey = np.zeros((1, 1, 20, 30), np.uint8)
    write_lif(tmp_path / "fields.lif", {"first": (grey, 0.2e-6), "second": (grey, 0.5e-6)})
    sizes = [pixel_size(tmp_path / "fields.lif", page) for page in (0, 1)]
    assert sizes == pytest.approx([0.2, 0.5])


@pytest.mark.parametrize("colours", [(1, 2, 3), (3, 2, 1)])
def test_a_lif_of_a_colour_camera_is_read_with_red_first(tmp_path, colours):
    pytest.importorskip("bioio_lif")
    colour = RNG.integers(0, 256, (2, 20, 30, 3)).astype(np.uint8)
    grey = RNG.integers(0, 256, (1, 1, 24, 16)).astype(np.uint8)
    images = {"colour": (colour, 0.2e-6), "grey": (grey, 0.5e-6), "one": (colour[:1], 0.3e-6)}
    write_lif(tmp_path / "fields.lif", images, colours)
    assert list_planes(tmp_path / "fields.lif") == [
        Plane(place, time=time, stack=False) for place, time in ((0, 0), (0, 1), (1, 0), (2, 0))
    ]
    seen = colour if colours == (1, 2, 3) else colour[..., ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "fields.lif", 1), seen[1])
    np.testing.assert_array_equal(read_image(tmp_path / "fields.lif", 2)[..., 0], grey[0, 0])
    np.testing.assert_array_equal(read_image(tmp_path / "fields.lif", 3), seen[0])
    sizes = [pixel_size(tmp_path / "fields.lif", page) for page in (1, 2, 3)]
    assert sizes == pytest.approx([0.2, 0.5, 0.3])


def test_a_lif_of_a_colour_camera_has_one_channel(tmp_path):
    pytest.importorskip("bioio_lif")
    write_lif(tmp_path / "field.lif", {"colour": (np.zeros((1, 20, 30, 3), np.uint8), 0.2e-6)})
    with pytest.raises(DrepanoError, match="no channel 2"):
        read_image(tmp_path / "field.lif", 0, 1)


def test_a_channel_or_page_that_is_not_there_is_refused(tmp_path):
    write_czi(tmp_path / "field.czi", {(0, time): np.zeros((40, 50, 1), np.uint8) for time in range(2)})
    with pytest.raises(DrepanoError, match="no channel 3"):
        read_image(tmp_path / "field.czi", 0, 2)
    with pytest.raises(DrepanoError, match="has no page=2"):
        read_image(tmp_path / "field.czi", 2)
    with pytest.raises(DrepanoError, match="holds 2 pages"):
        read_image(tmp_path / "field.czi")


@pytest.mark.parametrize("suffix", ["czi", "nd2", "lif"])
def test_a_damaged_file_is_one_line(tmp_path, suffix):
    pytest.importorskip(f"bioio_{suffix}")
    (tmp_path / f"field.{suffix}").write_bytes(b"no such file" * 50)
    for read in (read_image, list_planes, pixel_size):
        with pytest.raises(DrepanoError, match=f"field.{suffix}: damaged, cut short") as refusal:
            read(tmp_path / f"field.{suffix}")
        assert "\n" not in str(refusal.value)


def test_what_a_cut_nd2_ends_with_is_not_shown(tmp_path):
    pytest.importorskip("bioio_nd2")
    path = tmp_path / "field.nd2"
    write_nd2(path, np.zeros((1, 40, 50, 1, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DrepanoError, match=r"\(Invalid ChunkMap signature\); copy or export it again$"):
        read_image(path)


def test_without_the_reader_the_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio_nd2", None)
    (tmp_path / "field.nd2").write_bytes(b"anything")
    with pytest.raises(
        DrepanoError, match=r"field.nd2: .* need bioio_nd2; pip install 'drepano\[microscopes\]'"
    ):
        read_image(tmp_path / "field.nd2")


def test_folders_are_searched_for_them(tmp_path):
    for name in ("a.czi", "b.ND2", "c.lif"):
        (tmp_path / name).write_bytes(b"anything")
    assert [path.name for path in find_images([tmp_path])] == ["a.czi", "b.ND2", "c.lif"]
