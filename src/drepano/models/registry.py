"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from drepano.errors import DrepanoError
from drepano.models.compare import create_deeplabv3plus, create_pspnet
from drepano.models.unet import DUNet, UNet

_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "unet": UNet,
    "dunet": DUNet,
    "pspnet": create_pspnet,
    "deeplabv3plus": create_deeplabv3plus,
}

NETWORK_NAMES = tuple(_NETWORKS)


def create(name: str, num_classes: int = 5, **options: Any) -> nn.Module:
    """A new network with random weights.

    Parameters
    ----------
    name : str
        "unet" or "dunet"; with the extra ``compare`` also "pspnet" or "deeplabv3plus".
    num_classes : int
        Channels of the output, background included.
    **options
        What the network takes besides: ``width`` (8) and ``in_channels`` (3) for "unet" and "dunet",
        ``scope`` (2.0) for "dunet", ``encoder`` ("resnet34") for the other two.

    Returns
    -------
    torch.nn.Module
        Maps (N, 3, H, W) float images of any size to (N, num_classes, H, W) logits.

    Raises
    ------
    DrepanoError
        If there is no network of that name, it takes no such option, or its extra is not installed.
    """
    if name not in _NETWORKS:
        raise DrepanoError(f"network {name!r} is unknown; use one of {', '.join(_NETWORKS)}")
    if num_classes < 2:
        raise DrepanoError(
            f"num_classes={num_classes}: needs at least 2, the background and one class of cells"
        )
    try:
        return _NETWORKS[name](num_classes=num_classes, **options)
    except TypeError as error:
        raise DrepanoError(f"network {name!r}: {error}; see drepano.models.create for its options") from error
