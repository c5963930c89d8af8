"""The features of ilastik's pixel classification, of every pixel of an image.

As ilastik 1.3 and 1.4 compute them (Berg et al., Nature Methods 16, 2019; ``OpPixelFeaturesPresmoothed`` and
the library fastfilters): six kinds of filters at seven scales, of which the smallest has Gaussian smoothing
only, because no derivative can be sampled there. The image is smoothed first, and what is smooth is filtered:

- At a scale above 1 it is smoothed with ``sqrt(scale**2 - 1)`` and filtered at scale 1. Together that is
  `scale`; only the two Gaussians of a difference lie closer together than 1 and 0.66 of it.
- At other scales both are done at `scale`.

The structure tensor takes its gradient at half that filter scale and is smoothed at the whole of it (ilastik
means it the other way round, but fastfilters exchanges the two).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SCALES = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
"""Ilastik's, px."""

_SMOOTHING_ONLY = 0.3
_SMOOTHING_WINDOW, _FILTER_WINDOW = 3.5, 2.0  # half lengths of kernels, in sigmas
_SECOND_GAUSSIAN = 0.66
_PER_SCALE = 8  # smoothing, Laplacian, gradient, difference, two eigenvalues of each of two tensors

FEATURES_PER_CHANNEL = 1 + _PER_SCALE * (len(SCALES) - 1)


def feature_reach() -> int:
    """How many px away a pixel can be and still change a feature."""
    reach = 0
    for scale in SCALES:
        before, at = _split(scale)
        filters = _radius(at / 2, _FILTER_WINDOW) + _radius(at, _FILTER_WINDOW)
        reach = max(reach, _radius(before, _SMOOTHING_WINDOW) + filters)
    return reach


def pixel_features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of every pixel.

    Parameters
    ----------
    image : (H, W, C) uint8 array
        Mirrored at its borders.

    Returns
    -------
    (H, W, C * `FEATURES_PER_CHANNEL`) float32 array
    """
    height, width, channels = image.shape
    features = np.empty((height, width, channels * FEATURES_PER_CHANNEL), np.float32)
    number = 0
    for channel in np.moveaxis(image, -1, 0).astype(np.float32):
        for scale in SCALES:
            for feature in _features_at(channel, scale):
                features[..., number] = feature
                number += 1
    return features


def _features_at(channel: NDArray[np.float32], scale: float) -> Iterator[NDArray[np.float32]]:
    before, at = _split(scale)
    image = _gaussian(channel, before, window=_SMOOTHING_WINDOW)
    smooth = _gaussian(image, at)
    yield smooth
    if scale == _SMOOTHING_ONLY:
        return
    by_row, by_column = _gaussian(image, at, (1, 0)), _gaussian(image, at, (0, 1))
    rows, columns, mixed = (_gaussian(image, at, orders) for orders in ((2, 0), (0, 2), (1, 1)))
    yield rows + columns
    yield np.hypot(by_row, by_column)
    yield smooth - _gaussian(image, at * _SECOND_GAUSSIAN)
    by_row, by_column = _gaussian(image, at / 2, (1, 0)), _gaussian(image, at / 2, (0, 1))
    yield from _eigenvalues(*(_gaussian(p, at) for p in (by_row**2, by_column**2, by_row * by_column)))
    yield from _eigenvalues(rows, columns, mixed)


def _split(scale: float) -> tuple[float, float]:
    """Sigma of the smoothing before, and scale of the filters."""
    return (sqrt(scale**2 - 1), 1.0) if scale > 1 else (scale, scale)


def _gaussian(
    image: NDArray[np.float32], sigma: float, orders: tuple[int, int] = (0, 0), window: float = _FILTER_WINDOW
) -> NDArray[np.float32]:
    """Derivative of the image smoothed with a Gaussian, of these orders along rows and columns."""
    for axis, order in enumerate(orders):
        image = ndimage.correlate1d(image, _kernel(sigma, order, window), axis, mode="mirror")
    return image


@cache
def _kernel(sigma: float, order: int, window: float) -> NDArray[np.float64]:
    """Sampled derivative of a Gaussian that is exact for polynomials of that order."""
    radius = _radius(sigma, window)
    x = np.arange(-radius, radius + 1, dtype=float)
    kernel = np.exp(-((x / sigma) ** 2) / 2) * (1, x, (x / sigma) ** 2 - 1)[order]
    if order == 0:
        return kernel / kernel.sum()
    kernel -= kernel.mean()
    return kernel / ((kernel * x**order).sum() / order)  # order is its own factorial here


def _radius(sigma: float, window: float) -> int:
    return max(1, round(window * sigma))


def _eigenvalues(rows: NDArray, columns: NDArray, mixed: NDArray) -> tuple[NDArray, NDArray]:
    """Of the symmetric matrices [[rows, mixed], [mixed, columns]], the larger first."""
    middle = (rows + columns) / 2
    distance = np.hypot((rows - columns) / 2, mixed)
    return middle + distance, middle - distance
