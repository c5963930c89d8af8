"""Weights of classes in the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from drepano.training import make_config
from drepano.training.class_weights import balanced_weights, class_weights
from drepano.training.samples import BETWEEN_CELLS, PreparedField


def field_of(classes):
    classes = np.asarray(classes, dtype=np.uint8)
    return PreparedField(np.zeros((3, *classes.shape), np.float16), classes)


def test_by_hand():
    """Of 8 pixels 6 are background, two of them where cells meet, and 2 are of class 1."""
    fields = [field_of([[0, 0, 0, BETWEEN_CELLS], [0, BETWEEN_CELLS, 1, 1]])]
    assert balanced_weights([fields], 2, crop_size=2).tolist() == pytest.approx([8 / (2 * 6), 8 / (2 * 2)])


def test_as_scikit_learn_has_them():
    rng = np.random.default_rng(0)
    fields = [field_of(rng.integers(0, 4, size) ** 2 % 5) for size in ((7, 9), (9, 7))]
    pixels = np.concatenate([field.classes.ravel() for field in fields])
    expected = compute_class_weight("balanced", classes=np.unique(pixels), y=pixels)
    found = balanced_weights([fields], 5, crop_size=4)
    assert found[np.unique(pixels).tolist()].numpy() == pytest.approx(expected, rel=1e-6)
    assert found.dtype == torch.float32


def test_a_class_that_no_field_has_weighs_nothing():
    assert balanced_weights([[field_of([[0, 2]])]], 4, crop_size=1).tolist() == [1, 0, 1, 0]


def test_of_several_groups_each_counts_the_same():
    """One group has many pixels, half of class 1; the other has few, a quarter of it: the share is 3/8."""
    many, few = [field_of([[0, 1]] * 50)], [field_of([[0, 0, 0, 1]])]
    assert balanced_weights([many, few], 2, crop_size=1).tolist() == pytest.approx(
        [1 / (2 * 5 / 8), 1 / (2 * 3 / 8)]
    )


def test_a_large_field_counts_as_much_as_a_small_one_since_crops_are_drawn_from_both_as_often():
    large, small = field_of([[0, 1]] * 50), field_of([[0, 0, 0, 1]])
    found = balanced_weights([[large, small]], 2, crop_size=1)
    assert found.tolist() == pytest.approx([1 / (2 * 5 / 8), 1 / (2 * 3 / 8)])


def test_what_a_crop_has_beside_a_small_field_is_background():
    """A crop of 3 px has 9 pixels, a field of 1 x 4 px 12 with what is below it; 3 of these are a cell's."""
    found = balanced_weights([[field_of([[0, 1, 1, 1]])]], 2, crop_size=3)
    assert found.tolist() == pytest.approx([1 / (2 * 9 / 12), 1 / (2 * 3 / 12)])


def test_other_losses_have_no_weights():
    fields = [field_of([[0, 0, 1]])]
    assert class_weights(make_config(loss="ce"), [fields], 2) is None
    weighted = class_weights(make_config(loss="weighted-ce", crop_size=16), [fields], 2)
    assert torch.equal(weighted, balanced_weights([fields], 2, crop_size=16))


def test_in_a_loss_every_class_has_the_same_part():
    classes = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 2]])
    weights = balanced_weights([[field_of(classes)]], 3, crop_size=1)
    loss = F.cross_entropy(torch.zeros(1, 3, 8), classes, weight=weights, reduction="none")
    parts = [float(loss[classes == index].sum()) for index in range(3)]
    assert parts == pytest.approx([parts[0]] * 3, rel=1e-6)
    assert float(weights[classes].mean()) == pytest.approx(1)
