"""PSPNet and DeepLabV3+ from segmentation-models-pytorch, for comparison (extra ``compare``)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from drepano.errors import DrepanoError


class _AnySize(nn.Module):
    """Pads the input to a multiple of the encoder's stride and crops the output back."""

    stride = 32

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
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


def create_pspnet(num_classes: int, encoder: str = "resnet34", in_channels: int = 3) -> nn.Module:
    """PSPNet (Zhao et al. 2017) over a ResNet encoder without pretrained weights."""
    network = _library().PSPNet(encoder, encoder_weights=None, in_channels=in_channels, classes=num_classes)
    return _AnySize(network)


def create_deeplabv3plus(num_classes: int, encoder: str = "resnet34", in_channels: int = 3) -> nn.Module:
    """DeepLabV3+ (Chen et al. 2018) over a ResNet encoder without pretrained weights."""
    network = _library().DeepLabV3Plus(
        encoder, encoder_weights=None, in_channels=in_channels, classes=num_classes
    )
    return _AnySize(network)
