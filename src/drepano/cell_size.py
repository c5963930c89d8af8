"""How large the cells of a field are, found without a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops

from drepano.preprocessing import (
    background_colour,
    difference_from_background,
    difference_threshold,
    scale_image,
)

_LONGEST_SIDE = 900  # px, of the image that is looked at
_SMALLEST_AREA = 30  # px there
_SMOOTHING = 1.5  # px there
_SINGLE = 0.9
"""What fills this share of its convex hull is one cell, not several."""


def estimate_cell_diameter(image: NDArray[np.uint8]) -> float | None:
    """Diameter in px of a disc as large as the typical cell of a field.

    Pixels that differ from the background, parted by Otsu's threshold, with holes filled; of the connected
    regions those that are convex and whole are single cells, and their median by area is typical: debris,
    however much there is, hardly counts.

    Parameters
    ----------
    image : (H, W, 3) uint8 array

    Returns
    -------
    float or None
        None where no single cell is seen.
    """
    factor = min(1.0, _LONGEST_SIDE / max(image.shape[:2]))
    scaled = scale_image(image, factor)
    difference = difference_from_background(scaled, background_colour(scaled))
    difference = ndimage.gaussian_filter(difference, _SMOOTHING)  # lest noise be cells
    threshold = difference_threshold(difference)
    if threshold is None:
        return None
    mask = ndimage.binary_fill_holes(ndimage.binary_closing(difference > threshold))
    regions = regionprops(label(ndimage.binary_opening(mask), connectivity=1))
    areas = np.sort(
        [
            region.area
            for region in regions
            if region.area >= _SMALLEST_AREA
            and _is_whole(region.bbox, mask.shape)
            and region.solidity > _SINGLE
        ]
    )
    if not len(areas):
        return None
    total = np.cumsum(areas)
    typical = areas[np.searchsorted(total, total[-1] / 2)]
    return float(2 * np.sqrt(typical / np.pi) / factor)


def _is_whole(box: tuple[int, ...], size: tuple[int, ...]) -> bool:
    top, left, bottom, right = box
    return top > 0 and left > 0 and bottom < size[0] and right < size[1]
