"""A trained network made faster for prediction, with the same results."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from drepano.ops import DeformableConv2d

_Convolution = nn.Conv2d | nn.ConvTranspose2d | DeformableConv2d


def for_inference(network: nn.Module) -> nn.Module:
    """A copy of `network` for prediction only, channels last in memory.

    Where a batch normalisation follows a convolution in an ``nn.Sequential``, its scale and shift, constant
    after training, become part of the convolution's weight and bias; a ReLU behind a deformable convolution
    becomes part of that. Logits differ from those of `network` by rounding only.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for sequence in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for (_, layer), (name, follower) in pairwise(list(sequence.named_children())):
            if isinstance(layer, _Convolution) and isinstance(follower, nn.BatchNorm2d):
                _fold(layer, follower)
                setattr(sequence, name, nn.Identity())
        steps = [step for step in sequence.named_children() if not isinstance(step[1], nn.Identity)]
        for (_, layer), (name, follower) in pairwise(steps):
            if isinstance(layer, DeformableConv2d) and isinstance(follower, nn.ReLU):
                layer.relu = True
                setattr(sequence, name, nn.Identity())
    return folded.to(memory_format=torch.channels_last)


def _fold(layer: _Convolution, normalisation: nn.BatchNorm2d) -> None:
    mean, variance = normalisation.running_mean, normalisation.running_var
    if mean is None or variance is None:
        raise ValueError("a batch normalisation without running statistics cannot be folded")
    layer.weight, layer.bias = fuse_conv_bn_weights(
        layer.weight,
        layer.bias,
        mean,
        variance,
        normalisation.eps,
        normalisation.weight,
        normalisation.bias,
        transpose=isinstance(layer, nn.ConvTranspose2d),
    )
