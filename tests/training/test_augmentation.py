"""Random changes that leave a cell the same cell."""

from __future__ import annotations

import numpy as np
import torch

from drepano.training.augmentation import change_light_and_focus, flip_and_turn


def test_all_eight_symmetries_of_the_square_occur_for_image_and_classes_alike():
    classes = torch.arange(9).reshape(3, 3)
    image = classes.float().expand(3, 3, 3)
    seen = set()
    for seed in range(200):
        turned, labels = flip_and_turn(image, classes, np.random.default_rng(seed))
        assert (turned == labels).all()
        seen.add(tuple(labels.ravel().tolist()))
    assert len(seen) == 8
    assert all(sorted(outcome) == list(range(9)) and outcome[4] == 4 for outcome in seen)


def test_light_and_focus_keep_shape_type_and_input():
    image = torch.randn(3, 20, 31)
    before = image.clone()
    for seed in range(30):
        changed = change_light_and_focus(image, np.random.default_rng(seed))
        assert changed.shape == (3, 20, 31) and changed.dtype == torch.float32
        assert changed.isfinite().all()
    assert torch.equal(image, before)


def test_the_same_generator_gives_the_same_change():
    image = torch.randn(3, 16, 16)
    one, other = (change_light_and_focus(image, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(one, other)


def test_dark_stays_darker_than_bright():
    image = torch.zeros(3, 16, 16)
    image[:, 4:12, 4:12] = -1.0
    for seed in range(100):
        changed = change_light_and_focus(image, np.random.default_rng(seed))
        assert changed[:, 6:10, 6:10].mean() < changed[:, :2].mean() - 0.4


def test_colours_are_sometimes_lost_and_sometimes_kept():
    image = torch.zeros(3, 16, 16)
    image[0, :, 8:] = 1.0
    spread = []
    for seed in range(60):
        changed = change_light_and_focus(image, np.random.default_rng(seed))
        step = changed[:, :, 10:].mean((1, 2)) - changed[:, :, :6].mean((1, 2))
        spread.append(float(step.max() - step.min()))
    assert 2 < sum(value < 0.1 for value in spread) < 30
    assert sum(value > 0.5 for value in spread) > 20
