"""TIFF as microscopes write it, by tifffile."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from drepano.errors import DrepanoError
from drepano.io.raster import SLICE, Plane, Raster, check_size, choose_page, pages_apart, planes_of, upright

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MICROMETRES = {
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
}
_ALPHA = (1, 2)  # values of the tag ExtraSamples

# What tifffile has to say about a file is said in a DrepanoError, not on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_tiff(path: Path) -> bool:
    """Whether the file's first bytes are those of a TIFF, whatever its name."""
    with path.open("rb") as file:
        return file.read(4) in _SIGNATURES


class _Image(NamedTuple):
    """An image of a file, every channel a page of its own.

    `series` and `place`, the number along every axis but those of a picture and its channels, are by OME's or
    ImageJ's metadata; without them the series is None.
    """

    series: int | None
    place: dict[str, int]
    channels: list[TiffPage]


def list_planes(path: Path) -> list[Plane]:
    """What every image of the file shows, without previews and masks.

    OME metadata state which are layers or times of one place, ImageJ's which are times; fields that were
    opened together are slices for ImageJ, too.
    """
    with TiffFile(path) as file:
        images = _images(path, file)
    stated = [(image.series, image.place) for image in images if image.series is not None]
    if not stated:
        return pages_apart(len(images))
    return planes_of(stated, channels=any(len(image.channels) > 1 for image in images))


def read_page(path: Path, page: int | None, channel: int) -> Raster:
    """Read one image of the file; `page` may be None if there is only one."""
    with TiffFile(path) as file:
        images = _images(path, file)
        channels = images[choose_page(path, page, len(images))].channels
        if not 0 <= channel < len(channels):
            known = (
                f"its channels are 1 to {len(channels)}" if len(channels) > 1 else "it has one channel only"
            )
            raise DrepanoError(f"{path}: has no channel {channel + 1}; {known}")
        chosen = channels[channel]
        _check_page(path, chosen)
        samples = upright(_samples(path, chosen), chosen.tags.valueof("Orientation", 1))
        palette = _palette(chosen) if chosen.photometric == PHOTOMETRIC.PALETTE else None
        return Raster(samples, palette, inverted=chosen.photometric == PHOTOMETRIC.MINISWHITE)


def pixel_size(path: Path, page: int | None) -> tuple[float, float] | None:
    """Width and height of a pixel in micrometres, where ImageJ or OME metadata state them."""
    with TiffFile(path) as file:
        if not file.is_ome:
            return _imagej_pixel_size(file)
        series = _images(path, file)[page or 0].series
        if series is None and len(file.series) > 1:
            return None  # not known which of them the page belongs to
        return _ome_pixel_size(file, series or 0)


def _images(path: Path, file: TiffFile) -> list[_Image]:
    """The images of the file in order, channels of one counted once where the metadata tell them apart."""
    pages = _pages(path, file)
    places = _places(file) if file.is_ome or file.is_imagej else []
    if len(places) != len(pages):
        return [_Image(None, {}, [page]) for page in pages]
    images: dict[tuple[object, ...], _Image] = {}
    for (series, place), page in zip(places, pages, strict=True):
        image = images.setdefault((series, *place.items()), _Image(series, place, []))
        image.channels.append(page)
    return list(images.values())


def _places(file: TiffFile) -> list[tuple[int, dict[str, int]]]:
    """Series of every page, and its number along every axis but a picture's and the channels'."""
    places = []
    for series, shown in enumerate(file.series):
        lengths = {
            SLICE if axis == "Z" and file.is_imagej else axis: length
            for axis, length in zip(shown.axes, shown.shape, strict=True)
            if axis not in "YXS"
        }
        for numbers in np.ndindex(*lengths.values()):
            place = dict(zip(lengths, numbers, strict=True))
            place.pop("C", None)
            places.append((series, place))
    return places


def _pages(path: Path, file: TiffFile) -> list[TiffPage]:
    pages = [page for page in file.pages if isinstance(page, TiffPage)]
    if not pages or _next_offset(file, pages[-1]) != 0:
        raise DrepanoError(
            f"{path}: cut short, it promises a page that is not there; copy or export it again"
        )
    stacked = (file.imagej_metadata or {}).get("images", 1)
    if stacked > len(pages):
        raise DrepanoError(
            f"{path}: an ImageJ stack of {stacked} images without an index; "
            "save its images as single files (ImageJ: Image > Stacks > Stack to Images)"
        )
    return [page for page in pages if not (page.is_reduced or page.is_mask)] or pages


