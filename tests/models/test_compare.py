"""Networks for comparison: the same contract, from other packages."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from drepano.errors import DrepanoError
from drepano.models import create, for_inference, load_network, save_model
from drepano.models.compare import download_notice

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


@pytest.mark.parametrize(("name", "count"), [("pspnet", 1_505_826), ("deeplabv3plus", 22_437_714)])
def test_every_parameter_learns(library, name, count):
    """Or a table would count what has no part in the result."""
    torch.manual_seed(0)
    network = create(name, num_classes=2).train()
    F.cross_entropy(network(torch.randn(2, 3, 64, 64)), torch.ones(2, 64, 64, dtype=torch.long)).backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_a_pspnet_of_a_version_that_kept_what_it_never_computes_is_read(library, tmp_path, make_card):
    architecture = {"name": "pspnet", "num_classes": 2, "encoder": "resnet18"}
    torch.manual_seed(0)
    network = create(**architecture).eval()
    image, path = torch.randn(1, 3, 40, 40), tmp_path / "model.safetensors"
    expected = network(image)
    whole = library.encoders.get_encoder("resnet18", weights=None)
    network.network.encoder.layer3, network.network.encoder.layer4 = whole.layer3, whole.layer4
    save_model(path, network, make_card(architecture))
    assert torch.equal(load_network(path)[0](image), expected)


def test_no_pretrained_weights_are_asked_for(library, monkeypatch):
    """A download must never be a surprise."""
    asked_for, plain = [], library.PSPNet
    monkeypatch.setattr(
        library, "PSPNet", lambda *args, **kwargs: asked_for.append(kwargs) or plain(*args, **kwargs)
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


class TestPretrained:
    """Nothing here goes to the network: the library's download is replaced."""

    @pytest.fixture
    def asked_for(self, library, monkeypatch) -> list[tuple[str, str]]:
        """Repositories and files that were downloaded; the download fails as it does without a network."""
        asked_for: list[tuple[str, str]] = []

        def download(repository, filename, revision):
            asked_for.append((repository, filename))
            raise OSError("cannot reach huggingface.co\nand more lines of advice")

        monkeypatch.setattr(library.encoders, "hf_hub_download", download)
        return asked_for

    @pytest.mark.parametrize("name", NAMES)
    def test_by_default_nothing_is_downloaded(self, asked_for, name):
        create(name, encoder="resnet18")
        create(name, encoder="resnet18", pretrained=False)
        assert not asked_for

    @pytest.mark.parametrize("name", NAMES)
    def test_a_download_that_fails_is_one_line(self, asked_for, name):
        with pytest.raises(DrepanoError) as error:
            create(name, encoder="resnet18", pretrained=True)
        assert str(error.value) == (
            "the ImageNet weights of resnet18 cannot be had from huggingface.co/smp-hub/resnet18.imagenet "
            "(cannot reach huggingface.co); connect to the internet once, or train with pretrained=False"
        )
        assert asked_for[0][0] == "smp-hub/resnet18.imagenet"

    @pytest.mark.parametrize("name", NAMES)
    def test_the_encoder_gets_the_weights_that_were_downloaded(self, library, monkeypatch, tmp_path, name):
        torch.manual_seed(1)
        weights = library.encoders.get_encoder("resnet18", weights=None).state_dict()
        file = tmp_path / "model.safetensors"
        save_file(weights, file)
        monkeypatch.setattr(library.encoders, "hf_hub_download", lambda *_, **__: str(file))
        torch.manual_seed(2)
        encoder = create(name, encoder="resnet18", pretrained=True).network.encoder
        for key, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, weights[key])

    @pytest.mark.parametrize("name", NAMES)
    def test_a_trained_network_is_loaded_without_a_download(self, asked_for, tmp_path, name, make_card):
        architecture = {"name": name, "num_classes": 2, "encoder": "resnet18"}
        network = create(**architecture)
        path = tmp_path / "model.safetensors"
        save_model(path, network, make_card(architecture | {"pretrained": True}))
        loaded, card = load_network(path)
        assert not asked_for
        assert card.architecture["pretrained"] is True
        for key, tensor in loaded.state_dict().items():
            assert torch.equal(tensor, network.state_dict()[key])

    @pytest.mark.parametrize("name", NAMES)
    def test_an_encoder_without_such_weights_is_refused(self, asked_for, name):
        for use in (
            lambda options: create(name, **options),
            lambda options: download_notice(name, options),
        ):
            with pytest.raises(DrepanoError, match=r"encoder 'nonsense': .* no ImageNet weights") as error:
                use({"encoder": "nonsense", "pretrained": True})
            assert "\n" not in str(error.value)
        assert not asked_for

    @pytest.mark.parametrize("name", NAMES)
    def test_the_user_can_be_told_before(self, asked_for, name):
        notice = download_notice(name, {"pretrained": True})
        assert notice == (
            f"{name}: the encoder resnet34 begins with ImageNet weights, downloaded from "
            "huggingface.co/smp-hub/resnet34.imagenet unless they are in the cache already"
        )
        assert not asked_for

    @pytest.mark.parametrize(
        ("name", "options"),
        [("pspnet", {}), ("deeplabv3plus", {"pretrained": False}), ("unet", {}), ("dynunet", {"width": 4})],
    )
    def test_there_is_nothing_to_tell_where_nothing_is_downloaded(self, monkeypatch, name, options):
        monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
        assert download_notice(name, options) is None


class TestDynUNet:
    @torch.no_grad()
    def test_logits_come_back_in_the_size_of_the_image(self):
        torch.manual_seed(0)
        network = create("dynunet", num_classes=3, width=2).eval()
        for size in ((1, 1), (16, 16), (33, 70), (64, 64)):
            logits = network(torch.randn(1, 3, *size))
            assert logits.shape == (1, 3, *size)
            assert logits.isfinite().all()

    def test_five_levels_from_32_channels_on_are_the_default(self):
        network = create("dynunet", num_classes=2)
        assert sum(parameter.numel() for parameter in network.parameters()) == 7_762_594
        assert network.stride == 16

    def test_logits_alone_come_out_in_training_too(self):
        torch.manual_seed(0)
        network = create("dynunet", num_classes=2, width=2).train()
        logits = network(torch.randn(2, 3, 16, 16))
        assert logits.shape == (2, 2, 16, 16)
        F.cross_entropy(logits, torch.ones(2, 16, 16, dtype=torch.long)).backward()
        assert [name for name, p in network.named_parameters() if p.grad is None] == []

    def test_it_comes_back_from_its_weights_file(self, tmp_path, make_card):
        torch.manual_seed(0)
        architecture = {"name": "dynunet", "num_classes": 2, "width": 2}
        network = create(**architecture).eval()
        path = tmp_path / "model.safetensors"
        save_model(path, network, make_card(architecture))
        image = torch.randn(1, 3, 20, 40)
        with torch.no_grad():
            expected = network(image)
            assert torch.equal(load_network(path)[0](image), expected)
            torch.testing.assert_close(for_inference(network)(image), expected)

    @pytest.mark.parametrize("width", [0, 2.5])
    def test_a_width_that_makes_no_network_is_refused(self, width):
        with pytest.raises(DrepanoError, match=f"width={width}"):
            create("dynunet", width=width)
