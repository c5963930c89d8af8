"""A table with a row for every cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops_table

from drepano.cells.instances import between_cells, coarse_step, find_cells
from drepano.cells.schema import cell_columns
from drepano.field import Segmentation

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
    "solidity": "solidity",
    "perimeter_crofton": "perimeter_px",
    "bbox-0": "bbox_top_px",
    "bbox-1": "bbox_left_px",
    "bbox-2": "bbox_bottom_px",
    "bbox-3": "bbox_right_px",
}


def measure_cells(
    segmentation: Segmentation,
    instances: NDArray[np.int32] | None = None,
    image: NDArray[np.uint8] | None = None,
    pixel_size: float | None = None,
) -> pd.DataFrame:
    """Class, size, shape, darkness and place of every cell.

    Parameters
    ----------
    segmentation : Segmentation
    instances : (H, W) int32 array, optional
        Cells numbered from 1; found by `find_cells` where not given.
    image : (H, W, 3) uint8 array, optional
        The field; without it the contrast columns are NaN.
    pixel_size : float, optional
        Side of a pixel in micrometres; without it the columns in micrometres are NaN.

    Returns
    -------
    pandas.DataFrame
        One row a cell, with the columns of `drepano.cells.cell_columns`.
    """
    if instances is None:
        instances = find_cells(segmentation)
    properties = dict.fromkeys(name.split("-")[0] for name in _PROPERTIES)
    table = pd.DataFrame(regionprops_table(instances, properties=tuple(properties))).rename(
        columns=_PROPERTIES
    )
    cells = table["cell"].to_numpy()
    shares = _class_shares(segmentation, instances, cells)
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
    table["aspect_ratio"] = table["major_axis_px"] / np.maximum(table["minor_axis_px"], 1)
    perimeter = np.maximum(table["perimeter_px"], 1e-9)
    table["circularity"] = np.minimum(1.0, 4 * np.pi * table["area_px"] / perimeter**2)
    step = coarse_step(segmentation.cell_diameter)
    table["bend"] = _bends(instances[::step, ::step], cells)  # has no unit: large cells have pixels to spare
    table["mean_contrast"], table["sd_contrast"] = _contrasts(image, instances, cells)
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


def _class_shares(
    segmentation: Segmentation, instances: NDArray[np.int32], cells: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Share of every class of cells in the probabilities summed over a cell, (classes, cells)."""
    sums = np.array(
        [ndimage.sum_labels(layer, instances, index=cells) for layer in segmentation.probabilities[1:]]
    ).reshape(len(segmentation.taxonomy) - 1, len(cells))
    return sums / np.maximum(sums.sum(axis=0), 1e-12)


def _bends(instances: NDArray[np.int32], cells: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sagitta of each cell's axis in units of its short axis: about 0 for ellipses, more for crescents.

    The axis is the parabola through the cell's pixels, least squares of their distance across the long axis
    of the ellipse with the same second moments; its chord is as long as that axis.
    """
    inside = instances > 0
    number = instances[inside]
    y, x = (axis.astype(float) for axis in np.nonzero(inside))
    size = np.maximum(np.bincount(number, minlength=cells.max(initial=0) + 1), 1)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(number, values, len(size)) / size

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
    return bends[cells]


def _contrasts(
    image: NDArray[np.uint8] | None, instances: NDArray[np.int32], cells: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of grey less that of the background, and standard deviation of grey, of every cell."""
    if image is None or not len(cells):
        nothing = np.full(len(cells), np.nan)
        return nothing, nothing
    grey = image.mean(axis=2)
    background = np.median(grey[instances == 0]) if (instances == 0).any() else np.median(grey)
    means = np.asarray(ndimage.mean(grey, instances, cells))
    return means - background, np.asarray(ndimage.standard_deviation(grey, instances, cells))
