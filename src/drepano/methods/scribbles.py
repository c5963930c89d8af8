"""Scribbles as a user of ilastik draws them, simulated from the true classes."""

from __future__ import annotations

from math import cos, sin, tau

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

UNMARKED = -1

_NEAREST, _FARTHEST = 1.0, 3.0
"""How deep in its class a stroke along a border begins, px: not on the last pixel, where a hand slips."""
_BORDER_SMOOTHING = 2.0


def draw_scribbles(
    classes: NDArray[np.uint8], strokes: int, length: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """A few thin strokes in every class that is there.

    Half of them, and the odd one, are straight and lie anywhere in the class; the others begin beside a
    border of the class and follow it. All end where the class ends, as a careful user's do.

    Parameters
    ----------
    classes : (H, W) uint8 array
    strokes : int
        For each class.
    length : int
        Longest stroke, px.
    rng : numpy.random.Generator

    Returns
    -------
    (H, W) int16 array
        The class where there is a stroke, else `UNMARKED`.
    """
    marked = np.full(classes.shape, UNMARKED, np.int16)
    for value in np.unique(classes):
        inside = classes == value
        depth = ndimage.distance_transform_edt(inside)
        at_border = inside & (depth > _NEAREST) & (depth <= _FARTHEST)
        border = _Border(inside) if at_border.any() and not inside.all() else None
        for number in range(strokes):
            follows = border is not None and number % 2 == 1
            starts = np.argwhere(at_border if follows else inside)
            start = starts[rng.integers(len(starts))]
            angle = rng.uniform(0, tau)
            straight = np.array([sin(angle), cos(angle)])
            position = start.astype(float)
            for _ in range(length):
                place = tuple(np.rint(position).astype(int))
                if not _is_inside(place, inside):
                    break
                marked[place] = value
                position += border.step(place, tuple(start)) if border and follows else straight
    return marked


class _Border:
    """The lines that run along the border of a class, as deep in it as where they begin.

    Parameters
    ----------
    inside : (H, W) bool array
        Where the class is.
    """

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        mask = inside.astype(float)
        self._height = ndimage.gaussian_filter(mask, _BORDER_SMOOTHING)
        self._slope = np.stack(
            [ndimage.gaussian_filter(mask, _BORDER_SMOOTHING, order) for order in ((1, 0), (0, 1))], axis=-1
        )

    def step(self, place: tuple[int, ...], start: tuple[int, ...]) -> NDArray[np.float64]:
        """From `place` one px on along the border, and back towards the depth of `start`."""
        slope = self._slope[place]
        steepness = max(float(np.hypot(*slope)), 1e-6)
        up = slope / steepness
        back = (self._height[start] - self._height[place]) / steepness
        step: NDArray[np.float64] = np.array([-up[1], up[0]]) + np.clip(back, -0.5, 0.5) * up
        return step


def _is_inside(place: tuple[int, ...], inside: NDArray[np.bool_]) -> bool:
    in_image = all(0 <= index < length for index, length in zip(place, inside.shape, strict=True))
    return in_image and bool(inside[place])
