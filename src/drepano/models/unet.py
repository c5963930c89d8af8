"""U-Net and dU-Net as in the paper's figure 2."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drepano.ops import DeformableConv2d

STRIDE = 8
"""Inputs are padded to a multiple of this: three poolings by two."""

_FIXED_REACH = 21
_REACH_PER_CONVOLUTION_PIXEL = 44
"""Reach in px: pooling and transposed convolutions give 21; of the 3x3 convolutions, two each at the strides
1, 2, 4, 8, 4, 2 and 1, each pixel of reach gives 44."""

MakeConvolution = Callable[[int, int, bool], nn.Module]
"""(in_channels, out_channels, bias) to a 3x3 convolution that keeps height and width. It is called with its
input, or with two tensors that are its first and its last channels."""


class _PlainConv2d(nn.Conv2d):
    """3x3 convolution that keeps height and width, of one or two tensors."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        return super().forward(input if skip is None else torch.cat([input, skip], dim=1))


class _EncoderDecoder(nn.Module):
    """Three levels down, three up, with skips; what kind of 3x3 convolution is given.

    Attributes
    ----------
    stride : int
        What the network pads height and width to a multiple of.
    reach : int
        How many px away a pixel of the input can be and still change a pixel of the output.
    """

    stride = STRIDE

    def __init__(
        self,
        num_classes: int,
        width: int,
        in_channels: int,
        convolution: MakeConvolution,
        convolution_reach: int,
    ) -> None:
        super().__init__()
        self.reach = _FIXED_REACH + _REACH_PER_CONVOLUTION_PIXEL * convolution_reach

        def block(channels: int, middle: int, out: int) -> nn.Sequential:
            return nn.Sequential(
                *(convolution(channels, middle, False), nn.BatchNorm2d(middle), nn.ReLU(inplace=True)),
                *(convolution(middle, out, False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)),
            )

        def up(channels: int) -> nn.Sequential:
            transposed = nn.ConvTranspose2d(
                channels, channels, 3, stride=2, padding=1, output_padding=1, bias=False
            )
            return nn.Sequential(transposed, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

        w = width
        self.encoder1 = block(in_channels, w, w)
        self.encoder2 = block(w, 2 * w, 2 * w)
        self.encoder3 = block(2 * w, 4 * w, 4 * w)
        self.bottleneck = block(4 * w, 8 * w, 4 * w)
        self.up3 = up(4 * w)
        self.decoder3 = block(8 * w, 4 * w, 2 * w)
        self.up2 = up(2 * w)
        self.decoder2 = block(4 * w, 2 * w, w)
        self.up1 = up(w)
        self.decoder1 = nn.Sequential(
            *(convolution(2 * w, w, False), nn.BatchNorm2d(w), nn.ReLU(inplace=True)),
            convolution(w, num_classes, True),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, num_classes, H, W) of images (N, in_channels, H, W) of any size from 1 x 1 up."""
        height, width = image.shape[-2:]
        right, below = -width % STRIDE, -height % STRIDE
        padded = F.pad(image, (0, right, 0, below), mode="replicate") if right or below else image
        level1 = self.encoder1(padded)
        level2 = self.encoder2(F.max_pool2d(level1, 2))
        level3 = self.encoder3(F.max_pool2d(level2, 2))
        bottom = self.bottleneck(F.max_pool2d(level3, 2))
        up3 = _decode(self.decoder3, self.up3(bottom), level3)
        up2 = _decode(self.decoder2, self.up2(up3), level2)
        logits = _decode(self.decoder1, self.up1(up2), level1)
        return logits[..., :height, :width]


def _decode(block: nn.Sequential, up: Tensor, skip: Tensor) -> Tensor:
    first, *others = block
    output: Tensor = first(up, skip)
    for layer in others:
        output = layer(output)
    return output


class UNet(_EncoderDecoder):
    """U-Net of three levels; 97 818 parameters for two classes at width 8.

    Parameters
    ----------
    num_classes : int
        Channels of the output.
    width : int
        Channels of the first level; doubled at each level below.
    in_channels : int
        Channels of the input.
    """

    def __init__(self, num_classes: int = 5, width: int = 8, in_channels: int = 3) -> None:
        super().__init__(num_classes, width, in_channels, _PlainConv2d, convolution_reach=1)


class DUNet(_EncoderDecoder):
    """U-Net whose fourteen 3x3 convolutions are deformable; 154 032 parameters for two classes at width 8.

    Parameters
    ----------
    num_classes, width, in_channels : int
        As in `UNet`.
    scope : float
        Largest shift of a sampling position, in pixels of the layer's feature map.
    frozen_offsets : bool
        A control for experiments: offset convolutions begin as PyTorch begins any convolution and never
        learn. Sampling is then irregular, but by a fixed random function of the features instead of a
        learned one, and there are as many trained parameters as in a U-Net of that width.
    """

    def __init__(
        self,
        num_classes: int = 5,
        width: int = 8,
        in_channels: int = 3,
        scope: float = 2.0,
        frozen_offsets: bool = False,
    ) -> None:
        def deformable(channels: int, out_channels: int, bias: bool) -> nn.Module:
            return DeformableConv2d(channels, out_channels, scope=scope, bias=bias)

        # A sample lies up to 1 + scope away, and interpolation reads the pixels on both sides of it.
        super().__init__(num_classes, width, in_channels, deformable, convolution_reach=1 + ceil(scope))
        if frozen_offsets:
            for layer in self.modules():
                if isinstance(layer, DeformableConv2d):
                    layer.offset.reset_parameters()
                    layer.offset.requires_grad_(False)
