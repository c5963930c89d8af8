"""What a field looks like in a few numbers, and how unlike the fields of training that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano.preprocessing import (
    background_colour,
    difference_from_background,
    difference_threshold,
    grey_levels,
)

UNLIKE = 1.0
"""From this score on a field is unlike the fields of training; see docs/quality.md for how it was set."""

FEATURES: dict[str, tuple[str, float]] = {
    "background_level": ("the background is {direction}", 20.0),
    "background_colour": ("the background is {direction} coloured", 8.0),
    "contrast": ("cells stand out {direction} from the background", 10.0),
    "cell_colour": ("cells are {direction} coloured", 0.1),
    "dark_share": ("cells are {direction} dark throughout", 0.1),
    "edge_width": ("edges are {direction} blurred", 0.5),
    "noise": ("the image is {direction} noisy", 0.02),
    "covered": ("{direction} of the field is covered by cells", 0.1),
}
"""What a number says of a field outside the range of training, and the least width of that range."""

_WORDS = {"background_level": ("darker", "brighter"), "covered": ("less", "more")}
_QUANTILES = (0.01, 0.99)


def describe(image: NDArray[np.uint8]) -> dict[str, float]:
    """Numbers of a field (H, W, 3) uint8 whose cells have the diameter that the network knows.

    Returns
    -------
    dict
        ``background_level`` and ``background_colour``, grey levels: its mean over the channels and how much
        these differ; ``contrast``, the mean difference of cells from it, grey levels; ``cell_colour``, how
        much that differs between channels, in units of the contrast; ``dark_share``, the share of the cells'
        pixels that are darker than the background; ``edge_width``, contrast over the steepest gradients,
        px; ``noise``, of the background in units of the contrast; ``covered``, the share of pixels that are
        in cells. In a flat field all but the first two are 0.
    """
    background = background_colour(image)
    numbers = {
        "background_level": float(background.mean()),
        "background_colour": float(np.ptp(background)),
        **dict.fromkeys(("contrast", "cell_colour", "dark_share", "edge_width", "noise", "covered"), 0.0),
    }
    difference = difference_from_background(image, background)
    threshold = difference_threshold(difference)
    if threshold is None:
        return numbers
    cells = difference > threshold
    contrast = float(difference[cells].mean())
    shift = image[cells] - background
    level = grey_levels(shift)
    grey = grey_levels(image)
    steepness = ndimage.gaussian_gradient_magnitude(grey, 1)
    rough = np.abs(ndimage.laplace(grey))[~ndimage.binary_dilation(cells, iterations=3)]
    return numbers | {
        "contrast": contrast,
        "cell_colour": float(np.abs(shift - level[:, None]).mean()) / contrast,
        "dark_share": float((level < 0).mean()),
        "edge_width": contrast / max(float(np.percentile(steepness, 99)), 1e-6),
        "noise": float(np.median(rough)) / contrast if rough.size else 0.0,
        "covered": float(cells.mean()),
    }


def ranges(described: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """From the 1st to the 99th percentile of every number over the fields of training."""
    table = list(described)
    ends = {name: np.quantile([numbers[name] for numbers in table], _QUANTILES) for name in FEATURES}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def distances(numbers: Mapping[str, float], known: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """How far every number is outside its range, in widths of that range: negative below, 0 inside."""
    result = {}
    for name, (low, high) in known.items():
        width = max(high - low, FEATURES[name][1])
        result[name] = (min(numbers[name] - low, 0.0) + max(numbers[name] - high, 0.0)) / width
    return result


def unlikeness(numbers: Mapping[str, float], known: Mapping[str, tuple[float, float]]) -> float:
    """The largest distance from the ranges of training, whichever way."""
    return max(abs(distance) for distance in distances(numbers, known).values())


def in_words(numbers: Mapping[str, float], known: Mapping[str, tuple[float, float]]) -> list[str]:
    """What is unlike the fields of training, the most unlike first."""
    far = sorted(distances(numbers, known).items(), key=lambda item: -abs(item[1]))
    words = []
    for name, distance in far:
        if abs(distance) >= UNLIKE:
            less, more = _WORDS.get(name, ("less", "more"))
            words.append(FEATURES[name][0].format(direction=more if distance > 0 else less))
    return words
