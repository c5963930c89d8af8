"""Weights of classes in the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from drepano.training.samples import BETWEEN_CELLS, PreparedField


def balanced_weights(groups: Sequence[Sequence[PreparedField]], count: int) -> Tensor:
    """Weights with which every class that occurs has the same part in a loss over pixels.

    Inverse to a class's share of the pixels, and 1 for the average pixel: scikit-learn's "balanced" weights
    (`sklearn.utils.class_weight.compute_class_weight`).

    Parameters
    ----------
    groups : sequence of sequences of PreparedField
        Of several groups each counts the same, as crops are drawn from them.
    count : int
        Number of classes.

    Returns
    -------
    Tensor, shape (count,), float32
        0 for a class that no field has.
    """
    share = np.mean([_share(group, count) for group in groups], axis=0)
    occurs = share > 0
    weights = np.zeros(count)
    weights[occurs] = 1 / (occurs.sum() * share[occurs])
    return torch.from_numpy(weights).float()


def _share(fields: Sequence[PreparedField], count: int) -> np.ndarray:
    """Of every class; background where two cells meet is background."""
    pixels = np.sum([np.bincount(field.classes.ravel(), minlength=256) for field in fields], axis=0)
    pixels[0] += pixels[BETWEEN_CELLS]
    return pixels[:count] / pixels[:count].sum()
