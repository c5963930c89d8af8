"""Whether cells are found: predicted and true instances matched by overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drepano.metrics.counting import check_classes, count_pairs, number_cells, ratio

_THRESHOLD = 0.5


@dataclass(frozen=True)
class Detection:
    """Matches in one or more fields, at an intersection over union of more than 0.5; they can be added.

    Parameters
    ----------
    matched, missed, false : int
        True cells with a partner, true cells without, predicted cells without.
    overlap : float
        Sum of the intersections over unions of the matches.
    """

    matched: int = 0
    missed: int = 0
    false: int = 0
    overlap: float = 0.0

    def __add__(self, other: Detection) -> Detection:
        return Detection(
            self.matched + other.matched,
            self.missed + other.missed,
            self.false + other.false,
            self.overlap + other.overlap,
        )

    @property
    def true_cells(self) -> int:
        """How many there are."""
        return self.matched + self.missed

    @property
    def predicted_cells(self) -> int:
        """How many were found, rightly or not."""
        return self.matched + self.false

    @property
    def f1(self) -> float:
        """2 matched / (true + predicted cells); NaN where there are no cells at all."""
        cells = self.true_cells + self.predicted_cells
        return 2 * self.matched / cells if cells else float("nan")

    @property
    def panoptic_quality(self) -> float:
        """F1 times the mean overlap of the matches (Kirillov et al. 2019); NaN where there are no cells."""
        cells = self.true_cells + self.predicted_cells
        return 2 * self.overlap / cells if cells else float("nan")


def match_cells(true: NDArray[np.int32], predicted: NDArray[np.int32]) -> Detection:
    """Match the cells of one field.

    More than half in intersection over union can be had with one partner only, so that there is nothing to
    choose.

    Parameters
    ----------
    true, predicted : (H, W) int32 arrays
        0 for background, a different positive number for every cell.

    Returns
    -------
    Detection

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    if true.shape != predicted.shape:
        raise ValueError(f"instance maps differ in shape: {true.shape} and {predicted.shape}")
    overlaps = _overlaps(number_cells(true), number_cells(predicted))
    matches = overlaps[overlaps > _THRESHOLD]
    missed, false = np.array(overlaps.shape) - len(matches)
    return Detection(len(matches), int(missed), int(false), float(matches.sum()))


def cell_confusion(
    true: NDArray[np.int32],
    predicted: NDArray[np.int32],
    true_classes: NDArray[np.uint8],
    predicted_classes: NDArray[np.uint8],
    num_classes: int,
) -> NDArray[np.int64]:
    """How many cells of every true class were given every class; fields add up.

    A cell has the class of cells that most of its pixels have, the lower one where two have as many; partners
    are those of `match_cells`.

    Parameters
    ----------
    true, predicted : (H, W) int32 arrays
        0 for background, a different positive number for every cell.
    true_classes, predicted_classes : (H, W) uint8 arrays
        Class maps; 0 is background.
    num_classes : int
        Background included.

    Returns
    -------
    (num_classes, num_classes) int64 array
        Rows are true, columns predicted classes. Column 0 counts true cells without a partner, row 0
        predicted cells without one; a cell of background only, as a filled hole is, counts in both as 0.

    Raises
    ------
    ValueError
        If the maps differ in shape or hold a value that is no class.
    """
    shapes = [side.shape for side in (true, predicted, true_classes, predicted_classes)]
    if len(set(shapes)) > 1:
        raise ValueError(f"maps differ in shape: {', '.join(map(str, shapes))}")
    check_classes(num_classes, true_classes, predicted_classes)
    true_cells, predicted_cells = number_cells(true), number_cells(predicted)
    of_true = _classes_of_cells(true_cells, true_classes, num_classes)
    of_predicted = _classes_of_cells(predicted_cells, predicted_classes, num_classes)
    partners = _overlaps(true_cells, predicted_cells) > _THRESHOLD
    first, second = np.nonzero(partners)
    alone, false = of_true[~partners.any(axis=1)], of_predicted[~partners.any(axis=0)]
    return count_pairs(
        np.concatenate([of_true[first], alone, np.zeros_like(false)]),
        np.concatenate([of_predicted[second], np.zeros_like(alone), false]),
        num_classes,
        num_classes,
    )


def cell_recall(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the true cells of every class that were found and given their class.

    Parameters
    ----------
    confusion : (num_classes, num_classes) int64 array
        From `cell_confusion`, of one field or summed over many.

    Returns
    -------
    (num_classes - 1,) float64 array
        One for every class of cells; NaN for a class without true cells.
    """
    return ratio(np.diag(confusion)[1:], confusion[1:].sum(axis=1))


_Numbered = tuple[NDArray[np.int64], int]
"""What `number_cells` gives."""


def _overlaps(true: _Numbered, predicted: _Numbered) -> NDArray[np.float64]:
    """Intersection over union of every true (rows) and predicted cell (columns)."""
    shared = count_pairs(true[0], predicted[0], true[1] + 1, predicted[1] + 1)
    true_sizes, predicted_sizes = shared.sum(axis=1)[1:], shared.sum(axis=0)[1:]
    common = shared[1:, 1:]
    overlaps: NDArray[np.float64] = common / (true_sizes[:, None] + predicted_sizes - common)
    return overlaps


def _classes_of_cells(numbered: _Numbered, classes: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    cells, count = numbered
    pixels = count_pairs(cells, classes, count + 1, num_classes)[1:, 1:]
    return np.where(pixels.any(axis=1), pixels.argmax(axis=1) + 1, 0)


def mean_count_error(cells: ArrayLike, true_cells: ArrayLike) -> float:
    """Mean over fields of the error of the number of cells, relative to the true number.

    Parameters
    ----------
    cells, true_cells : (fields,) sequences of int
        A field without a cell counts as one with one.

    Returns
    -------
    float
    """
    found, true = np.asarray(cells, float), np.asarray(true_cells, float)
    return float((np.abs(found - true) / np.maximum(true, 1)).mean())
