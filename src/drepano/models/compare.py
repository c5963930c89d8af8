"""Networks to compare with: PSPNet and DeepLabV3+ from segmentation-models-pytorch (extra ``compare``), and
nnU-Net's architecture from MONAI."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from drepano.errors import DrepanoError, first_line

_WEIGHTS = "imagenet"
_DYNUNET_LEVELS = 5
_PRETRAINED_NETWORKS = ("pspnet", "deeplabv3plus")
_STAGES_BELOW = ("layer3", "layer4")
"""Of a ResNet, below an eighth of the image's side."""


class _AnySize(nn.Module):
    """Pads the input to a multiple of the stride, and to a smallest side, and crops the output back.

    Parameters
    ----------
    network : torch.nn.Module
    stride : int
        What `network` needs height and width to be a multiple of.
    smallest : int
        Shortest side that `network` can compute; a multiple of `stride`.
    """

    def __init__(self, network: nn.Module, stride: int, smallest: int) -> None:
        super().__init__()
        self.network = network
        self.stride = stride
        self._smallest = smallest

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        right, below = (max(-side % self.stride, self._smallest - side) for side in (width, height))
        padded = F.pad(image, (0, right, 0, below), mode="replicate")
        logits: Tensor = self.network(padded)
        return logits[..., :height, :width]


def _library() -> Any:
    try:
        import segmentation_models_pytorch
    except (ImportError, RuntimeError) as error:
        raise DrepanoError(
            f"PSPNet and DeepLabV3+ need segmentation-models-pytorch and a torchvision that fits this torch "
            f"({error}); install them with: pip install 'drepano[compare]'"
        ) from error
    return segmentation_models_pytorch


def check_installed(network: str) -> None:
    """See that the library of that network is there, before anything is begun.

    Raises
    ------
    DrepanoError
        If the extra is not installed.
    """
    if network in _PRETRAINED_NETWORKS:
        _library()


def create_pspnet(
    num_classes: int, encoder: str = "resnet34", in_channels: int = 3, pretrained: bool = False
) -> nn.Module:
    """PSPNet (Zhao et al. 2017) over the first three stages of a ResNet encoder, to an eighth of the side.

    That is the default of segmentation-models-pytorch, which keeps two more stages that it never computes;
    they are left out here, and passed over in files written by versions before 0.10.

    Parameters
    ----------
    num_classes, in_channels : int
        Channels of the output and the input.
    encoder : str
        Name in segmentation-models-pytorch.
    pretrained : bool
        Whether the encoder begins with weights learned on ImageNet. They are downloaded by
        segmentation-models-pytorch from its collection ``smp-hub`` on huggingface.co, into the cache of
        huggingface_hub, where they stay; `download_notice` says so beforehand. For resnet34 they are
        torchvision's. Images are normalised as for all networks here, by the field's own background and not
        by ImageNet's mean; a grey level counts about the same (1/64 here, 1/57 there).

    Raises
    ------
    DrepanoError
        If the extra is not installed, there are no such weights, or they cannot be downloaded.
    """
    network = _create(_library().PSPNet, num_classes, encoder, in_channels, pretrained)
    for stage in _STAGES_BELOW:
        if hasattr(network.network.encoder, stage):
            delattr(network.network.encoder, stage)
    network.register_load_state_dict_pre_hook(_pass_over_stages_below)
    return network


def _pass_over_stages_below(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
    of_stages = tuple(f"{prefix}network.encoder.{stage}." for stage in _STAGES_BELOW)
    for name in [name for name in state if name.startswith(of_stages)]:
        del state[name]


def create_deeplabv3plus(
    num_classes: int, encoder: str = "resnet34", in_channels: int = 3, pretrained: bool = False
) -> nn.Module:
    """DeepLabV3+ (Chen et al. 2018) over a ResNet encoder; parameters as in `create_pspnet`."""
    return _create(_library().DeepLabV3Plus, num_classes, encoder, in_channels, pretrained)


def create_dynunet(num_classes: int, width: int = 32, in_channels: int = 3) -> nn.Module:
    """The U-Net that nnU-Net (Isensee et al. 2021) plans in 2D, as MONAI's DynUNet.

    Five levels of two 3x3 convolutions with instance normalisation and leaky ReLU, strided convolutions
    between them. Without deep supervision, so that the loss is that of all networks here.

    Parameters
    ----------
    num_classes, in_channels : int
        Channels of the output and the input.
    width : int
        Channels of the first level, doubled at each level below.
    """
    from monai.networks.nets import DynUNet

    below = [2] * (_DYNUNET_LEVELS - 1)
    network = DynUNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=num_classes,
        kernel_size=[3] * _DYNUNET_LEVELS,
        strides=[1, *below],
        upsample_kernel_size=below,
        filters=[width * 2**level for level in range(_DYNUNET_LEVELS)],
    )
    # MONAI registers every block twice; a weights file has each tensor once.
    for twin in ("input_block", "downsamples", "bottleneck", "upsamples"):
        delattr(network, twin)
    stride = 2 ** len(below)
    # Instance normalisation needs more than one pixel at the bottom.
    return _AnySize(network, stride, smallest=2 * stride)


def download_notice(name: str, options: dict[str, Any]) -> str | None:
    """What to tell the user before `drepano.models.create` is called: that it will download weights.

    Parameters
    ----------
    name : str
        Of a network.
    options : dict
        Its options.

    Returns
    -------
    str or None
        One line; None where nothing is downloaded.

    Raises
    ------
    DrepanoError
        If the extra is not installed, or there are no weights for that encoder.
    """
    if name not in _PRETRAINED_NETWORKS or not options.get("pretrained", False):
        return None
    encoder = options.get("encoder", "resnet34")
    source = _weights_source(encoder)
    return (
        f"{name}: the encoder {encoder} begins with ImageNet weights, downloaded from "
        f"huggingface.co/{source} unless they are in the cache already"
    )


def _create(network: Any, num_classes: int, encoder: str, in_channels: int, pretrained: bool) -> _AnySize:
    options = {"in_channels": in_channels, "classes": num_classes}
    if not pretrained:
        return _AnySize(network(encoder, encoder_weights=None, **options), stride=32, smallest=32)
    source = _weights_source(encoder)
    try:
        made = network(encoder, encoder_weights=_WEIGHTS, **options)
    except Exception as error:  # of many kinds: no network, no such file, disk full
        raise DrepanoError(
            f"the ImageNet weights of {encoder} cannot be had from huggingface.co/{source} "
            f"({first_line(error)}); connect to the internet once, or train with pretrained=False"
        ) from error
    return _AnySize(made, stride=32, smallest=32)


def _weights_source(encoder: str) -> str:
    """Repository on huggingface.co that has the encoder's ImageNet weights."""
    known = _library().encoders.encoders
    try:
        source: str = known[encoder]["pretrained_settings"][_WEIGHTS]["repo_id"]
    except KeyError as error:
        raise DrepanoError(
            f"encoder {encoder!r}: segmentation-models-pytorch has no ImageNet weights for it; "
            "take another one, such as resnet34, or pretrained=False"
        ) from error
    return source
