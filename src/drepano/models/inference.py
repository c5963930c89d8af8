"""A trained network made faster for prediction, with the same results."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise
from typing import Any

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
    places = Counter(module for _, module in folded.named_modules(remove_duplicate=False))
    for sequence in folded.modules():
        if not isinstance(sequence, nn.Sequential) or type(sequence).forward is not nn.Sequential.forward:
            continue
        for number, (layer, follower) in enumerate(pairwise(sequence)):
            if _can_fold(layer, follower) and places[layer] == 1:
                _fold(layer, follower)
                sequence[number + 1] = nn.Identity()
        steps = [number for number, step in enumerate(sequence) if not isinstance(step, nn.Identity)]
        for number, following in pairwise(steps):
            layer = sequence[number]
            is_before_relu = isinstance(sequence[following], nn.ReLU)
            if isinstance(layer, DeformableConv2d) and is_before_relu and places[layer] == 1:
                layer.relu = True
                sequence[following] = nn.Identity()
    return folded.to(memory_format=torch.channels_last)


def _can_fold(layer: nn.Module, follower: nn.Module) -> bool:
    return (
        isinstance(layer, _Convolution)
        and not (isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1)
        and isinstance(follower, nn.BatchNorm2d)
        and follower.running_mean is not None
    )


def _fold(layer: Any, normalisation: Any) -> None:
    layer.weight, layer.bias = fuse_conv_bn_weights(
        layer.weight,
        layer.bias,
        normalisation.running_mean,
        normalisation.running_var,
        normalisation.eps,
        normalisation.weight,
        normalisation.bias,
        transpose=isinstance(layer, nn.ConvTranspose2d),
    )