def _next_offset(file: TiffFile, page: TiffPage) -> int:
    """Where the page says that the next one starts, 0 if it is the last."""
    layout, handle = file.tiff, file.filehandle
    handle.seek(page.offset)
    (tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    handle.seek(page.offset + layout.tagnosize + tags * layout.tagsize)
    (offset,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))
    return int(offset)


def _check_page(path: Path, page: TiffPage) -> None:
    """Refuse what is too large, incomplete or no picture, before it is unpacked."""
    check_size(path, page.imagelength, page.imagewidth * page.imagedepth)
    if page.imagedepth != 1 or page.samplesperpixel > 4:
        raise DrepanoError(
            f"{path}: has {page.imagedepth} layers of {page.samplesperpixel} samples a pixel; "
            "save it as grey or RGB"
        )
    # tifffile fills strips that are missing with zeros
    ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if (
        len(ends) < math.prod(page.chunked)
        or 0 in page.databytecounts
        or max(ends) > page.parent.filehandle.size
    ):
        raise DrepanoError(f"{path}: cut short, part of its pixels is not there; copy or export it again")


def _samples(path: Path, page: TiffPage) -> NDArray[Any]:
    """Values of the page as (H, W), (H, W, 3) or (H, W, 4)."""
    samples = page.asarray()
    if page.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    channels = page.samplesperpixel
    size = (page.imagelength, page.imagewidth)
    if 0 in samples.shape or samples.shape != (size if channels == 1 else (*size, channels)):
        raise ValueError(
            f"its header promises {page.imagewidth} x {page.imagelength} pixels that are not there"
        )
    with_alpha = bool(page.extrasamples) and page.extrasamples[-1] in _ALPHA
    match page.photometric:
        case PHOTOMETRIC.MINISBLACK | PHOTOMETRIC.MINISWHITE if channels == 1:
            # Grey of 2 or 4 bits is spread over 8, as PNG does it
            return samples * (255 // (2**page.bitspersample - 1)) if 1 < page.bitspersample < 8 else samples
        case PHOTOMETRIC.MINISBLACK if channels == 2:
            return samples[..., [0, 0, 0, 1]] if with_alpha else samples[..., 0]
        case PHOTOMETRIC.PALETTE if channels == 1:
            return samples
        case PHOTOMETRIC.MINISBLACK | PHOTOMETRIC.RGB if channels >= 3:
            return samples if with_alpha else samples[..., :3]
        case PHOTOMETRIC.YCBCR if channels == 3 and page.compression == COMPRESSION.JPEG:
            return samples  # the decoder made it RGB
        case PHOTOMETRIC.SEPARATED if channels == 4 and samples.dtype == np.uint8:
            return np.asarray(Image.fromarray(np.ascontiguousarray(samples), "CMYK").convert("RGB"))
    raise DrepanoError(
        f"{path}: pixels of type {PHOTOMETRIC(page.photometric).name} with {channels} samples cannot be "
        "read; save it as grey or RGB"
    )


def _palette(page: TiffPage) -> NDArray[np.uint8]:
    """RGBA colours of all 256 indices; those that the file leaves out are black."""
    if page.colormap is None or page.colormap.shape[1] > 256:
        raise ValueError("a palette of 2 to 256 colours is expected")
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    stored = page.colormap.T
    colours[: len(stored), :3] = stored if stored.max() <= 255 else stored >> 8
    return colours


def _imagej_pixel_size(file: TiffFile) -> tuple[float, float] | None:
    unit = str((file.imagej_metadata or {}).get("unit", "")).lower()
    if unit not in _MICROMETRES:
        return None
    tags = file.pages.first.tags
    pixels, per_units = tags.valueof("XResolution", (0, 1))
    rows, per_units_down = tags.valueof("YResolution", (pixels, per_units))
    if pixels == 0 or rows == 0:
        return None
    return per_units / pixels * _MICROMETRES[unit], per_units_down / rows * _MICROMETRES[unit]


def _ome_pixel_size(file: TiffFile, series: int) -> tuple[float, float] | None:
    try:
        stated = ElementTree.fromstring(file.ome_metadata or "").findall(".//{*}Pixels")[series].attrib
        width = float(stated.get("PhysicalSizeX", "nan")) * _micrometres(stated, "X")
        height = float(stated.get("PhysicalSizeY", "nan")) * _micrometres(stated, "Y")
    except (
        ElementTree.ParseError,
        ValueError,
        IndexError,
    ):  # metadata that make no sense do not spoil the image
        return None
    return width, width if math.isnan(height) else height


def _micrometres(stated: Mapping[str, str], axis: str) -> float:
    return _MICROMETRES.get(stated.get(f"PhysicalSize{axis}Unit", "µm").lower(), math.nan)
