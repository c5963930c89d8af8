"""Label and probability images as TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from drepano.errors import DrepanoError
from drepano.exports.result import FieldResult
from drepano.io import atomic_path

_MICROMETRES_PER_CENTIMETRE = 1e4
_MOST_LABELS = np.iinfo(np.uint16).max


def write_labels(path: Path, result: FieldResult) -> None:
    """The number of the cell of every pixel, 16 bits, 0 for background; compressed without loss.

    Raises
    ------
    DrepanoError
        If there are more than 65 535 cells.
    """
    if result.instances.max(initial=0) > _MOST_LABELS:
        raise DrepanoError(f"{result.image_name}: more than {_MOST_LABELS} cells; cut it into smaller fields")
    resolution: dict[str, Any] = {}
    if result.pixel_size is not None:
        side = _MICROMETRES_PER_CENTIMETRE / result.pixel_size
        resolution = {"resolution": (side, side), "resolutionunit": "CENTIMETER"}
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, result.instances.astype(np.uint16), compression="zlib", **resolution)


def write_probabilities(path: Path, result: FieldResult) -> None:
    """The probability of every class at every pixel, float32, as OME-TIFF with a named channel a class."""
    metadata: dict[str, Any] = {"axes": "CYX", "Channel": {"Name": list(result.taxonomy.classes)}}
    if result.pixel_size is not None:
        metadata |= {
            f"PhysicalSize{axis}{suffix}": value
            for axis in "XY"
            for suffix, value in (("", result.pixel_size), ("Unit", "µm"))
        }
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            result.segmentation.probabilities,
            ome=True,
            compression="zlib",
            photometric="minisblack",
            metadata=metadata,
        )
