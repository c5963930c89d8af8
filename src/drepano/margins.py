"""Blank margins of a field: the bars that a camera or an export leaves on its left and right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drepano.preprocessing import grey_levels

_ROWS = 256
_NARROWEST = 16
"""Width of an image, px, below which no bars are looked for."""
_FLAT = 0.5
"""Standard deviation of a column whose pixels are all the same, grey levels; clean background has more."""
_NOISE, _NOISE_OF_FLAT = 12.0, 2.0
"""Range of the middle half of a bar's pixels, grey levels: video and JPEG leave some."""
_STEP, _STEP_OF_FLAT = 30.0, 6.0
"""Least difference between a bar and the picture beside it, grey levels."""
_SMEARED = 4
"""Columns of the picture that compression mixes with a bar."""
_RARE = 0.1
"""Share of the picture's pixels that may have a bar's grey; background has it in far more."""
_NOTABLE = 0.02
"""Share of the width."""


def blank_margins(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Columns without a picture on the left and on the right.

    Bars are columns of one grey, or nearly so, that end in a step and whose grey is rare in the picture
    between them: background and uneven light are no bars, and a bar of the background's grey cannot be told
    from it.

    Parameters
    ----------
    image : (H, W, 3) uint8 array

    Returns
    -------
    (int, int)
        Both the whole width where all columns are of one grey.
    """
    width = image.shape[1]
    grey = grey_levels(image[:: max(1, image.shape[0] // _ROWS)])
    flat = grey.std(axis=0) < _FLAT
    if flat.all():
        return width, width
    if width < _NARROWEST:
        return 0, 0
    low, middle, high = np.percentile(grey, (25, 50, 75), axis=0)
    usual = np.median(middle[width // 3 : width - width // 3])
    blank = flat | ((abs(middle - usual) > _STEP) & (high - low <= _NOISE))
    left, right = _picture_begins(blank), _picture_begins(blank[::-1])
    picture = grey[:, left : width - right]
    return (
        left if _is_bar(middle, flat, left, picture) else 0,
        right if _is_bar(middle[::-1], flat[::-1], right, picture) else 0,
    )


def notable_margins(image: NDArray[np.uint8]) -> tuple[int, int] | None:
    """`blank_margins` where they are more than 2 % of the width together, and not all of it.

    Parameters
    ----------
    image : (H, W, 3) uint8 array

    Returns
    -------
    (int, int), optional
    """
    left, right = blank_margins(image)
    width = image.shape[1]
    return (left, right) if left < width and left + right > _NOTABLE * width else None


def _picture_begins(blank: NDArray[np.bool_]) -> int:
    """The first of several columns that are not blank: one alone may be noise in a bar."""
    runs = np.convolve(~blank, np.ones(_SMEARED), "valid") == _SMEARED
    return int(np.argmax(runs)) if runs.any() else 0


def _is_bar(
    middle: NDArray[np.float64], flat: NDArray[np.bool_], columns: int, picture: NDArray[np.float32]
) -> bool:
    """Whether the first `columns` are a bar beside the `picture`; `middle` has the median of every column."""
    if columns == 0:
        return False
    level = np.median(middle[:columns])
    step, noise = (_STEP_OF_FLAT, _NOISE_OF_FLAT) if flat[:columns].mean() > 0.5 else (_STEP, _NOISE)
    beside = np.median(middle[columns + _SMEARED : columns + 4 * _SMEARED])
    of_one_grey = np.ptp(np.percentile(middle[:columns], (5, 95))) <= noise
    return bool(of_one_grey and abs(beside - level) > step and (abs(picture - level) <= noise).mean() < _RARE)
