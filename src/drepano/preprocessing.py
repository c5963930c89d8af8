"""What is done to an image before a network sees it, the same in training and in prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

_GREY_LEVELS_PER_UNIT = 64.0


def background_colour(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Median of each channel of a field (H, W, 3) uint8, over at most some 700 000 of its pixels; (3,)."""
    pixels = image.reshape(-1, image.shape[-1])
    return np.median(pixels[:: 1 + image.size // 2_000_000], axis=0).astype(np.float32)


def normalise(image: NDArray[np.uint8], background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours relative to the background, which becomes 0; contrast is kept, so an empty field stays flat.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        A field or a part of one.
    background : (3,) float32 array
        From `background_colour` of the whole field.

    Returns
    -------
    (3, H, W) float32 array
    """
    normalised = (image.astype(np.float32) - background) / np.float32(_GREY_LEVELS_PER_UNIT)
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
    return nearest(labels, scaled_size(labels.shape, factor))


def nearest(labels: NDArray, size: tuple[int, int]) -> NDArray:
    """A class or instance map (H, W) at another size, every pixel that of the nearest old one."""
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(int)
        for new, old in zip(size, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def scaled_size(size: tuple[int, ...], factor: float) -> tuple[int, int]:
    """Height and width after scaling by `factor`, at least 1 px."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
