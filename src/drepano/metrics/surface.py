"""Distances between the outlines of a true and a predicted region, in px."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano.metrics.counting import check_classes


@dataclass(frozen=True)
class SurfaceDistances:
    """How far two outlines lie apart.

    An outline are the pixels of a region with a 4-neighbour outside it or beyond the image, as in MONAI.

    Parameters
    ----------
    hausdorff : float
        Largest distance from a pixel of either outline to the other outline, px, Euclidean. NaN where either
        region is empty.
    hausdorff95 : float
        The larger one of the two sides' 95th percentiles, px; NaN as above.
    surface_dice : float
        Share of both outlines' pixels within the tolerance of the other outline; 0 where one region is empty,
        NaN where both are.
    """

    hausdorff: float
    hausdorff95: float
    surface_dice: float


def surface_distances(
    true: NDArray[np.bool_], predicted: NDArray[np.bool_], tolerance: float = 2.0
) -> SurfaceDistances:
    """Distances between the outlines of two regions.

    Parameters
    ----------
    true, predicted : (H, W) bool arrays
    tolerance : float
        Of the surface Dice, px.

    Returns
    -------
    SurfaceDistances

    Raises
    ------
    ValueError
        If the regions differ in shape.
    """
    if true.shape != predicted.shape:
        raise ValueError(f"regions differ in shape: {true.shape} and {predicted.shape}")
    if not (true.any() and predicted.any()):
        neither = not (true.any() or predicted.any())
        return SurfaceDistances(np.nan, np.nan, np.nan if neither else 0.0)
    true, predicted = _around(true, predicted)
    outlines = _outline(true), _outline(predicted)
    from_true = ndimage.distance_transform_edt(~outlines[1])[outlines[0]]
    from_predicted = ndimage.distance_transform_edt(~outlines[0])[outlines[1]]
    near = np.count_nonzero(from_true <= tolerance) + np.count_nonzero(from_predicted <= tolerance)
    return SurfaceDistances(
        hausdorff=float(max(from_true.max(), from_predicted.max())),
        hausdorff95=float(max(np.percentile(from_true, 95), np.percentile(from_predicted, 95))),
        surface_dice=float(near / (len(from_true) + len(from_predicted))),
    )


def surface_distances_per_class(
    true: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int
) -> list[SurfaceDistances]:
    """`surface_distances` of every class of one field, surface Dice at 2 px.

    Parameters
    ----------
    true, predicted : (H, W) uint8 arrays
    num_classes : int
        Background included.

    Returns
    -------
    list of SurfaceDistances
        One for every class, background first, whether the class is there or not.

    Raises
    ------
    ValueError
        If the maps differ in shape or hold a value that is no class.
    """
    check_classes(num_classes, true, predicted)
    return [surface_distances(true == value, predicted == value) for value in range(num_classes)]


def _outline(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    outline: NDArray[np.bool_] = region & ~ndimage.binary_erosion(region)
    return outline


def _around(*regions: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The smallest window that holds all regions, one pixel wider unless the image ends there."""
    (window,) = ndimage.find_objects(np.logical_or.reduce(regions).astype(np.uint8))
    wider = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in window)
    return [region[wider] for region in regions]
