"""One field: segment it, measure its cells, write its own results."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import approximate_polygon

from drepano.cells import count_debris, find_cells, measure_cells, summarise_field
from drepano.exports import FORMATS, FieldResult, trace_outlines
from drepano.field import Segmentation
from drepano.io import atomic_path, pixel_size, read_image, storable, write_class_map
from drepano.prediction.field_files import FieldFile, image_path
from drepano.prediction.records import CLASSES, OVERLAY, FieldIdentity, FieldRecord
from drepano.quality import Quality, check_quality
from drepano.reports import draw_overlay
from drepano.segmenter import CellDiameter, Segmenter


@dataclass(frozen=True)
class Options:
    """What is asked for of every field.

    Parameters
    ----------
    cell_diameter : float or "auto", optional
        Of a typical cell, px; see `Segmenter.segment`.
    pixel_size : float, optional
        Side of a pixel in micrometres; without it that of the file's metadata, where there is one.
    channel : int
        Of files that have several, from 0; see `drepano.io.read_image`.
    formats : tuple of str
        Other kinds of files to write, names in `drepano.exports.FORMATS`.
    """

    cell_diameter: CellDiameter = None
    pixel_size: float | None = None
    channel: int = 0
    formats: tuple[str, ...] = ()


_FAST = 1
"""Of PNG's levels: a real field is 15 % larger than at the usual one, and written five times as fast
(`Image.save` of one of BBBC041Seg)."""
_SIZE_UNKNOWN = "the size of cells could not be estimated: the image was taken as it is"
FIELD_COLUMNS = ("debris", "cell_diameter_px", *(entry.name for entry in fields(Quality)))
"""Of the table of fields, after those of `drepano.cells.summarise_field`."""


def result_files(field: FieldFile, out: Path, formats: tuple[str, ...]) -> list[Path]:
    """Files that belong to `field` alone."""
    suffixes = (CLASSES, OVERLAY, *(FORMATS[name].suffix for name in formats if name in FORMATS))
    return [out / f"{field.name}{suffix}" for suffix in suffixes]


@dataclass(frozen=True)
class Analysis:
    """What was found in a field.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    segmentation : Segmentation
    instances : (H, W) int32 array
        Cells numbered from 1.
    cells : pandas.DataFrame
        A row a cell.
    debris : int
    quality : Quality
    pixel_size : float or None
        Side of a pixel in micrometres.
    begun : float
        When, by `time.perf_counter`.
    """

    image: NDArray[np.uint8]
    segmentation: Segmentation
    instances: NDArray[np.int32]
    cells: pd.DataFrame
    debris: int
    quality: Quality
    pixel_size: float | None
    begun: float


def analyse_field(field: FieldFile, segmenter: Segmenter, options: Options) -> Analysis:
    """Read, segment and measure a field.

    Raises
    ------
    DrepanoError
        If the image cannot be read or segmented.
    """
    begun = time.perf_counter()
    image = read_image(field.path, field.page, options.channel)
    segmentation = segmenter.segment(image, options.cell_diameter)
    instances = find_cells(segmentation)
    side = pixel_size(field.path, field.page) if options.pixel_size is None else options.pixel_size
    cells = measure_cells(segmentation, instances, image, side)
    debris = count_debris(segmentation, instances)
    quality = check_quality(
        image,
        image if segmentation.seen is None else segmentation.seen,
        cells,
        debris,
        segmentation.cell_diameter,
        segmenter.card.cell_diameter,
        segmenter.card.appearance,
    )
    if segmentation.size_unknown:
        quality = replace(quality, warnings=(_SIZE_UNKNOWN, *quality.warnings))
    return Analysis(image, segmentation, instances, cells, debris, quality, side, begun)


def write_field(
    field: FieldFile, found: Analysis, identity: FieldIdentity, out: Path, formats: tuple[str, ...]
) -> FieldRecord:
    """Write the field's own results into `out`, and return what the tables need of it.

    Raises
    ------
    DrepanoError
        If (`OutputError`) a result cannot be written, or a format cannot hold it.
    """
    segmentation, instances, cells, quality = found.segmentation, found.instances, found.cells, found.quality
    taxonomy = segmentation.taxonomy
    write_class_map(out / f"{field.name}{CLASSES}", segmentation.classes, taxonomy)
    classes = {
        int(cell): taxonomy.index(name) for cell, name in zip(cells["cell"], cells["class"], strict=True)
    }
    with atomic_path(out / f"{field.name}{OVERLAY}") as path:
        overlay = draw_overlay(found.image, instances, classes, taxonomy, field.name, quality.warnings)
        Image.fromarray(overlay).save(path, compress_level=_FAST)
    result = FieldResult(
        storable(str(field.path)), field.page, segmentation, instances, cells, found.pixel_size, field.plane
    )
    for name in formats:
        if name in FORMATS:
            FORMATS[name].write(out / f"{field.name}{FORMATS[name].suffix}", result)
    outlines = trace_outlines(instances)
    return FieldRecord(
        identity=identity,
        summary=summarise_field(cells, instances.shape, taxonomy, found.pixel_size)
        | {
            "debris": found.debris,
            "cell_diameter_px": segmentation.cell_diameter,
            **_as_columns(quality),
        },
        cells={str(name): column.tolist() for name, column in cells.items()},
        outlines=[_simplified(outlines[cell].outer, segmentation.cell_diameter) for cell in cells["cell"]],
        warnings=list(quality.warnings),
        seconds=time.perf_counter() - found.begun,
        image=image_path(field.path),
    )


def _simplified(ring: NDArray[np.int64], cell_diameter: float) -> list[int]:
    """The ring with fewer corners, none of its points farther off than a sixtieth of a cell."""
    closed = np.vstack([ring, ring[:1]])
    corners = approximate_polygon(closed, max(0.5, cell_diameter / 60))[:-1]
    return [int(value) for value in corners.ravel()]


def _as_columns(quality: Quality) -> dict[str, object]:
    return {**asdict(quality), "warnings": "; ".join(quality.warnings)}
