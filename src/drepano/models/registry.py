"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from math import isfinite
from typing import Any

from torch import nn

from drepano.errors import DrepanoError
from drepano.models.compare import create_deeplabv3plus, create_dynunet, create_pspnet
from drepano.models.unet import DUNet, UNet

_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "unet": UNet,
    "dunet": DUNet,
    "pspnet": create_pspnet,
    "deeplabv3plus": create_deeplabv3plus,
    "dynunet": create_dynunet,
}

NETWORK_NAMES = tuple(_NETWORKS)


def create(name: str, num_classes: int = 5, **options: Any) -> nn.Module:
    """A new network, with random weights but for a pretrained encoder.

    Parameters
    ----------
    name : str
        "unet", "dunet" or "dynunet"; with the extra ``compare`` also "pspnet" or "deeplabv3plus".
    num_classes : int
        Channels of the output, background included.
    **options
        What the network takes besides: ``in_channels`` (3) for all; ``width`` for "unet" (8), "dunet" (8)
        and "dynunet" (32); ``scope`` (2.0) and ``frozen_offsets`` (False) for "dunet"; ``encoder``
        ("resnet34") and ``pretrained`` (False) for the other two. ``pretrained=True`` downloads the
        encoder's weights; `drepano.models.compare.download_notice` says from where.

    Returns
    -------
    torch.nn.Module
        Maps (N, 3, H, W) float images of any size to (N, num_classes, H, W) logits.

    Raises
    ------
    DrepanoError
        If there is no network of that name, it takes no such option or value, its extra is not installed,
        or its weights cannot be downloaded.
    """
    if name not in _NETWORKS:
        raise DrepanoError(f"network {name!r} is unknown; use one of {', '.join(_NETWORKS)}")
    if not (isinstance(num_classes, int) and num_classes >= 2):
        raise DrepanoError(
            f"num_classes={num_classes}: needs at least 2, the background and one class of cells"
        )
    known = [option for option in signature(_NETWORKS[name]).parameters if option != "num_classes"]
    for option in options:
        if option not in known:
            raise DrepanoError(f"network {name!r}: has no option {option}; it has {', '.join(known)}")
    _check_values(options)
    try:
        return _NETWORKS[name](num_classes=num_classes, **options)
    except KeyError as error:  # segmentation-models-pytorch's for an encoder
        raise DrepanoError(f"network {name!r}: {error.args[0]}") from error


def _check_values(options: dict[str, Any]) -> None:
    for option in ("width", "in_channels"):
        value = options.get(option, 1)
        if not (isinstance(value, int) and value >= 1):
            raise DrepanoError(f"{option}={value}: needs a whole number of at least 1")
    for option in ("pretrained", "frozen_offsets"):
        value = options.get(option, False)
        if not isinstance(value, bool):
            raise DrepanoError(f"{option}={value}: needs true or false")
    scope = options.get("scope", 0.0)
    if not (isinstance(scope, int | float) and isfinite(scope) and scope >= 0):
        raise DrepanoError(f"scope={scope}: needs a number of pixels of at least 0")
