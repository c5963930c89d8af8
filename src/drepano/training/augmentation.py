"""Random changes that leave a cell the same cell.

Written out in a few tensor operations, because a chain of MONAI transforms costs a good part of a U-Net step.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ZOOM = (0.8, 1.25)
_BLUR_RADIUS = 3


def flip_and_turn(image: Tensor, classes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One of the eight symmetries of the square, of image (3, S, S) and classes (S, S) alike."""
    turns = int(rng.integers(4))
    if rng.random() < 0.5:
        image, classes = image.flip(-1), classes.flip(-1)
    return image.rot90(turns, (-2, -1)).contiguous(), classes.rot90(turns, (-2, -1)).contiguous()


def change_light_and_focus(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast, brightness and tint, loss of colour, defocus and noise, each at random.

    Parameters
    ----------
    image : (3, H, W) float32 tensor
        Normalised, so that the background is near 0.
    """
    if rng.random() < 0.2:
        image = image.mean(0, keepdim=True).expand(3, -1, -1)
    contrast = rng.uniform(0.6, 1.4)
    brightness = rng.normal(0, 0.15)
    tint = rng.normal(0, 0.1, 3) if rng.random() < 0.5 else np.zeros(3)
    image = image * contrast + torch.tensor(brightness + tint, dtype=image.dtype).view(3, 1, 1)
    if rng.random() < 0.25:
        image = _blur(image, rng.uniform(0.4, 1.2))
    if rng.random() < 0.4:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        image = image + rng.uniform(0.02, 0.12) * torch.randn(image.shape, generator=generator)
    return image


def _blur(image: Tensor, sigma: float) -> Tensor:
    position = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, dtype=image.dtype)
    kernel = torch.exp(-((position / sigma) ** 2) / 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(image[:, None], [_BLUR_RADIUS] * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))[:, 0]
