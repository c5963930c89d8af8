"""Blank margins of a field: the bars that a camera or an export leaves on its left and right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drepano.preprocessing import grey_levels

_UNLIKE = 30.0
"""Grey levels between a bar and what the field has in its middle."""
_NOISE = 12.0
"""Range of the middle half of a bar's pixels in a column, grey levels: video and JPEG leave some."""
_FLAT = 0.5
"""Standard deviation of a column below which it is a bar whatever its grey; clean background has more."""
_ROWS = 256
_NOTABLE = 0.02
"""Share of the width."""


def blank_margins(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Columns without a picture on the left and on the right of an image (H, W, 3) uint8.

    A column is blank where its pixels are all the same, or nearly so and far from the grey of the field's
    middle third. Both are the whole width where every column is blank.
    """
    width = image.shape[1]
    grey = grey_levels(image[:: max(1, image.shape[0] // _ROWS)])
    low, middle, high = np.percentile(grey, (25, 50, 75), axis=0)
    usual = np.median(middle[width // 3 : width - width // 3])
    blank = (abs(middle - usual) > _UNLIKE) & (high - low <= _NOISE) | (grey.std(axis=0) < _FLAT)
    picture = np.flatnonzero(~blank)
    if picture.size == 0:
        return width, width
    return int(picture[0]), int(width - 1 - picture[-1])


def notable_margins(image: NDArray[np.uint8]) -> tuple[int, int] | None:
    """`blank_margins` where they are more than 2 % of the width together, and not all of it."""
    left, right = blank_margins(image)
    width = image.shape[1]
    return (left, right) if left < width and left + right > _NOTABLE * width else None
