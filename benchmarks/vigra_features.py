"""Features by vigra, whose filters ilastik uses: tests/methods/test_pixel_features.py holds ours to them.

    apt install python3-vigra
    /usr/bin/python3 benchmarks/vigra_features.py tests/methods/vigra_features.npz

It shares nothing with Drepano, which Debian's Python does not have and which it is to prove. The file has an
image (H, W) uint8, noise on bright discs, the rows and columns of some of its pixels, borders among them, and
their features (pixels, 49) float32, in the order of `drepano.methods.pixel_features`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import sqrt

import numpy as np

SCALES = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
SMOOTHING_WINDOW, FILTER_WINDOW = 3.5, 2.0  # ilastik's, in OpPixelFeaturesPresmoothed and OpBaseFilter
PIXELS = 120


def main() -> None:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:75, :94]
    discs = (np.hypot(y - 20, x - 30) < 13) | (np.hypot(y - 50, x - 70) < 18)
    image = (60 + 90 * discs + generator.integers(0, 60, y.shape)).astype(np.uint8)
    features = np.stack([f for scale in SCALES for f in features_at(image.astype(np.float32), scale)], -1)
    rows, columns = generator.integers(0, 75, PIXELS), generator.integers(0, 94, PIXELS)
    rows[:4], columns[4:8] = (0, 74, 0, 74), (0, 0, 93, 93)
    np.savez_compressed(
        sys.argv[1], image=image, rows=rows, columns=columns, features=features[rows, columns]
    )


def features_at(image: np.ndarray, scale: float) -> Iterator[np.ndarray]:
    from vigra import filters  # in Debian's Python, not in the project's

    before, at = (sqrt(scale**2 - 1), 1.0) if scale > 1 else (scale, scale)
    image = np.asarray(filters.gaussianSmoothing(image, before, window_size=SMOOTHING_WINDOW))
    smooth = filters.gaussianSmoothing(image, at, window_size=FILTER_WINDOW)
    yield smooth
    if scale == SCALES[0]:
        return
    yield filters.laplacianOfGaussian(image, at, window_size=FILTER_WINDOW)
    yield filters.gaussianGradientMagnitude(image, at, window_size=FILTER_WINDOW)
    yield smooth - filters.gaussianSmoothing(image, 0.66 * at, window_size=FILTER_WINDOW)
    for tensor in (
        filters.structureTensorEigenvalues(image, at / 2, at, window_size=FILTER_WINDOW),
        filters.hessianOfGaussianEigenvalues(image, at, window_size=FILTER_WINDOW),
    ):
        yield from np.moveaxis(np.asarray(tensor), -1, 0)


if __name__ == "__main__":
    main()
