"""The methods of a comparison behind one interface: fit on fields, segment a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drepano.errors import DrepanoError
from drepano.methods.ilastik import Ilastik
from drepano.methods.method import Method, TrainedMethod
from drepano.methods.network import Budget, NetworkMethod
from drepano.methods.pixel_forest import PixelForest
from drepano.methods.region_growing import RegionGrowing
from drepano.models.compare import check_installed, download_notice
from drepano.training import make_config

__all__ = [
    "METHODS",
    "Budget",
    "Method",
    "TrainedMethod",
    "create_method",
    "download_notices",
    "is_network",
    "is_random",
]

# What is not as in the budget and its preset.
_NETWORKS: dict[str, dict[str, Any]] = {
    "dunet": {"network": "dunet"},
    "unet": {"network": "unet"},
    "pspnet": {"network": "pspnet"},
    "deeplabv3plus": {"network": "deeplabv3plus"},
    "pspnet-imagenet": {"network": "pspnet", "network_options": {"pretrained": True}},
    "deeplabv3plus-imagenet": {"network": "deeplabv3plus", "network_options": {"pretrained": True}},
    # Controls: as many parameters as dU-Net; many more; no shifts; shifts that are not learned; nnU-Net's
    # architecture.
    "unet-width-10": {"network": "unet", "network_options": {"width": 10}},
    "unet-width-32": {"network": "unet", "network_options": {"width": 32}},
    "dunet-scope-0": {"network": "dunet", "network_options": {"scope": 0.0}},
    "dunet-frozen": {"network": "dunet", "network_options": {"frozen_offsets": True}},
    "dynunet": {"network": "dynunet"},
    # One thing changed at a time, to find the best dU-Net.
    "dunet-scope-1": {"network": "dunet", "network_options": {"scope": 1.0}},
    "dunet-scope-4": {"network": "dunet", "network_options": {"scope": 4.0}},
    "dunet-scope-7": {"network": "dunet", "network_options": {"scope": 7.0}},
    "dunet-width-16": {"network": "dunet", "network_options": {"width": 16}},
    "dunet-contrast-kept": {"network": "dunet", "normalisation": "background"},
    "dunet-cross-entropy": {"network": "dunet", "loss": "ce"},
    "dunet-weighted-cross-entropy": {"network": "dunet", "loss": "weighted-ce"},
    "dunet-unaugmented": {"network": "dunet", "augment": False},
    "dunet-touching-20": {"network": "dunet", "touching_weight": 20.0},
    "dunet-full-rate": {"network": "dunet", "offset_learning_rate": 1.0},
}

_WITHOUT_CHANCE = ("ilastik",)

METHODS: dict[str, str] = {
    "dunet": "dU-Net",
    "unet": "U-Net",
    "pspnet": "PSPNet",
    "deeplabv3plus": "DeepLabV3+",
    "region-growing": "region growing",
    "pixel-forest": "pixel forest (ilastik's features)",
    "ilastik": "ilastik",
    "unet-width-10": "U-Net, width 10",
    "unet-width-32": "U-Net, width 32",
    "dunet-scope-0": "dU-Net, scope 0",
    "dunet-frozen": "dU-Net, frozen offsets",
    "dynunet": "DynUNet (nnU-Net)",
    "dunet-scope-1": "dU-Net, scope 1",
    "dunet-scope-4": "dU-Net, scope 4",
    "dunet-scope-7": "dU-Net, scope 7",
    "dunet-width-16": "dU-Net, width 16",
    "dunet-contrast-kept": "dU-Net, contrast kept",
    "dunet-cross-entropy": "dU-Net, cross-entropy only",
    "dunet-weighted-cross-entropy": "dU-Net, weighted cross-entropy",
    "dunet-unaugmented": "dU-Net, no augmentation",
    "dunet-touching-20": "dU-Net, weight 20 between cells",
    "dunet-full-rate": "dU-Net, full rate for shifts",
    "pspnet-imagenet": "PSPNet, ImageNet",
    "deeplabv3plus-imagenet": "DeepLabV3+, ImageNet",
}
"""What a method is called on the command line, and in tables."""


def create_method(name: str, budget: Budget, ilastik_project: Path | None = None) -> Method:
    """A method by its name in `METHODS`.

    Parameters
    ----------
    name : str
    budget : Budget
        Of networks.
    ilastik_project : Path, optional
        For "ilastik".

    Raises
    ------
    DrepanoError
        If there is no such method, the budget is none, what the method changes is so already, or what it
        needs is not there: a project, a program, a library.
    """
    if name in _NETWORKS:
        config = make_config(**{**asdict(budget), **_NETWORKS[name]})
        if name != config.network and config == make_config(**{**asdict(budget), "network": config.network}):
            raise DrepanoError(f"method {name}: is {config.network} itself with these settings; leave it out")
        check_installed(config.network)
        return NetworkMethod(config)
    if name == "region-growing":
        return RegionGrowing()
    if name == "pixel-forest":
        return PixelForest()
    if name == "ilastik":
        if ilastik_project is None:
            raise DrepanoError("method ilastik needs a project of yours: add --ilastik-project FILE.ilp")
        ilastik = Ilastik(ilastik_project)
        ilastik.find_program()
        return ilastik
    raise DrepanoError(f"method {name!r} is unknown; use some of {', '.join(METHODS)}")


def download_notices(names: Sequence[str]) -> list[str]:
    """What the methods called `names` will download, and from where; a line each."""
    chosen = [_NETWORKS[name] for name in names if name in _NETWORKS]
    notices = (download_notice(one["network"], one.get("network_options", {})) for one in chosen)
    return [notice for notice in notices if notice is not None]


def is_network(name: str) -> bool:
    """Whether the method called `name` trains a network, with the budget of the comparison."""
    return name in _NETWORKS


def is_random(name: str) -> bool:
    """Whether what the method called `name` learns depends on the seed; else a second one repeats it."""
    return name not in _WITHOUT_CHANCE
