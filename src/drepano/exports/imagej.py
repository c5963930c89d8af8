"""Regions of interest for ImageJ and Fiji, a zip file that its ROI manager opens."""

from __future__ import annotations

from pathlib import Path

from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi, roiwrite

from drepano.exports.outlines import trace_outlines
from drepano.exports.result import FieldResult
from drepano.io import atomic_path


def write_imagej(path: Path, result: FieldResult) -> None:
    """A polygon a cell in the colour of its class, named by number and class; holes are left out."""
    outlines = trace_outlines(result.instances)
    regions = []
    for cell, name in zip(result.cells["cell"], result.cells["class"], strict=True):
        region = ImagejRoi.frompoints(outlines[cell].outer, name=f"{cell:04d} {name}")
        region.roitype = ROI_TYPE.POLYGON
        _put_on_slice(region, result)
        region.options &= ~ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        red, green, blue = result.taxonomy.colours[result.taxonomy.index(name)]
        region.stroke_color = bytes((255, red, green, blue))
        regions.append(region)
    with atomic_path(path) as temporary:
        roiwrite(temporary, regions, mode="w")


def _put_on_slice(region: ImagejRoi, result: FieldResult) -> None:
    """Where the image stands in its file; without, a region is on every slice, as it is on every channel."""
    if result.page is None:
        return
    if result.plane.stack:
        region.position = result.page + 1
    else:
        region.z_position, region.t_position = result.plane.layer + 1, result.plane.time + 1
