"""Weights of classes in the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drepano.training.config import TrainingConfig
from drepano.training.samples import BETWEEN_CELLS, PreparedField


def class_weights(
    config: TrainingConfig, groups: Sequence[Sequence[PreparedField]], count: int
) -> Tensor | None:
    """`balanced_weights` for the loss "weighted-ce", None for any other."""
    return balanced_weights(groups, count, config.crop_size) if config.loss == "weighted-ce" else None


def balanced_weights(groups: Sequence[Sequence[PreparedField]], count: int, crop_size: int) -> Tensor:
    """Weights with which every class that occurs has the same part in a loss over pixels of crops.

    Inverse to a class's share of the pixels, and 1 for the average pixel: scikit-learn's "balanced" weights
    (`sklearn.utils.class_weight.compute_class_weight`). The share is that of crops as `TrainingCrops` draws
    them: equally often from every group, and in it from every field.

    Parameters
    ----------
    groups : sequence of sequences of PreparedField
    count : int
        Number of classes.
    crop_size : int
        Side of a crop in px, to which smaller fields are padded with background.

    Returns
    -------
    Tensor, shape (count,), float32
        0 for a class that no field has.
    """
    shares = [np.mean([_share(field, count, crop_size) for field in group], axis=0) for group in groups]
    share = np.mean(shares, axis=0)
    occurs = share > 0
    weights = np.zeros(count)
    weights[occurs] = 1 / (occurs.sum() * share[occurs])
    return torch.from_numpy(weights).float()


def _share(field: PreparedField, count: int, crop_size: int) -> NDArray[np.float64]:
    """Of every class; where two cells meet is background."""
    height, width = field.classes.shape
    pixels = np.bincount(field.classes.ravel(), minlength=BETWEEN_CELLS + 1)
    padding = max(height, crop_size) * max(width, crop_size) - height * width
    pixels[0] += pixels[BETWEEN_CELLS] + padding
    share: NDArray[np.float64] = pixels[:count] / pixels[:count].sum()
    return share
