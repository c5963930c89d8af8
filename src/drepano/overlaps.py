"""Fields that show the same place in part, so that their cells are there twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import binary_dilation, gaussian_filter, label, maximum_filter, minimum_filter
from skimage.transform import resize

from drepano.preprocessing import grey_levels, scaled_size

_CELL_DIAMETER = 12.0
"""Of cells in the small pictures that are compared, px."""
_LONGEST = 320
"""Side of a picture, px: fields of many small cells are made smaller still, lest it takes hours."""
_FLAT = 0.5
"""Range around a pixel, grey levels, below which it shows nothing: bars, corners, overexposed parts."""
_LIGHT = 1.5 * _CELL_DIAMETER
"""Standard deviation of the mean that is taken out as uneven light, px."""
_FAINT = 2.0
"""Local contrast, grey levels, that never counts fully, since it may be noise."""
_SMALLEST = 8 * _CELL_DIAMETER**2
"""Of what both show, px: the squares around eight cells. Less may be alike by chance."""
_FEWEST_PARTS = 3
"""Of cells or gaps in it: one cell can be laid on another anywhere."""
_SMALLEST_PART = np.pi / 16 * _CELL_DIAMETER**2
"""A quarter of a cell, px, since borders cut cells."""
ALIKE = 0.7
"""Correlation of two pictures in what both show, from which on it is the same place: see "Fields that show
the same place" in ``docs/data.md``."""


@dataclass(frozen=True)
class Overlap:
    """What two fields both show, laid on each other as well as they can be.

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


def picture_scale(shape: tuple[int, ...], cell_diameter: float) -> float:
    """By which a field of this shape is scaled for comparison: to cells of 12 px, never enlarged."""
    return min(1.0, _CELL_DIAMETER / cell_diameter, _LONGEST / max(shape[:2]))


def overlap_picture(image: NDArray[np.uint8], cell_diameter: float) -> NDArray[np.float32]:
    """A field as `find_overlaps` compares it: small, without colour, uneven light and what shows nothing.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    cell_diameter : float
        Of its cells, px.

    Returns
    -------
    (h, w) float32 array
        Local contrast from -1 to 1, 0 in bars and corners without a picture.
    """
    size = scaled_size(image.shape[:2], picture_scale(image.shape, cell_diameter))
    grey = resize(grey_levels(image), size, order=1, anti_aliasing=True, preserve_range=True)
    flat = maximum_filter(grey, 5) - minimum_filter(grey, 5) < _FLAT
    seen = (~binary_dilation(flat, iterations=4)).astype(np.float32)
    if not seen.any():
        return np.zeros(size, np.float32)
    around = gaussian_filter(seen, _LIGHT)
    contrast = seen * (grey - gaussian_filter(grey * seen, _LIGHT) / np.maximum(around, 1e-6))
    return np.clip(contrast / _full_contrast(np.abs(contrast[seen > 0])), -1, 1).astype(np.float32)


def find_overlaps(
    pictures: Sequence[NDArray[np.float32]], progress: Callable[[int, int], None] = lambda *_: None
) -> list[Overlap]:
    """All pairs of fields that show the same place in part.

    Parts smaller than eight cells or with fewer than three are not looked for, nor fields turned or at
    another scale.

    Parameters
    ----------
    pictures : sequence of (h, w) float32 arrays
        From `overlap_picture`; their sizes may differ.
    progress : callable
        Called with how many of how many pairs have been compared.

    Returns
    -------
    list of Overlap
        Ordered by `second`, then `first`.
    """
    return compare_pictures(pictures, progress, above=ALIKE)


def compare_pictures(
    pictures: Sequence[NDArray[np.float32]],
    progress: Callable[[int, int], None] = lambda *_: None,
    above: float = -1.0,
) -> list[Overlap]:
    """All pairs, registered by phase correlation, that could then be told to show the same place or not.

    Parameters and order are those of `find_overlaps`; only pairs whose correlation is `above` are told.
    """
    total = len(pictures) * (len(pictures) - 1) // 2
    # At least twice the largest, so that no shift is taken for another one.
    largest = np.max([(1, 1), *(one.shape for one in pictures)], axis=0)
    shape = tuple(fft.next_fast_len(2 * int(side), real=True) for side in largest)
    spectra: list[NDArray[np.complex64]] = []
    found = []
    for second, picture in enumerate(pictures):
        spectrum = _phases(picture, shape)
        for first, other in enumerate(spectra):
            shift = _shift_between(other, spectrum, shape)
            parts = shown_by_both(pictures[first], picture, shift)
            if parts[0].size < _SMALLEST:
                continue
            correlation = _correlation(*parts)
            if correlation > above and min(map(_count_parts, parts)) >= _FEWEST_PARTS:
                share = parts[0].size / min(pictures[first].size, picture.size)
                found.append(Overlap(first, second, shift, share, correlation))
        spectra.append(spectrum)
        if second > 0:
            progress(second * (second + 1) // 2, total)
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


def _phases(picture: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.complex64]:
    spectrum = fft.rfft2(picture, shape)
    phases: NDArray[np.complex64] = spectrum / np.maximum(np.abs(spectrum), np.finfo(np.float32).tiny)
    return phases


def _shift_between(
    one: NDArray[np.complex64], other: NDArray[np.complex64], shape: tuple[int, ...]
) -> tuple[int, int]:
    peaks = fft.irfft2(one * np.conj(other), shape)
    highest = np.unravel_index(peaks.argmax(), shape)
    rows, columns = (
        (int(place) + side // 2) % side - side // 2 for place, side in zip(highest, shape, strict=True)
    )
    return rows, columns


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """NaN where either shows nothing."""
    # Smoothed, since a shift is known to a pixel only.
    one, other = gaussian_filter(one, 1), gaussian_filter(other, 1)
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _full_contrast(contrasts: NDArray[np.float32]) -> float:
    """The contrast of strong outlines: an eyepiece's pointer counts no more than they do, and where cells are
    few neither noise nor what is around a cell counts as much."""
    usual, strongest = np.quantile(contrasts, (0.9, 0.995))
    return float(max(usual, strongest / 4, _FAINT))


def _count_parts(picture: NDArray[np.float32]) -> int:
    """Connected parts as large as a quarter of a cell: dark, light, or either, whichever are most."""
    masks = (picture < -0.5, picture > 0.5, np.abs(picture) > 0.5)
    areas = (np.bincount(label(mask)[0].ravel())[1:] for mask in masks)
    return max(int((of_parts >= _SMALLEST_PART).sum()) for of_parts in areas)
