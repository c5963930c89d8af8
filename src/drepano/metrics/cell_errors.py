"""The paper's three kinds of errors that are seen on cells, computed instead of counted by hand."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SMALLEST_COMPONENT = 20
_TOUCHING = 2.0
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


def cell_errors(true_instances: NDArray[np.int32], predicted: NDArray[np.uint8]) -> CellErrors:
    """Count the errors in one field (method.md, "Metrics"; the paper's section IV).

    Components are 4-connected regions of cell pixels of at least 20 px. Cells touch if two of their pixels
    are within 2 px.

    Parameters
    ----------
    true_instances : (H, W) int32 array
        0 for background, a different positive number for every cell.
    predicted : (H, W) uint8 array
        Class map; 0 is background.

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    if true_instances.shape != predicted.shape:
        raise ValueError(f"maps differ in shape: {true_instances.shape} and {predicted.shape}")
    cells, sizes = np.unique(true_instances[true_instances > 0], return_counts=True)
    numbered = np.searchsorted(cells, true_instances) + 1
    numbered[true_instances == 0] = 0
    components = _components(predicted > 0)
    shared = _table(numbered, components, len(cells), components.max(initial=0))
    on_cells = shared[1:, 1:]
    component_sizes = shared[:, 1:].sum(axis=0)
    found = _table(numbered, predicted, len(cells), predicted.max(initial=0))[1:, 1:]
    share = found.sum(axis=1) / sizes
    other = found.sum(axis=1) - found.max(axis=1, initial=0)
    return CellErrors(
        true_cells=len(cells),
        joined=_count_joined(numbered, on_cells >= _COVERED * sizes[:, None]),
        artefacts=int(np.count_nonzero(on_cells.sum(axis=0) < _ARTEFACT * component_sizes)),
        incomplete=int(np.count_nonzero((share >= _MISSED) & (share < _COMPLETE))),
        misclassified=int(np.count_nonzero((other >= _OTHER_CLASS * sizes) & (other > 0))),
        missed=int(np.count_nonzero(share < _MISSED)),
    )


def _components(foreground: NDArray[np.bool_]) -> NDArray[np.int32]:
    labels, count = ndimage.label(foreground)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= _SMALLEST_COMPONENT
    large[0] = False
    numbers = np.where(large, np.cumsum(large), 0).astype(np.int32)
    components: NDArray[np.int32] = numbers[labels]
    return components


def _table(rows: NDArray, columns: NDArray, last_row: int, last_column: int) -> NDArray[np.int64]:
    """Pixels of every pair of numbers, (last_row + 1, last_column + 1)."""
    width = int(last_column) + 1
    pairs = rows.astype(np.int64).ravel() * width + columns.ravel()
    return np.bincount(pairs, minlength=(last_row + 1) * width).reshape(last_row + 1, width)


def _count_joined(numbered: NDArray, covers: NDArray[np.bool_]) -> int:
    """Components (columns of `covers`) that cover two cells or more, one of which touches another of them."""
    joined = 0
    for covered in covers.T[covers.sum(axis=0) > 1]:
        numbers = np.flatnonzero(covered) + 1
        (window,) = ndimage.find_objects(np.isin(numbered, numbers).astype(np.uint8))
        inside = numbered[window]
        for number in numbers:
            distance = ndimage.distance_transform_edt(inside != number)
            others = np.isin(inside, numbers[numbers != number])
            if (distance[others] <= _TOUCHING).any():
                joined += 1
                break
    return joined
