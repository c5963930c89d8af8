"""Fields that show the same place in part, so that their cells are there twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter, label

from drepano.margins import notable_margins
from drepano.preprocessing import grey_levels, scale_image

PICTURE_CELL_DIAMETER = 12.0
"""Of cells in the small pictures that are compared, px."""
_STRONG = 0.9
"""Share of pixels below the contrast that counts fully: an eyepiece's pointer counts no more than cells."""
_SMALLEST = 8 * PICTURE_CELL_DIAMETER**2
"""Of an overlap, px: the squares around eight cells. Less may be alike by chance."""
_FEWEST_CELLS = 3
"""In an overlap: one cell can be laid on another anywhere."""
_PART_OF_CELL = PICTURE_CELL_DIAMETER**2 / 5
"""What counts as a cell there, px: a quarter of a disc, since borders cut cells."""
ALIKE = 0.65
"""Correlation of two pictures where they overlap. Of all pairs of fields of Chula RBC-12, of BBBC041Seg, of
160 composed and of 450 simulated ones those that show the same cells have 0.78 and more, all others 0.50 and less (``benchmarks/overlapping_fields.py``)."""


@dataclass(frozen=True)
class Overlap:
    """Two fields that show the same place.

    Parameters
    ----------
    first, second : int
        Numbers of their pictures.
    shift : (int, int)
        Rows and columns by which the second picture is to be moved to lie on the first, px of the pictures.
    share : float
        Share of the smaller picture that both show.
    correlation : float
        Of what both show.
    """

    first: int
    second: int
    shift: tuple[int, int]
    share: float
    correlation: float


def overlap_picture(image: NDArray[np.uint8], cell_diameter: float) -> NDArray[np.float32]:
    """A field as `find_overlaps` compares it: small, without colour, uneven light and blank margins.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    cell_diameter : float
        Of its cells, px.

    Returns
    -------
    (h, w) float32 array
        Local contrast from -1 to 1, cells 12 px across.
    """
    left, right = notable_margins(image) or (0, 0)
    image = image[:, left : image.shape[1] - right]
    grey = grey_levels(scale_image(image, PICTURE_CELL_DIAMETER / cell_diameter))
    contrast = grey - gaussian_filter(grey, 2 * PICTURE_CELL_DIAMETER)
    strong = float(np.quantile(np.abs(contrast), _STRONG))
    return np.clip(contrast / max(strong, 1.0), -1, 1).astype(np.float32)


def find_overlaps(
    pictures: Sequence[NDArray[np.float32]],
    progress: Callable[[int], None] = lambda _: None,
    alike: float = ALIKE,
) -> list[Overlap]:
    """All pairs of fields that show the same place in part, registered by phase correlation.

    Parts smaller than eight cells or with fewer than three are not looked for, nor fields turned or at
    another scale.

    Parameters
    ----------
    pictures : sequence of (h, w) float32 arrays
        From `overlap_picture`; their sizes may differ.
    progress : callable
        Called with the number of pictures that have been compared with all before them.
    alike : float
        Correlation above which two pictures show the same place.

    Returns
    -------
    list of Overlap
        Ordered by `second`, then `first`.
    """
    if not pictures:
        return []
    # At least twice the largest, so that no shift is taken for another one.
    side = fft.next_fast_len(2 * max(max(picture.shape) for picture in pictures), real=True)
    spectra = [fft.rfft2(picture, (side, side)) for picture in pictures]
    found = []
    for second, picture in enumerate(pictures):
        for first in range(second):
            shift = _shift_between(spectra[first], spectra[second], side)
            parts = shown_by_both(pictures[first], picture, shift)
            if parts[0].size < _SMALLEST:
                continue
            correlation = _correlation(*parts)
            if correlation > alike and min(map(_count_cells, parts)) >= _FEWEST_CELLS:
                share = parts[0].size / min(pictures[first].size, picture.size)
                found.append(Overlap(first, second, shift, share, correlation))
        progress(second + 1)
    return found


def shown_by_both(one: NDArray, other: NDArray, shift: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """The parts of two arrays (h, w) that lie on each other when the second is moved; empty where none do."""
    height, width = (
        max(0, min(a, b + by) - max(0, by)) for a, b, by in zip(one.shape, other.shape, shift, strict=True)
    )
    rows, columns = shift
    top, left = max(0, rows), max(0, columns)
    return (
        one[top : top + height, left : left + width],
        other[top - rows : top - rows + height, left - columns : left - columns + width],
    )


def _shift_between(one: NDArray[np.complex64], other: NDArray[np.complex64], side: int) -> tuple[int, int]:
    product = one * np.conj(other)
    peaks = fft.irfft2(product / np.maximum(np.abs(product), np.finfo(np.float32).tiny), (side, side))
    rows, columns = (int(place) for place in np.unravel_index(peaks.argmax(), peaks.shape))
    return (rows + side // 2) % side - side // 2, (columns + side // 2) % side - side // 2


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _count_cells(picture: NDArray[np.float32]) -> int:
    """Connected parts of more than half of the full contrast that are as large as a quarter of a cell."""
    areas = np.bincount(label(np.abs(picture) > 0.5)[0].ravel())[1:]
    return int((areas >= _PART_OF_CELL).sum())
