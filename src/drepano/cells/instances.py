"""Cells as objects: which pixels belong to the same cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import local_maxima
from skimage.segmentation import expand_labels, watershed

from drepano.field import NECK, Segmentation
from drepano.metrics.counting import drop_small

_SMALLEST_SHARE, _SMALLEST_SHARE_AT_BORDER = 0.25, 0.02
"""What is smaller than this share of a disc of the cell diameter is debris. Of the whole cells of BBBC041Seg
train 0.4 % are smaller, the smallest of xu2017 has 0.53; of cells that the border cuts a part is enough: 0.02
had the highest F1 of 0.002 to 0.05 on 8 fields of BBBC041Seg train that `rbc` was not trained on."""
_LARGEST_HOLE_SHARE = 0.5
_LEAST_HOLE_SOLIDITY = 0.9
"""A hole inside a cell is at most this share of a disc of the cell diameter, and round; the gap that touching
cells leave between them has cusps."""
SPECK_SHARE = 0.0125
"""Holes of at most this share of a disc of the cell diameter are filled whatever their shape, pieces of that
size not even counted as debris: 19 px where cells are 45 px across."""
LARGE_SHARE, NECK_OF_LARGE = 1.5, 0.925
"""What is larger than so many of the field's median cells is hardly one cell, and parted at necks up to this:
see benchmarks/large_pieces.py. They were chosen for `rbc`."""
CELLS_TO_JUDGE = 5
"""Fewer whole cells do not tell how large one is."""
_FINEST_DIAMETER = 45
"""Shapes are looked at on a grid on which cells are at most some 45 px across, for speed."""


def find_cells(segmentation: Segmentation) -> NDArray[np.int32]:
    """Number the cells of a segmentation, by `part_cells`.

    Parameters
    ----------
    segmentation : Segmentation

    Returns
    -------
    (H, W) int32 array
        0 for background and debris, cells numbered from 1.
    """
    return part_cells(segmentation.classes > 0, segmentation.cell_diameter, segmentation.neck)


def part_cells(
    foreground: NDArray[np.bool_],
    cell_diameter: float,
    neck: float = NECK,
    large_share: float = LARGE_SHARE,
    neck_of_large: float = NECK_OF_LARGE,
) -> NDArray[np.int32]:
    """Number the cells of a mask.

    Holes are filled, touching cells are parted at narrow necks by a watershed on the distance to the
    background, what is then still too large among five cells or more at wider ones, and what is too small
    is dropped.

    Parameters
    ----------
    foreground : (H, W) bool array
        What is of a cell.
    cell_diameter : float
        Of a typical cell, px.
    neck : float
        As in `Segmentation`: how narrow a neck between two cells is; 0 parts nothing.
    large_share, neck_of_large : float
        From how many of the field's median cells on a piece is too large, and how narrow a neck parts it.

    Returns
    -------
    (H, W) int32 array
        0 for background and debris, cells numbered from 1.
    """
    filled = _fill_holes(foreground, _disc(cell_diameter))
    cells: NDArray[np.int32] = label(filled, connectivity=1).astype(np.int32)
    if neck > 0:
        cells = _part_larger(cells, 0, cell_diameter, neck)
        typical = typical_diameter(_drop_debris(cells, cell_diameter), CELLS_TO_JUDGE)
        if typical is not None:
            cells = _part_larger(cells, large_share * _disc(typical), cell_diameter, neck_of_large)
    return _drop_debris(cells, cell_diameter)


def count_debris(segmentation: Segmentation, instances: NDArray[np.int32]) -> int:
    """Pieces that the network took for cells and `find_cells` dropped as too small; specks do not count."""
    dropped = label((segmentation.classes > 0) & (instances == 0), connectivity=1)
    return int((np.bincount(dropped.ravel())[1:] > SPECK_SHARE * _disc(segmentation.cell_diameter)).sum())


def _disc(diameter: float) -> float:
    return np.pi / 4 * diameter**2


def border_numbers(instances: NDArray) -> NDArray:
    """Numbers, 0 too, that occur in the outermost rows and columns."""
    return np.unique(np.concatenate([instances[[0, -1]].ravel(), instances[:, [0, -1]].ravel()]))


def _drop_debris(cells: NDArray[np.int32], cell_diameter: float) -> NDArray[np.int32]:
    at_border = np.zeros(int(cells.max(initial=0)) + 1, bool)
    at_border[border_numbers(cells)] = True
    smallest = np.where(at_border, _SMALLEST_SHARE_AT_BORDER, _SMALLEST_SHARE) * _disc(cell_diameter)
    return drop_small(cells, smallest)


def _part_larger(
    cells: NDArray[np.int32], area: float, cell_diameter: float, neck: float
) -> NDArray[np.int32]:
    """The instance map, pieces larger than `area`, px, parted at necks; new parts have new numbers."""
    sizes = np.bincount(cells.ravel())
    large = np.flatnonzero(sizes[1:] > area) + 1
    if not len(large):
        return cells
    parted = cells.copy()
    count = len(sizes) - 1
    places = ndimage.find_objects(cells)
    for number in large:
        place = places[number - 1]
        piece = cells[place] == number
        parts = _part(piece, cell_diameter, neck)
        new = piece & (parts > 1)
        parted[place][new] = parts[new] + count - 1
        count += int(parts.max()) - 1
    return parted


def _part(region: NDArray[np.bool_], cell_diameter: float, neck: float) -> NDArray[np.int32]:
    """Number the cells of a region: a watershed from the middles that narrow necks part.

    Outside the region the numbers mean nothing.
    """
    step = coarse_step(cell_diameter)
    coarse = region[::step, ::step]
    distance = ndimage.distance_transform_edt(np.pad(coarse, 1))[1:-1, 1:-1]
    smooth = ndimage.gaussian_filter(distance, cell_diameter / 30 / step)
    middles = _middles(smooth, coarse, neck)
    if middles.max() <= 1:
        return np.ones(region.shape, np.int32)
    parts = expand_labels(watershed(-smooth, middles, mask=coarse), sum(coarse.shape))
    fine: NDArray[np.int32] = parts.repeat(step, 0).repeat(step, 1)[: region.shape[0], : region.shape[1]]
    return fine


def _middles(distance: NDArray[np.float64], region: NDArray[np.bool_], neck: float) -> NDArray[np.int32]:
    """Numbered peaks of the distance to the background, of those without a neck between them the highest."""
    distance = np.maximum(distance, 0.5)
    peaks: NDArray[np.int32] = label(local_maxima(distance) & region)
    if peaks.max(initial=0) <= 1:
        return peaks
    numbers, places = np.unique(peaks, return_index=True)
    numbers, places = numbers[1:], places[1:]  # without 0
    heights = distance.ravel()[places]
    order = np.argsort(heights, kind="stable")
    middles = list(numbers[order[-1:]])
    for rank, peak in enumerate(order[:-1]):
        without_neck = label(distance >= neck * heights[peak]).ravel()
        if (without_neck[places[order[rank + 1 :]]] != without_neck[places[peak]]).all():
            middles.append(numbers[peak])
    numbered: NDArray[np.int32] = label(np.isin(peaks, middles))
    return numbered


def coarse_step(cell_diameter: float) -> int:
    """Every how many pixels are enough where cells have that diameter, px."""
    return max(1, round(cell_diameter / _FINEST_DIAMETER))


def _fill_holes(mask: NDArray[np.bool_], disc: float) -> NDArray[np.bool_]:
    """The mask without specks and the holes that lie inside a cell; a cell has about the area `disc`, px."""
    outside = label(~mask, connectivity=1)
    enclosed = np.ones(int(outside.max()) + 1, bool)
    enclosed[border_numbers(outside)] = False
    filled = mask.copy()
    for hole in regionprops(outside):
        if not enclosed[hole.label] or hole.area > _LARGEST_HOLE_SHARE * disc:
            continue
        if hole.area <= SPECK_SHARE * disc or hole.solidity >= _LEAST_HOLE_SOLIDITY:
            filled[hole.slice] |= hole.image
    return filled


def between_cells(instances: NDArray[np.int32], reach: int = 1) -> NDArray[np.bool_]:
    """Pixels (H, W) that see two cells in the square of `reach` px to all sides of them."""
    # In as few bytes as the numbers need: what this costs is moving them.
    numbers = instances.astype(np.min_scalar_type(int(instances.max(initial=0)) + 1))
    lowest, highest = np.where(numbers > 0, numbers, numbers.dtype.type(np.iinfo(numbers.dtype).max)), numbers
    for axis in (0, 1):
        lowest = _in_window(np.minimum, lowest, reach, axis)
        highest = _in_window(np.maximum, highest, reach, axis)
    between: NDArray[np.bool_] = (highest > 0) & (lowest != highest)
    return between


def _in_window(pick: np.ufunc, values: NDArray, reach: int, axis: int) -> NDArray:
    """The smallest or largest value up to `reach` px away along an axis: as SciPy's filters, but faster."""
    picked = values.copy()
    of_picked, of_values = np.moveaxis(picked, axis, 0), np.moveaxis(values, axis, 0)
    for shift in range(1, reach + 1):
        pick(of_picked[shift:], of_values[:-shift], out=of_picked[shift:])
        pick(of_picked[:-shift], of_values[shift:], out=of_picked[:-shift])
    return picked


def typical_diameter(instances: NDArray[np.int32], fewest: int = 1) -> float | None:
    """Diameter in px of a disc as large as the median of the cells that the border does not cut.

    None where there are less than `fewest` of them.
    """
    areas = np.bincount(instances.ravel())
    areas[0] = 0
    areas[border_numbers(instances)] = 0
    whole = areas[areas > 0]
    return float(2 * np.sqrt(np.median(whole) / np.pi)) if len(whole) >= fewest else None
