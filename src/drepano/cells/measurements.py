"""A table with a row for every cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from skimage.measure import regionprops_table

from drepano.cells.instances import between_cells, coarse_step, find_cells
from drepano.cells.schema import cell_columns
from drepano.errors import DrepanoError
from drepano.field import Segmentation
from drepano.io import to_rgb8
from drepano.preprocessing import grey_levels

UNCERTAIN = 0.6
"""A cell whose class has less than this share of the summed probabilities is uncertain."""

_PROPERTIES = {
    "label": "cell",
    "area": "area_px",
    "centroid-0": "centroid_y_px",
    "centroid-1": "centroid_x_px",
    "axis_major_length": "major_axis_px",
    "axis_minor_length": "minor_axis_px",
    "eccentricity": "eccentricity",
    "perimeter_crofton": "perimeter_px",
    "bbox-0": "bbox_top_px",
    "bbox-1": "bbox_left_px",
    "bbox-2": "bbox_bottom_px",
    "bbox-3": "bbox_right_px",
}


def measure_cells(
    segmentation: Segmentation,
    instances: NDArray[np.int32] | None = None,
    image: NDArray[Any] | None = None,
    pixel_size: float | None = None,
) -> pd.DataFrame:
    """Class, size, shape, darkness and place of every cell.

    Parameters
    ----------
    segmentation : Segmentation
    instances : (H, W) int32 array, optional
        Cells numbered from 1; found by `find_cells` where not given.
    image : (H, W, ...) array, optional
        The field, as `drepano.io.to_rgb8` takes it; without it the contrast columns are NaN.
    pixel_size : float, optional
        Side of a pixel in micrometres; without it the columns in micrometres are NaN.

    Returns
    -------
    pandas.DataFrame
        One row a cell, with the columns of `drepano.cells.cell_columns`.

    Raises
    ------
    DrepanoError
        If the map of cells or the image has another size than the segmentation, or the image is no image.
    """
    if instances is None:
        instances = find_cells(segmentation)
    if instances.shape != segmentation.classes.shape:
        raise DrepanoError(
            f"the map of cells has {instances.shape} px and the segmentation {segmentation.classes.shape}; "
            "give the cells of this segmentation"
        )
    colours = None if image is None else to_rgb8(image)
    if colours is not None and colours.shape[:2] != instances.shape:
        raise DrepanoError(
            f"the image has {colours.shape[:2]} px and the map of cells {instances.shape}; give the image "
            "that was segmented"
        )
    properties = dict.fromkeys(name.split("-")[0] for name in _PROPERTIES)
    table = pd.DataFrame(regionprops_table(instances, properties=tuple(properties))).rename(
        columns=_PROPERTIES
    )
    cells = table["cell"].to_numpy()
    count = int(cells.max(initial=0)) + 1
    pixels = _Pixels(instances, count)
    shares = _class_shares(segmentation.probabilities, pixels)[:, cells]
    names = segmentation.taxonomy.cell_classes
    table["class"] = [names[index] for index in shares.argmax(axis=0)]
    table["class_probability"] = shares.max(axis=0)
    table["uncertain"] = table["class_probability"] < UNCERTAIN
    for name, share in zip(names, shares, strict=True):
        table[f"probability {name}"] = share
    scale = np.nan if pixel_size is None else pixel_size
    table["area_um2"] = table["area_px"] * scale**2
    for axis in ("major_axis", "minor_axis"):
        table[f"{axis}_um"] = table[f"{axis}_px"] * scale
    table["aspect_ratio"] = np.maximum(1, table["major_axis_px"] / np.maximum(table["minor_axis_px"], 1))
    perimeter = np.maximum(table["perimeter_px"], 1e-9)
    table["circularity"] = np.minimum(1.0, 4 * np.pi * table["area_px"] / perimeter**2)
    places = table[["bbox_top_px", "bbox_bottom_px", "bbox_left_px", "bbox_right_px"]].to_numpy()
    table["solidity"] = [
        min(1.0, area / _hull_area(instances[top:bottom, left:right] == cell))
        for cell, area, (top, bottom, left, right) in zip(cells, table["area_px"], places, strict=True)
    ]
    step = coarse_step(segmentation.cell_diameter)  # a bend has no unit: large cells have pixels to spare
    table["bend"] = _bends(_Pixels(instances[::step, ::step], count))[cells]
    means, deviations = (np.full(count, np.nan),) * 2 if colours is None else _contrasts(colours, pixels)
    table["mean_contrast"], table["sd_contrast"] = means[cells], deviations[cells]
    height, width = instances.shape
    table["touches_border"] = (
        (table["bbox_top_px"] == 0)
        | (table["bbox_left_px"] == 0)
        | (table["bbox_bottom_px"] == height)
        | (table["bbox_right_px"] == width)
    )
    table["touches_cell"] = np.isin(cells, instances[between_cells(instances)])
    columns = cell_columns(segmentation.taxonomy)
    return table[[c.name for c in columns]].astype({c.name: c.dtype for c in columns})


class _Pixels:
    """The pixels of all cells, for sums over each cell."""

    def __init__(self, instances: NDArray[np.int32], count: int):
        self.inside = instances > 0
        self.cell_of = instances[self.inside]
        self._sizes = np.bincount(self.cell_of, minlength=count)

    def sums(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sum of the pixels' values by number of cell, from 0 on."""
        return np.bincount(self.cell_of, values, len(self._sizes)).astype(np.float64)

    def means(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of the pixels' values by number of cell, from 0 on."""
        return self.sums(values) / np.maximum(self._sizes, 1)


def _class_shares(probabilities: NDArray[np.float32], pixels: _Pixels) -> NDArray[np.float64]:
    """Share of every class of cells in the probabilities summed over a cell, (classes, 1 + cells)."""
    sums = np.array([pixels.sums(layer[pixels.inside]) for layer in probabilities[1:]])
    return sums / np.maximum(sums.sum(axis=0), 1e-12)


def _hull_area(cell: NDArray[np.bool_]) -> float:
    """Area of the convex hull of the corners of a cell's pixels, px."""
    rows = np.flatnonzero(cell.any(axis=1))
    left = cell.argmax(axis=1)[rows]
    right = cell.shape[1] - cell[:, ::-1].argmax(axis=1)[rows]
    corners = [np.column_stack([y, x]) for y in (rows, rows + 1) for x in (left, right)]
    return float(ConvexHull(np.concatenate(corners)).volume)


def _bends(pixels: _Pixels) -> NDArray[np.float64]:
    """Sagitta of each cell's axis in units of its short axis: about 0 for ellipses, more for crescents.

    The axis is the parabola through the cell's pixels, least squares of their distance across the long axis
    of the ellipse with the same second moments; its chord is as long as that axis.
    """
    mean, number = pixels.means, pixels.cell_of
    y, x = (axis.astype(float) for axis in np.nonzero(pixels.inside))
    y, x = y - mean(y)[number], x - mean(x)[number]
    angle = np.arctan2(2 * mean(x * y), mean(x * x) - mean(y * y)) / 2
    along = x * np.cos(angle)[number] + y * np.sin(angle)[number]
    across = y * np.cos(angle)[number] - x * np.sin(angle)[number]
    second, third, fourth = np.maximum(mean(along**2), 1e-12), mean(along**3), mean(along**4)
    # Normal equations of across = a along^2 + b along + c; along and across are centred and uncorrelated.
    spread = fourth - second**2 - third**2 / second
    curvature = np.divide(mean(along**2 * across), spread, out=np.zeros_like(spread), where=spread > 1e-9)
    width = 4 * np.sqrt(np.maximum(mean(across**2), 1e-12))
    bends: NDArray[np.float64] = 4 * np.abs(curvature) * second / np.maximum(width, 1)
    return bends


def _contrasts(image: NDArray[np.uint8], pixels: _Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of grey less that of the background, and standard deviation of grey, by number of cell."""
    grey = grey_levels(image)
    background = np.median(grey if pixels.inside.all() else grey[~pixels.inside])
    contrast = (grey[pixels.inside] - background).astype(np.float64)
    means = pixels.means(contrast)
    return means, np.sqrt(np.maximum(pixels.means(contrast**2) - means**2, 0))
