"""A field's cells in their places: none over another, some touching, some cut by the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano.datasets._simulated_cells import SimulatedCell

_TRIES = 60
"""Places tried for a cell before the field counts as full."""

_LEAST_VISIBLE = 0.25
"""Share of a cell that the field's border leaves at least."""

_CLEARANCE = 0.1
"""Least distance between cells that do not touch, in cell diameters."""

_MARGIN = 1.2
"""Width of the margin, in cell diameters: the patch of a cell whose centre is in the field lies within."""

Centre = tuple[int, int]
Window = tuple[slice, slice]


class Layer:
    """The cells placed so far, on a field widened by a margin in which cut cells go on.

    Parameters
    ----------
    size : tuple of int
        Height and width of the field, px.
    cell_diameter : float
        Diameter of a discocyte, px.
    """

    def __init__(self, size: tuple[int, int], cell_diameter: float) -> None:
        self._size = size
        self._diameter = cell_diameter
        self._centres: list[Centre] = []
        margin = int(np.ceil(_MARGIN * cell_diameter))
        shape = (size[0] + 2 * margin, size[1] + 2 * margin)
        self.field: Window = (slice(margin, margin + size[0]), slice(margin, margin + size[1]))
        self._in_field: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        self._in_field[self.field] = True
        self.thickness: NDArray[np.float64] = np.zeros(shape)
        self.classes: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self.instances: NDArray[np.int32] = np.zeros(shape, dtype=np.int32)

    def place(self, cell: SimulatedCell, value: int, touching: bool, rng: np.random.Generator) -> None:
        """Put a cell of class `value` where chance has it, or nowhere if no place is found.

        The first cell has none to touch; `touching` holds from the second on.
        """
        for _ in range(_TRIES):
            if touching and self._centres:
                centre = self._against_another(cell, rng)
            else:
                centre = self._clear_of_others(cell, rng)
            if centre is not None and self._shows(cell, centre):
                window = self._window(cell, centre)
                self._centres.append(centre)
                self.thickness[window] += cell.thickness
                self.classes[window][cell.mask] = value
                self.instances[window][cell.mask] = len(self._centres)
                return

    def _window(self, cell: SimulatedCell, centre: Centre) -> Window:
        """Where the cell's patch lies on the widened field, for a centre counted from the field's corner."""
        side = cell.mask.shape[0]
        top, left = (inner.start + at - side // 2 for inner, at in zip(self.field, centre, strict=True))
        return slice(top, top + side), slice(left, left + side)

    def _overlaps(self, mask: NDArray[np.bool_], window: Window) -> bool:
        return bool((self.instances[window][mask] > 0).any())

    def _shows(self, cell: SimulatedCell, centre: Centre) -> bool:
        """Whether enough of the cell is in the field, in one piece."""
        seen = cell.mask & self._in_field[self._window(cell, centre)]
        return bool(seen.sum() >= _LEAST_VISIBLE * cell.mask.sum() and ndimage.label(seen)[1] == 1)

    def _clear_of_others(self, cell: SimulatedCell, rng: np.random.Generator) -> Centre | None:
        centre = int(rng.integers(self._size[0])), int(rng.integers(self._size[1]))
        clearance = max(2, round(_CLEARANCE * self._diameter))
        surroundings = ndimage.binary_dilation(cell.mask, iterations=clearance)
        return None if self._overlaps(surroundings, self._window(cell, centre)) else centre

    def _against_another(self, cell: SimulatedCell, rng: np.random.Generator) -> Centre | None:
        """Slide the cell towards one of those in place, from a random side, until they touch."""
        row, column = self._centres[int(rng.integers(len(self._centres)))]
        angle = rng.uniform(0, 2 * np.pi)
        found = None
        for distance in range(int(2 * self._diameter), 0, -1):
            centre = round(row + distance * np.sin(angle)), round(column + distance * np.cos(angle))
            if not (0 <= centre[0] < self._size[0] and 0 <= centre[1] < self._size[1]):
                continue
            if self._overlaps(cell.mask, self._window(cell, centre)):
                break
            found = centre
        if found is None or not self._overlaps(ndimage.binary_dilation(cell.mask), self._window(cell, found)):
            return None
        return found
