"""Results for other programs, in their own conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from drepano.errors import DrepanoError
from drepano.exports.coco import merge_coco, write_coco
from drepano.exports.geojson import write_geojson
from drepano.exports.imagej import write_imagej
from drepano.exports.outlines import Outline, trace_outlines
from drepano.exports.result import FieldResult
from drepano.exports.tiff import write_labels, write_probabilities

__all__ = [
    "FORMATS",
    "PARQUET",
    "FieldResult",
    "Format",
    "Outline",
    "check_formats",
    "merge_coco",
    "trace_outlines",
]


@dataclass(frozen=True)
class Format:
    """A kind of file that can be written for a field.

    Parameters
    ----------
    suffix : str
        What its name ends with, after the field's.
    write : callable
        Writes it, whole or not at all.
    """

    suffix: str
    write: Callable[[Path, FieldResult], None]


FORMATS: dict[str, Format] = {
    "labels": Format(".labels.tif", write_labels),
    "geojson": Format(".geojson", write_geojson),
    "imagej": Format(".rois.zip", write_imagej),
    "coco": Format(".coco.json", write_coco),
    "probabilities": Format(".probabilities.ome.tif", write_probabilities),
}
"""By the name that ``drepano predict --formats`` knows them by."""

PARQUET = "parquet"
"""The format of the tables beside CSV."""


def check_formats(names: Iterable[str]) -> None:
    """Refuse formats that cannot be written.

    Raises
    ------
    DrepanoError
        If one is unknown, or Parquet is asked for and pyarrow is not installed.
    """
    for name in names:
        if name not in FORMATS and name != PARQUET:
            raise DrepanoError(f"format {name!r} is unknown; use some of {', '.join((*FORMATS, PARQUET))}")
        if name == PARQUET and find_spec("pyarrow") is None:
            raise DrepanoError(
                "format parquet needs pyarrow; install it with: pip install 'drepano[parquet]'"
            )
