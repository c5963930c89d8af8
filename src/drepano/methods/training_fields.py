"""What classical methods learn from: fields drawn by a seed."""

from __future__ import annotations

import numpy as np

from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError


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
