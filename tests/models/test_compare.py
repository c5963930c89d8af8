"""PSPNet and DeepLabV3+, for comparison: the same contract, from an optional package."""

from __future__ import annotations

import sys

import pytest
import torch

from drepano.errors import DrepanoError
from drepano.models import create

NAMES = ("pspnet", "deeplabv3plus")


@pytest.fixture
def library():
    try:
        import segmentation_models_pytorch
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"segmentation-models-pytorch cannot be imported here: {error}")
    return segmentation_models_pytorch


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_logits_come_back_in_the_size_of_the_image(library, name):
    torch.manual_seed(0)
    network = create(name, num_classes=3, encoder="resnet18").eval()
    for size in ((1, 1), (33, 70), (64, 64)):
        logits = network(torch.randn(1, 3, *size))
        assert logits.shape == (1, 3, *size)
        assert logits.isfinite().all()


def test_no_pretrained_weights_are_asked_for(library, monkeypatch):
    """A download must never be a surprise."""
    asked_for = []
    monkeypatch.setattr(
        library, "PSPNet", lambda *args, **kwargs: asked_for.append(kwargs) or torch.nn.Identity()
    )
    create("pspnet")
    assert asked_for[0]["encoder_weights"] is None


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_encoder_is_refused_in_one_line(library, name):
    with pytest.raises(DrepanoError, match=f"network '{name}': .*`nonsense`") as error:
        create(name, encoder="nonsense")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_without_the_extra_one_line_says_what_to_install(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(DrepanoError, match=r"pip install 'drepano\[compare\]'") as error:
        create(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_torchvision_that_does_not_fit_torch_is_explained_too(monkeypatch, tmp_path, name):
    """Such a torchvision raises a RuntimeError about an operator when it is imported."""
    for module in [m for m in sys.modules if m.partition(".")[0] == "segmentation_models_pytorch"]:
        monkeypatch.delitem(sys.modules, module)
    (tmp_path / "segmentation_models_pytorch.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DrepanoError, match="operator torchvision::nms does not exist"):
        create(name)
