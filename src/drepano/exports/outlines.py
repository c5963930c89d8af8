"""Outlines of cells as polygons along the edges of their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = NDArray[np.int64]
"""(N, 2) corners x, y of a closed ring, the first not repeated."""

_DIRECTIONS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
"""Steps x, y along an edge: to the right, down, to the left, up."""
_STRAIGHT, _RIGHT, _LEFT = 0, 1, 3
"""What is added to the number of a direction to turn."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A cell's outer ring, clockwise on the screen, and its holes, counter-clockwise.

    Coordinates are corners of pixels: the pixel in row r and column c is the square from (c, r) to
    (c + 1, r + 1). QuPath, ImageJ and COCO count so.
    """

    outer: Ring
    holes: tuple[Ring, ...]


def trace_outlines(instances: NDArray[np.int32]) -> dict[int, Outline]:
    """The outline of every cell in an instance map (H, W), by its number.

    A cell in several pieces has that of its largest one. Two pixels that meet in a corner only are taken as
    connected there, so that no ring meets itself and every polygon is valid.
    """
    outlines = {}
    for number, place in enumerate(ndimage.find_objects(instances), start=1):
        if place is not None:
            origin = np.array([place[1].start, place[0].start])
            outlines[number] = _trace(_largest_piece(instances[place] == number), origin)
    return outlines


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(mask)
    largest: NDArray[np.bool_] = (
        mask if count == 1 else pieces == 1 + np.argmax(np.bincount(pieces[mask])[1:])
    )
    return largest


def _trace(mask: NDArray[np.bool_], origin: NDArray[np.int64]) -> Outline:
    rings = [ring + origin for ring in _rings(mask)]
    areas = [ring_area(ring) for ring in rings]
    outer = int(np.argmax(areas))
    inside = [ring for ring, area in zip(rings, areas, strict=True) if area < 0]
    return Outline(rings[outer], tuple(inside))


def ring_area(ring: Ring) -> float:
    """Area of a ring, px²; negative where it runs counter-clockwise on the screen."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


def _rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """All closed paths along edges between inside and outside, the inside to the right, as their corners."""
    padded = np.pad(mask, 1)
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    edges = np.stack(  # leaving a corner in each of _DIRECTIONS
        [
            lower_right & ~upper_right,
            lower_left & ~lower_right,
            upper_left & ~lower_left,
            upper_right & ~upper_left,
        ]
    )
    direction, y, x = np.nonzero(edges)
    numbers = np.full(edges.shape, -1)
    numbers[edges] = np.arange(len(direction))
    end_x, end_y = x + _DIRECTIONS[direction, 0], y + _DIRECTIONS[direction, 1]
    following = np.full(len(direction), -1)
    # Where two pixels meet in a corner there are two ways on: the left one crosses to the other pixel.
    for turn in _RIGHT, _STRAIGHT, _LEFT:
        onward = numbers[(direction + turn) % 4, end_y, end_x]
        following = np.where(onward >= 0, onward, following)
    turns = np.zeros(len(direction), bool)
    turns[following] = direction[following] != direction
    corners = np.column_stack([x, y])
    return [corners[ring[turns[ring]]] for ring in _cycles(following.tolist())]


def _cycles(following: list[int]) -> list[NDArray[np.int64]]:
    """The cycles of a permutation."""
    seen = [False] * len(following)
    cycles = []
    for start in range(len(following)):
        cycle, number = [], start
        while not seen[number]:
            seen[number] = True
            cycle.append(number)
            number = following[number]
        if cycle:
            cycles.append(np.array(cycle))
    return cycles
