"""Overlap of class maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drepano.metrics.counting import check_classes, count_pairs, ratio


def confusion_matrix(
    true: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """How many pixels of every true class were given every class.

    Parameters
    ----------
    true, predicted : (H, W) uint8 arrays
    num_classes : int
        Background included.

    Returns
    -------
    (num_classes, num_classes) int64 array
        Rows are true, columns predicted classes.

    Raises
    ------
    ValueError
        If the maps differ in shape or hold a value that is no class.
    """
    if true.shape != predicted.shape:
        raise ValueError(f"class maps differ in shape: {true.shape} and {predicted.shape}")
    check_classes(num_classes, true, predicted)
    return count_pairs(true, predicted, num_classes, num_classes)


def dice_per_class(
    true: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int
) -> NDArray[np.float64]:
    """Dice coefficient 2 |A and B| / (|A| + |B|) of every class in one field.

    Parameters
    ----------
    true, predicted : (H, W) uint8 arrays
    num_classes : int
        Background included.

    Returns
    -------
    (num_classes,) float64 array
        NaN for a class that is absent from both maps; 0 for one absent from one of them.

    Raises
    ------
    ValueError
        As `confusion_matrix`.
    """
    confusion = confusion_matrix(true, predicted, num_classes)
    return ratio(2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


def jaccard_per_class(
    true: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int
) -> NDArray[np.float64]:
    """Jaccard index |A and B| / |A or B| of every class in one field.

    Parameters
    ----------
    true, predicted : (H, W) uint8 arrays
    num_classes : int
        Background included.

    Returns
    -------
    (num_classes,) float64 array
        NaN for a class that is absent from both maps; 0 for one absent from one of them.

    Raises
    ------
    ValueError
        As `confusion_matrix`.
    """
    confusion = confusion_matrix(true, predicted, num_classes)
    common = np.diag(confusion)
    return ratio(common, confusion.sum(axis=0) + confusion.sum(axis=1) - common)
