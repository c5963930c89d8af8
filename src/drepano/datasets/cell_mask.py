"""The mask of the one cell in a crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import closing, disk, opening

_CLOSING_RADII = (1, 2, 3, 4, 6, 8)
_OPENING_RADIUS = 3
_PADDING = max(_CLOSING_RADII) + 2
_LOBE_SHARE = 0.5
_TIP_LENGTH = 4
_MINIMUM_SHARE = 0.15
_MINIMUM_SOLIDITY = 0.80


def background_level(image: NDArray[np.uint8]) -> float:
    """Grey level of a crop's background: the median of its outermost pixels."""
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    return float(np.median(border))


def cell_mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mask of the cell that a bright-field crop is centred on, found without any training.

    The cell's rim and its halo differ from the background on either side; what differs is closed with the
    smallest radius that gives one filled, compact region, then opened so that debris that touches falls off.

    Parameters
    ----------
    image : (H, W) uint8 array
        Grey crop around one cell.

    Returns
    -------
    (H, W) bool array
        One 4-connected region without holes; all False where none was found.
    """
    level = background_level(image)
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 0.7)
    contrast = ndimage.maximum_filter(np.abs(smooth - level), size=3)
    strong = max(6.0, 0.22 * float(np.percentile(contrast, 97)))
    rim = np.pad(contrast > strong, _PADDING)
    for radius in _CLOSING_RADII:
        filled = ndimage.binary_fill_holes(closing(rim, disk(radius)))
        region = _central_region(opening(filled, disk(_OPENING_RADIUS)))
        if _is_whole_cell(region, image.size):
            mask = _central_region(ndimage.binary_erosion(_without_lobes(region)))
            return mask[_PADDING:-_PADDING, _PADDING:-_PADDING]
    return np.zeros(image.shape, dtype=bool)


def _without_lobes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask less what hangs on by a neck: debris is narrower than the cell that it touches."""
    radius = int(_LOBE_SHARE * ndimage.distance_transform_edt(mask).max())
    core = _central_region(opening(mask, disk(radius)))
    regrown: NDArray[np.bool_] = ndimage.binary_dilation(core, iterations=_TIP_LENGTH, mask=mask)
    return regrown


def _central_region(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The region with the most pixels, those near the centre counting most."""
    regions = label(mask, connectivity=1)
    if regions.max() == 0:
        return mask
    height, width = mask.shape
    y, x = np.ogrid[:height, :width]
    weight = np.exp(-(((y - height / 2) / height) ** 2 + ((x - width / 2) / width) ** 2) * 8)
    share = ndimage.sum_labels(weight, regions, index=np.arange(1, regions.max() + 1))
    central: NDArray[np.bool_] = regions == 1 + int(np.argmax(share))
    return central


def _is_whole_cell(region: NDArray[np.bool_], pixels: int) -> bool:
    """Whether the region is large, compact and covers the crop's centre: a broken rim gives a crescent."""
    if region.sum() < _MINIMUM_SHARE * pixels:
        return False
    height, width = region.shape
    centre = region[height // 2 - 2 : height // 2 + 3, width // 2 - 2 : width // 2 + 3]
    compact = regionprops(region.astype(np.uint8))[0].solidity >= _MINIMUM_SOLIDITY
    return bool(compact and centre.mean() > 0.5)
