"""A table with a row for every cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops_table

from drepano.cells.instances import find_cells
from drepano.field import Segmentation

COLUMNS = (
    "cell",
    "class",
    "class_probability",
    "area_px",
    "centroid_y_px",
    "centroid_x_px",
    "major_axis_px",
    "minor_axis_px",
    "eccentricity",
    "circularity",
    "bbox_top_px",
    "bbox_left_px",
    "bbox_bottom_px",
    "bbox_right_px",
    "touches_border",
)

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


def measure_cells(segmentation: Segmentation, instances: NDArray[np.int32] | None = None) -> pd.DataFrame:
    """Class, size, shape and place of every cell.

    Parameters
    ----------
    segmentation : Segmentation
    instances : (H, W) int32 array, optional
        Cells numbered from 1; found by `find_cells` where not given.

    Returns
    -------
    pandas.DataFrame
        One row a cell with the columns `COLUMNS`: lengths in px, areas in px, angles none. ``class`` is the
        class of cells with the largest probability summed over the cell's pixels, ``class_probability`` its
        share of the sum over all classes of cells. ``eccentricity`` and the axes are those of the ellipse
        with the same second moments; ``circularity`` is 4 pi area / perimeter^2, at most 1, with
        Crofton's perimeter. The bounding box is half open: bottom and right lie outside.
    """
    if instances is None:
        instances = find_cells(segmentation)
    table = pd.DataFrame(
        regionprops_table(
            instances,
            properties=(
                "label",
                "area",
                "centroid",
                "axis_major_length",
                "axis_minor_length",
                "eccentricity",
                "perimeter_crofton",
                "bbox",
            ),
        )
    ).rename(columns=_PROPERTIES)
    table["class"], table["class_probability"] = _classify(segmentation, instances, table["cell"].to_numpy())
    perimeter = np.maximum(table["perimeter_px"], 1e-9)
    table["circularity"] = np.minimum(1.0, 4 * np.pi * table["area_px"] / perimeter**2)
    height, width = instances.shape
    table["touches_border"] = (
        (table["bbox_top_px"] == 0)
        | (table["bbox_left_px"] == 0)
        | (table["bbox_bottom_px"] == height)
        | (table["bbox_right_px"] == width)
    )
    return table[list(COLUMNS)]


def _classify(
    segmentation: Segmentation, instances: NDArray[np.int32], cells: NDArray[np.integer]
) -> tuple[list[str], NDArray[np.float64]]:
    """Name and probability of the most probable class of each cell."""
    sums = np.array(
        [ndimage.sum_labels(layer, instances, index=cells) for layer in segmentation.probabilities[1:]]
    ).reshape(len(segmentation.taxonomy) - 1, len(cells))
    best = sums.argmax(axis=0)
    share = sums.max(axis=0) / np.maximum(sums.sum(axis=0), 1e-12)
    names = segmentation.taxonomy.cell_classes
    return [names[i] for i in best], share
