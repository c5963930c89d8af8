"""Weights of classes in the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from drepano.training.class_weights import balanced_weights
from drepano.training.samples import BETWEEN_CELLS, PreparedField


def field_of(classes):
    classes = np.asarray(classes, dtype=np.uint8)
    return PreparedField(np.zeros((3, *classes.shape), np.float16), classes)


def test_by_hand():
    """Of 8 pixels 6 are background, two of them where cells meet, and 2 are of class 1."""
    fields = [field_of([[0, 0, 0, BETWEEN_CELLS], [0, BETWEEN_CELLS, 1, 1]])]
    assert balanced_weights([fields], 2).tolist() == pytest.approx([8 / (2 * 6), 8 / (2 * 2)])


def test_as_scikit_learn_has_them():
    rng = np.random.default_rng(0)
    fields = [field_of(rng.integers(0, 4, size) ** 2 % 5) for size in ((7, 9), (5, 4))]
    pixels = np.concatenate([field.classes.ravel() for field in fields])
    expected = compute_class_weight("balanced", classes=np.unique(pixels), y=pixels)
    found = balanced_weights([fields], 5)
    assert found[np.unique(pixels).tolist()].numpy() == pytest.approx(expected, rel=1e-6)
    assert found.dtype == torch.float32


def test_a_class_that_no_field_has_weighs_nothing():
    assert balanced_weights([[field_of([[0, 2]])]], 4).tolist() == [1, 0, 1, 0]


def test_of_several_groups_each_counts_the_same():
    """One group has many pixels, half of class 1; the other has few, a quarter of it: the share is 3/8."""
    many, few = [field_of([[0, 1]] * 50)], [field_of([[0, 0, 0, 1]])]
    assert balanced_weights([many, few], 2).tolist() == pytest.approx([1 / (2 * 5 / 8), 1 / (2 * 3 / 8)])


def test_in_a_loss_every_class_has_the_same_part():
    classes = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 2]])
    weights = balanced_weights([[field_of(classes)]], 3)
    loss = F.cross_entropy(torch.zeros(1, 3, 8), classes, weight=weights, reduction="none")
    parts = [float(loss[classes == index].sum()) for index in range(3)]
    assert parts == pytest.approx([parts[0]] * 3, rel=1e-6)
    assert float(weights[classes].mean()) == pytest.approx(1)
