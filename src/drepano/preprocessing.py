"""What is done to an image before a network sees it, the same in training and in prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

_GREY_LEVELS_PER_UNIT = 64.0


def normalise(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colours relative to the field's own background.

    The median of each channel, which is the background's, becomes 0; contrast is kept, so that an empty
    field stays flat.

    Parameters
    ----------
    image : (H, W, 3) uint8 array

    Returns
    -------
    (3, H, W) float32 array
    """
    median = np.median(image.reshape(-1, image.shape[-1])[:: 1 + image.size // 2_000_000], axis=0)
    normalised = (image.astype(np.float32) - median.astype(np.float32)) / _GREY_LEVELS_PER_UNIT
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def scale_image(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """The image enlarged by `factor`, smoothed before it is made smaller; (H, W, 3) uint8 either way."""
    if factor == 1:
        return image
    size = scaled_size(image.shape[:2], factor)
    scaled = resize(image, (*size, 3), order=1, anti_aliasing=factor < 1, preserve_range=True)
    return np.rint(scaled).astype(np.uint8)


def scale_labels(labels: NDArray, factor: float) -> NDArray:
    """A class or instance map (H, W) enlarged by `factor`, every pixel keeping one of the values."""
    if factor == 1:
        return labels
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(int)
        for new, old in zip(scaled_size(labels.shape, factor), labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def scaled_size(size: tuple[int, ...], factor: float) -> tuple[int, int]:
    """Height and width after scaling by `factor`, at least 1 px."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
