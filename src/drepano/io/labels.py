"""Label maps in and out: which class, or which cell, every pixel is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drepano.errors import DrepanoError
from drepano.io.files import write_bytes
from drepano.io.images import read_raster
from drepano.taxonomy import Taxonomy

LOSSY_SUFFIXES = (".jpg", ".jpeg")
_LISTED = 12  # values that a message names


@dataclass(frozen=True, eq=False)
class LabelValues:
    """The values of a label map as its file holds them.

    Parameters
    ----------
    values : (H, W) int64 array
        Grey values or palette indices, or colours packed as 0xRRGGBB.
    is_colour : bool
        Whether they are colours.
    """

    values: NDArray[np.int64]
    is_colour: bool


def read_label_values(path: Path | str) -> LabelValues:
    """Read a label map without scaling or interpreting its values.

    Indexed files give their indices, not the colours of these; 1 bit gives 0 and 1; 16 bits give the number
    stored. Transparency is ignored. An RGB file whose three channels are equal everywhere is a grey one.

    Parameters
    ----------
    path : Path or str
        Any file that `read_image` reads.

    Raises
    ------
    DrepanoError
        If the file cannot be read, has several pages, or holds fractions or colours of 16 bits.
    """
    samples = read_raster(path).samples
    if samples.dtype.kind == "f" and not (np.isfinite(samples) & (samples == np.rint(samples))).all():
        raise DrepanoError(f"{path}: a label map of fractions; save it with whole numbers")
    values = samples.astype(np.int64)
    if values.ndim == 2:
        return LabelValues(values, is_colour=False)
    red, green, blue = np.moveaxis(values[..., :3], -1, 0)
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return LabelValues(red, is_colour=False)
    if not 0 <= values.min() <= values.max() <= 255:
        raise DrepanoError(
            f"{path}: a label map of colours beyond 8 bits; save it as RGB with 8 bits, or as grey"
        )
    return LabelValues((red << 16) | (green << 8) | blue, is_colour=True)


def format_value(value: int, is_colour: bool) -> str:
    """A label's value as one writes it: ``"255"``, or ``"#RRGGBB"`` for a packed colour."""
    return f"#{value:06X}" if is_colour else str(value)


def parse_value(text: str) -> tuple[int, bool]:
    """Value and whether it is a packed colour, from what `format_value` writes.

    Raises
    ------
    DrepanoError
        If it is neither a whole number nor ``#RRGGBB``.
    """
    if re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        return int(text[1:], 16), True
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text), False
    raise DrepanoError(f'{text!r} is not a label value; write a number as "255" or a colour as "#FF0000"')


def map_values(labels: LabelValues, mapping: Mapping[str, int], path: Path) -> NDArray[np.uint8]:
    """Class of every pixel from its value in the file.

    Parameters
    ----------
    labels : LabelValues
        What `read_label_values` gave.
    mapping : mapping of str to int
        Class index of each value, the value as `format_value` writes it. The colour ``"#0A0A0A"`` and the
        number ``"10"`` are the same, as a colour map that happens to show only greys is read as grey.
    path : Path
        Where the labels come from, for messages.

    Returns
    -------
    (H, W) uint8 array

    Raises
    ------
    DrepanoError
        If the labels have a value that the mapping lacks. The message lists the values found, with their
        share of the pixels, and what to add to ``dataset.toml``.
    """
    class_of = {_key(*parse_value(text)): index for text, index in mapping.items()}
    values, inverse, counts = np.unique(labels.values, return_inverse=True, return_counts=True)
    indices = [class_of.get(_key(int(value), labels.is_colour)) for value in values]
    known = [index for index in indices if index is not None]
    if len(known) < len(indices):
        names = [format_value(int(value), labels.is_colour) for value in values]
        order = np.argsort(-counts, kind="stable")
        found = [f"{names[i]} ({counts[i] / labels.values.size:.2%})" for i in order]
        lines = [f'"{names[i]}" = "name of the class"' for i in order if indices[i] is None]
        if path.suffix.lower() in LOSSY_SUFFIXES:
            raise DrepanoError(
                f"{path}: holds {len(known)} known values and {len(lines)} others, as JPEG blurs every edge; "
                "export the label maps as PNG"
            )
        raise DrepanoError(
            f"{path}: holds values without a class; found {_listed(found)}; "
            f"known are {_listed(list(mapping)) or 'none'}; "
            f"add under [classes] in dataset.toml: {_listed(lines)}"
        )
    return np.array(known, np.uint8)[inverse].reshape(labels.values.shape)


def write_class_map(path: Path, classes: NDArray[np.integer], taxonomy: Taxonomy) -> None:
    """Write a class map as an indexed PNG in the taxonomy's colours, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    classes : (H, W) integer array
        Indices into the taxonomy's classes.
    taxonomy : Taxonomy
        Gives the colours.

    Raises
    ------
    DrepanoError
        If an index is not one of the taxonomy's.
    OutputError
        If the file cannot be written.
    """
    _check_range(path, classes, len(taxonomy) - 1, f"the classes of taxonomy {taxonomy.name!r}")
    image = Image.fromarray(classes.astype(np.uint8))
    image.putpalette([part for colour in taxonomy.colours for part in colour])
    _write_png(path, image)


def write_label_map(path: Path, instances: NDArray[np.integer]) -> None:
    """Write an instance map as a grey PNG of 16 bits, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    instances : (H, W) integer array
        0 for background, a number up to 65535 for every cell.

    Raises
    ------
    DrepanoError
        If a number is below 0 or above 65535.
    OutputError
        If the file cannot be written.
    """
    _check_range(path, instances, 65535, "the numbers that a PNG of 16 bits holds")
    _write_png(path, Image.fromarray(instances.astype(np.uint16)))


def _key(value: int, is_colour: bool) -> tuple[int, bool]:
    """The same key for a grey value whether it is written as number or as colour."""
    grey = value & 0xFF
    return (grey, False) if is_colour and value == grey * 0x010101 else (value, is_colour)


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more


def _check_range(path: Path, values: NDArray[Any], highest: int, meaning: str) -> None:
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "ui":
        raise DrepanoError(
            f"{path}: cannot hold an array of shape {values.shape} and type {values.dtype}; "
            "expected is (H, W) integer"
        )
    if values.min() < 0 or values.max() > highest:
        raise DrepanoError(
            f"{path}: cannot hold the values {values.min()} to {values.max()}; 0 to {highest} are {meaning}"
        )


def _write_png(path: Path, image: Image.Image) -> None:
    png = BytesIO()
    image.save(png, format="PNG")
    write_bytes(path, png.getvalue())
