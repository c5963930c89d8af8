"""Fields to judge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage


@pytest.fixture
def field() -> Callable[..., np.ndarray]:
    """Draw a field of discs."""
    return draw_discs


def draw_discs(background=(160, 160, 160), shift=(-60, -60, -60), noise=2.0, blur=0.0, count=9):
    """Discs of 45 px on a grid."""
    rng = np.random.default_rng(0)
    image = np.empty((256, 256, 3))
    image[:] = background
    y, x = np.mgrid[:256, :256]
    centres = [(row, column) for row in (45, 128, 211) for column in (45, 128, 211)][:count]
    for row, column in centres:
        image[np.hypot(y - row, x - column) < 22.5] += shift
    if blur:
        image = ndimage.gaussian_filter(image, (blur, blur, 0))
    return (image + rng.normal(0, noise, image.shape)).clip(0, 255).round().astype(np.uint8)
