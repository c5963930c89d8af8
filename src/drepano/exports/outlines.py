"""Outlines of cells as polygons along the edges of their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = NDArray[np.int64]
"""(N, 2) corners x, y of a closed ring, the first not repeated."""

_RIGHT_OF = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}


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
    """All closed paths along edges between inside and outside, the inside to the right."""
    padded = np.pad(mask, 1)
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # From the start of an edge its direction: along the top of a pixel to the right, and so on around it.
    for direction, (row_shift, column_shift), (start_y, start_x) in (
        ((1, 0), (-1, 0), (0, 0)),
        ((0, 1), (0, 1), (0, 1)),
        ((-1, 0), (1, 0), (1, 1)),
        ((0, -1), (0, -1), (1, 0)),
    ):
        outside = ~np.roll(padded, (-row_shift, -column_shift), (0, 1))
        for row, column in np.argwhere(padded & outside) - 1:
            steps.setdefault((int(column) + start_x, int(row) + start_y), []).append(direction)
    rings = []
    while steps:
        start = next(iter(steps))
        rings.append(_follow(steps, start))
    return rings


def _follow(steps: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]) -> Ring:
    """Walk from `start` until back there, using up the steps; only corners are kept."""
    corners = []
    place, before = start, None
    while place in steps:
        ways = steps[place]
        # Where two pixels meet in a corner there are two ways on: the left one crosses to the other pixel.
        way = ways[0] if len(ways) == 1 or before is None or _RIGHT_OF[before] != ways[0] else ways[1]
        ways.remove(way)
        if not ways:
            del steps[place]
        if way != before:
            corners.append(place)
        place, before = (place[0] + way[0], place[1] + way[1]), way
        if place == start:
            break
    return np.array(corners, dtype=np.int64)
