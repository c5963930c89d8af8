"""Whether cells are found: predicted and true instances matched by overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    def f1(self) -> float:
        """2 matched / (true + predicted cells); NaN where there are no cells at all."""
        cells = 2 * self.matched + self.missed + self.false
        return 2 * self.matched / cells if cells else float("nan")

    @property
    def panoptic_quality(self) -> float:
        """F1 times the mean overlap of the matches (Kirillov et al. 2019); NaN where there are no cells."""
        cells = 2 * self.matched + self.missed + self.false
        return 2 * self.overlap / cells if cells else float("nan")


def match_cells(true: NDArray[np.int32], predicted: NDArray[np.int32]) -> Detection:
    """Match the cells of two instance maps (H, W), 0 for background.

    More than half in intersection over union can be had with one partner only, so that there is nothing to
    choose.

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    if true.shape != predicted.shape:
        raise ValueError(f"instance maps differ in shape: {true.shape} and {predicted.shape}")
    true_sizes, predicted_sizes = _sizes(true), _sizes(predicted)
    both = (true > 0) & (predicted > 0)
    pairs, common = np.unique(np.stack([true[both], predicted[both]]), axis=1, return_counts=True)
    overlaps = [
        shared / (true_sizes[first] + predicted_sizes[second] - shared)
        for (first, second), shared in zip(pairs.T.tolist(), common.tolist(), strict=True)
    ]
    matches = [overlap for overlap in overlaps if overlap > _THRESHOLD]
    return Detection(
        matched=len(matches),
        missed=len(true_sizes) - len(matches),
        false=len(predicted_sizes) - len(matches),
        overlap=float(sum(matches)),
    )


def _sizes(instances: NDArray[np.int32]) -> dict[int, int]:
    """Pixels of every cell."""
    numbers, counts = np.unique(instances[instances > 0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))
