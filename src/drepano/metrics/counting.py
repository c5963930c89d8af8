"""What the metrics have in common: counts of pairs of labels, numbers of cells, a check of class values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def check_classes(num_classes: int, *maps: NDArray[np.uint8]) -> None:
    """Refuse class maps that hold a value that is no class.

    Raises
    ------
    ValueError
        If a value is `num_classes` or more.
    """
    highest = max(labels.max(initial=0) for labels in maps)
    if highest >= num_classes:
        raise ValueError(f"class maps hold class {highest}, expected 0 to {num_classes - 1}")


def count_pairs(rows: NDArray, columns: NDArray, num_rows: int, num_columns: int) -> NDArray[np.int64]:
    """How many pixels have every pair of labels.

    Parameters
    ----------
    rows, columns : arrays of integers, of equal shape
        Labels from 0 to `num_rows` - 1 and `num_columns` - 1.
    num_rows, num_columns : int

    Returns
    -------
    (num_rows, num_columns) int64 array
    """
    pairs = rows.astype(np.int64).ravel() * num_columns + columns.ravel()
    return np.bincount(pairs, minlength=num_rows * num_columns).reshape(num_rows, num_columns)


def number_cells(instances: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """The instance map with its cells numbered from 1 without gaps, in the same order, and how many."""
    cells = np.unique(instances[instances > 0])
    return np.searchsorted(cells, instances, side="right"), len(cells)


def ratio(numbers: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """`numbers` / `sizes`, NaN where the size is 0."""
    shares: NDArray[np.float64] = np.divide(
        numbers, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0, dtype=np.float64
    )
    return shares


def drop_small(instances: NDArray, smallest: float | NDArray) -> NDArray[np.int32]:
    """The instance map (H, W) without instances of fewer than `smallest` px, numbered from 1 again.

    `smallest` may be an array with a size for every number from 0 on.
    """
    sizes = np.bincount(instances.ravel(), minlength=1)
    kept = sizes >= smallest
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return numbers[instances]
