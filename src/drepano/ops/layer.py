"""The deformable convolution layer of dU-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drepano.ops.choice import deformable_conv2d

SATURATED = 0.95
"""Bounded offsets beyond this are saturated: tanh hardly passes them a gradient any more."""


class DeformableConv2d(nn.Module):
    """3x3 convolution that chooses where it samples: ``offset = scope * tanh(conv3x3(x))``.

    The paper's section III and figure 1. The offset convolution has no bias, is shared by all channels and
    begins at zero, so that a new layer is exactly a plain convolution. Height and width are kept.

    Parameters
    ----------
    in_channels, out_channels : int
    scope : float
        Largest shift of a sampling position, in pixels of this layer's feature map.
    bias : bool
        Whether the output has a bias.

    Attributes
    ----------
    relu : bool
        Whether negative outputs become 0; `drepano.models.for_inference` sets it.
    """

    def __init__(self, in_channels: int, out_channels: int, scope: float = 2.0, bias: bool = False) -> None:
        super().__init__()
        self.scope = scope
        self.relu = False
        self.offset = nn.Conv2d(in_channels, 2 * 9, 3, padding=1, bias=False)
        nn.init.zeros_(self.offset.weight)
        plain = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
        self.weight = plain.weight
        self.bias = plain.bias

    def bounded_offset(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        """``tanh(conv3x3(input))``: (N, 18, H, W) in [-1, 1], interleaved (dy0, dx0, dy1, dx1, ...)."""
        return torch.tanh(self.offset(input if skip is None else torch.cat([input, skip], dim=1)))

    def forward(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W).

        Of the input's channels the last may come as `skip`, a tensor of their own.
        """
        return deformable_conv2d(
            *(input, self.offset.weight, self.weight, self.bias, self.scope, self.relu), skip=skip
        )

    def extra_repr(self) -> str:
        out_channels, in_channels = self.weight.shape[:2]
        return f"{in_channels}, {out_channels}, scope={self.scope}"
