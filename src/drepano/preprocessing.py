"""What is done to an image before a network sees it, the same in training and in prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.transform import resize

Normalisation = Literal["background", "contrast"]
"""What is taken out of a field's light: its background colour; that, and how strongly its cells differ."""

_KEPT_CONTRAST = 64.0
_LEAST_CONTRAST = 16.0


@dataclass(frozen=True, eq=False)
class Light:
    """The light of a whole field: what becomes 0, and the difference from it that becomes 1.

    Parameters
    ----------
    background : (3,) float32 array
        Grey levels.
    contrast : float
        Grey levels.
    """

    background: NDArray[np.float32]
    contrast: float


def background_colour(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Median of each channel of a field (H, W, 3) uint8, over at most some 700 000 of its pixels; (3,)."""
    return np.median(_some_pixels(image), axis=0).astype(np.float32)


def measure_light(image: NDArray[np.uint8], normalisation: Normalisation) -> Light:
    """The light of a field (H, W, 3) uint8.

    With "background" the contrast is always 64 grey levels. With "contrast" it is the field's own: Otsu's
    threshold parts its pixels by their difference from the background, and what lies above is averaged, so
    that it hardly matters how many cells there are; at least 16 grey levels, lest noise becomes cells.
    """
    background = background_colour(image)
    if normalisation == "background":
        return Light(background, _KEPT_CONTRAST)
    difference = difference_from_background(_some_pixels(image), background)
    threshold = difference_threshold(difference)
    if threshold is None:
        return Light(background, _LEAST_CONTRAST)
    return Light(background, max(_LEAST_CONTRAST, float(difference[difference > threshold].mean())))


def difference_from_background(
    pixels: NDArray[np.uint8], background: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean over channels of the absolute difference of pixels (..., 3) from a colour, (...) grey levels."""
    return grey_levels(np.abs(pixels - background))


def grey_levels(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the three channels of pixels (..., 3), (...) float32."""
    # Ten times as fast as a mean over so short an axis.
    red, green, blue = np.moveaxis(pixels, -1, 0)
    grey: NDArray[np.float32] = (red.astype(np.float32) + green + blue) / 3
    return grey


def difference_threshold(difference: NDArray[np.float32]) -> float | None:
    """The difference from the background above which a pixel belongs to a cell; None in a flat field."""
    above = difference > threshold_otsu(difference)
    if not above.any():
        return None
    # Of several best thresholds Otsu's is the lowest, at the edge of the noise; midway is clear of it.
    return float(difference[above].mean() + difference[~above].mean()) / 2


def _some_pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels = image.reshape(-1, image.shape[-1])
    return pixels[:: 1 + image.size // 2_000_000]


def normalise(image: NDArray[np.uint8], light: Light) -> NDArray[np.float32]:
    """Differences from the background, in units of the contrast.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        A field or a part of one.
    light : Light
        Of the whole field.

    Returns
    -------
    (3, H, W) float32 array
    """
    normalised = (image.astype(np.float32) - light.background) / np.float32(light.contrast)
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
