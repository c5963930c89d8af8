"""What classical methods learn from: fields drawn by a seed, and their class maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.taxonomy import Taxonomy


def random_order(training: FieldDataset, seed: int) -> list[int]:
    """All indices of `training` in an order that depends on `seed` alone.

    Raises
    ------
    DrepanoError
        If there is no field.
    """
    if not len(training):
        raise DrepanoError("no fields to train on; give a data set with fields")
    return [int(index) for index in np.random.default_rng(seed).permutation(len(training))]


def class_map(field: Field, taxonomy: Taxonomy) -> NDArray[np.uint8]:
    """True class of every pixel, (H, W); all cells are class 1 where `taxonomy` knows no more than cells.

    Raises
    ------
    DrepanoError
        If the field has no class map.
    """
    if field.classes is None:
        raise DrepanoError(f"field {field.id}: has no class map; training needs one for every field")
    return (field.classes > 0).astype(np.uint8) if len(taxonomy) == 2 else field.classes
