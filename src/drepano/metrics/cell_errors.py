"""The paper's three kinds of errors that are seen on cells, computed instead of counted by hand."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano.metrics.counting import count_pairs, drop_small, number_cells

_SMALLEST_COMPONENT = 20
_WITHIN_TWO_PIXELS = ((0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0))
"""Steps down and right to all pixels at most 2 px away; those up and left are the same pairs of pixels."""
_COVERED = 0.5
_ARTEFACT = 0.1
_MISSED = 0.1
_COMPLETE = 2 / 3
_OTHER_CLASS = 1 / 3


@dataclass(frozen=True)
class CellErrors:
    """Counts in one or more fields; they can be added.

    Parameters
    ----------
    true_cells : int
    joined : int
        Error I: one component covers at least half of each of two or more cells that touch.
    artefacts : int
        Error II: less than a tenth of a component lies on any cell.
    incomplete : int
        Error III, binary: from a tenth to two thirds of a cell is predicted.
    misclassified : int
        Error III, multi-class: at least a third of a cell has another class of cells than most of it.
    missed : int
        Less than a tenth of a cell is predicted.
    """

    true_cells: int = 0
    joined: int = 0
    artefacts: int = 0
    incomplete: int = 0
    misclassified: int = 0
    missed: int = 0

    def __add__(self, other: CellErrors) -> CellErrors:
        return CellErrors(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def cell_errors(
    true_instances: NDArray[np.int32],
    predicted: NDArray[np.uint8],
    found_instances: NDArray[np.int32] | None = None,
) -> CellErrors:
    """Count the errors in one field (the paper's section IV).

    Components are 4-connected regions of cell pixels of at least 20 px, whatever their classes: two touching
    cells are joined though each has its own class, and one component is one error I however many cells it
    joins. Cells touch if two of their pixels are within 2 px.

    Parameters
    ----------
    true_instances : (H, W) int32 array
        0 for background, a different positive number for every cell.
    predicted : (H, W) uint8 array
        Class map; 0 is background.
    found_instances : (H, W) int32 array, optional
        Cells found in the class map, to be looked at in place of components.

    Returns
    -------
    CellErrors

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    for other in (predicted, found_instances):
        if other is not None and other.shape != true_instances.shape:
            raise ValueError(f"maps differ in shape: {true_instances.shape} and {other.shape}")
    cells, count = number_cells(true_instances)
    if found_instances is None:
        components = drop_small(ndimage.label(predicted > 0)[0], _SMALLEST_COMPONENT)
    else:
        components = found_instances
    shared = count_pairs(cells, components, count + 1, int(components.max(initial=0)) + 1)
    sizes = shared.sum(axis=1)[1:]
    component_sizes = shared.sum(axis=0)[1:]
    on_cells = shared[1:, 1:]
    found = count_pairs(cells, predicted, count + 1, int(predicted.max(initial=0)) + 1)[1:, 1:]
    share = found.sum(axis=1) / sizes
    of_others = found.sum(axis=1) - found.max(axis=1, initial=0)
    return CellErrors(
        true_cells=count,
        joined=_count_joined(cells, on_cells >= _COVERED * sizes[:, None]),
        artefacts=int(np.count_nonzero(on_cells.sum(axis=0) < _ARTEFACT * component_sizes)),
        incomplete=int(np.count_nonzero((share >= _MISSED) & (share < _COMPLETE))),
        misclassified=int(np.count_nonzero(of_others >= _OTHER_CLASS * sizes)),
        missed=int(np.count_nonzero(share < _MISSED)),
    )


def _count_joined(cells: NDArray[np.int64], covers: NDArray[np.bool_]) -> int:
    """Components (columns of `covers`) that cover two cells that touch, or more."""
    first, second = _touching(cells)
    return int(np.count_nonzero((covers[first - 1] & covers[second - 1]).any(axis=0)))


def _touching(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the cells that touch: (2, n), one column a pair."""
    pairs = [np.empty((2, 0), np.int64)]
    for down, right in _WITHIN_TWO_PIXELS:
        width = cells.shape[1]
        here = cells[: len(cells) - down, max(0, -right) : width - max(0, right)]
        there = cells[down:, max(0, right) : width - max(0, -right)]
        differ = (here > 0) & (there > 0) & (here != there)
        pairs.append(np.stack([here[differ], there[differ]]))
    touching: NDArray[np.int64] = np.unique(np.concatenate(pairs, axis=1), axis=1)
    return touching
