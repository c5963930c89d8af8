"""Regions of interest for ImageJ and Fiji, a zip file that its ROI manager opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi, roiwrite

from drepano.exports.outlines import Outline, Ring, trace_outlines
from drepano.exports.result import FieldResult
from drepano.io import atomic_path

_MOVE, _LINE, _CLOSE = 0, 1, 4
"""Segments of the path of a composite region, as Java's PathIterator numbers them."""


def write_imagej(path: Path, result: FieldResult) -> None:
    """A region a cell in the colour of its class, named by number and class.

    A polygon, or a composite region where the cell has holes.
    """
    outlines = trace_outlines(result.instances)
    regions = []
    for cell, name in zip(result.cells["cell"], result.cells["class"], strict=True):
        region = _region(outlines[cell])
        region.name = f"{cell:04d} {name}"
        _put_on_slice(region, result)
        red, green, blue = result.taxonomy.colours[result.taxonomy.index(name)]
        region.stroke_color = bytes((255, red, green, blue))
        regions.append(region)
    with atomic_path(path) as temporary:
        roiwrite(temporary, regions, mode="w")


def _region(outline: Outline) -> ImagejRoi:
    region = ImagejRoi.frompoints(outline.outer)
    region.options &= ~ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    region.roitype = ROI_TYPE.POLYGON
    if outline.holes:
        region.roitype = ROI_TYPE.RECT
        region.n_coordinates, region.integer_coordinates = 0, None
        region.multi_coordinates = np.concatenate([_path(ring) for ring in (outline.outer, *outline.holes)])
        region.shape_roi_size = len(region.multi_coordinates)
    return region


def _path(ring: Ring) -> NDArray[np.float32]:
    """Every corner after its segment's kind, and the end."""
    kinds = np.where(np.arange(len(ring)) == 0, _MOVE, _LINE)
    return np.append(np.column_stack([kinds, ring]).ravel(), _CLOSE).astype(np.float32)


def _put_on_slice(region: ImagejRoi, result: FieldResult) -> None:
    """Where the image stands in its file; without, a region is on every slice, as it is on every channel."""
    if result.page is None:
        return
    if result.plane.stack:
        region.position = result.page + 1
    else:
        region.z_position, region.t_position = result.plane.layer + 1, result.plane.time + 1
