"""The networks: their parameters as in the table of the method, any size of image, any number of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from drepano.datasets import FieldDataset, FieldSource
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.models import NETWORK_NAMES, create, load_network
from drepano.taxonomy import BINARY
from drepano.training import fit, make_config


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def random_image(height, width, batch=1):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def network_with_offsets(name, **options):
    """In evaluation mode; the offsets of a dU-Net are not zero, the batch norms not trivial."""
    torch.manual_seed(0)
    network = create(name, **options).eval()
    for module in network.modules():
        if hasattr(module, "offset"):
            torch.nn.init.normal_(module.offset.weight, std=0.1)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.weight.data.uniform_(0.5, 1.5)
    return network


class TestParameters:
    @pytest.mark.parametrize(
        ("name", "classes", "width", "expected"),
        [
            ("unet", 2, 8, 97_818),
            ("unet", 5, 8, 98_037),
            ("dunet", 2, 8, 154_032),
            ("dunet", 5, 8, 154_251),
            ("unet", 5, 10, 152_785),
        ],
    )
    def test_in_all(self, name, classes, width, expected):
        assert parameters(create(name, num_classes=classes, width=width)) == expected

    def test_width_eight_five_classes_and_scope_two_are_the_defaults(self):
        assert parameters(create("dunet")) == 154_251
        assert {module.scope for module in create("dunet").modules() if hasattr(module, "scope")} == {2.0}

    def test_all_offset_convolutions_together(self):
        assert parameters(create("dunet")) - parameters(create("unet")) == 56_214

    # layer: the block and where in it, its convolution, offset convolution, and batch norm or bias
    table = pytest.mark.parametrize(
        ("block", "place", "convolution", "offset", "norm"),
        [
            pytest.param("encoder1", 0, 216, 486, 16, id="E1.1"),
            pytest.param("encoder1", 3, 576, 1296, 16, id="E1.2"),
            pytest.param("encoder2", 0, 1152, 1296, 32, id="E2.1"),
            pytest.param("encoder2", 3, 2304, 2592, 32, id="E2.2"),
            pytest.param("encoder3", 0, 4608, 2592, 64, id="E3.1"),
            pytest.param("encoder3", 3, 9216, 5184, 64, id="E3.2"),
            pytest.param("bottleneck", 0, 18432, 5184, 128, id="B.1"),
            pytest.param("bottleneck", 3, 18432, 10368, 64, id="B.2"),
            pytest.param("up3", 0, 9216, None, 64, id="D3.up"),
            pytest.param("decoder3", 0, 18432, 10368, 64, id="D3.1"),
            pytest.param("decoder3", 3, 4608, 5184, 32, id="D3.2"),
            pytest.param("up2", 0, 2304, None, 32, id="D2.up"),
            pytest.param("decoder2", 0, 4608, 5184, 32, id="D2.1"),
            pytest.param("decoder2", 3, 1152, 2592, 16, id="D2.2"),
            pytest.param("up1", 0, 576, None, 16, id="D1.up"),
            pytest.param("decoder1", 0, 1152, 2592, 16, id="D1.1"),
            pytest.param("decoder1", 3, 72 * 5, 1296, 5, id="D1.2"),
        ],
    )

    @table
    @pytest.mark.parametrize("name", ["unet", "dunet"])
    def test_layer_by_layer(self, name, block, place, convolution, offset, norm):
        layers = getattr(create(name, num_classes=5, width=8), block)
        layer = layers[place]
        assert layer.weight.numel() == convolution
        if name == "dunet" and offset is not None:
            assert layer.offset.weight.numel() == offset
            assert layer.offset.bias is None
        else:
            assert not hasattr(layer, "offset")
        is_last = (block, place) == ("decoder1", 3)
        if is_last:
            assert layer.bias.numel() == norm
            assert len(layers) == place + 1
        else:
            assert layer.bias is None
            assert isinstance(layers[place + 1], torch.nn.BatchNorm2d)
            assert parameters(layers[place + 1]) == norm
            assert isinstance(layers[place + 2], torch.nn.ReLU)

    def test_the_table_is_the_whole_network(self):
        rows = [mark.values for mark in self.table.args[1]]
        assert sum(row[2] + row[4] for row in rows) == parameters(create("unet"))
        assert sum(row[2] + (row[3] or 0) + row[4] for row in rows) == parameters(create("dunet"))
        assert sum(row[3] is not None for row in rows) == 14


class TestAnySize:
    @pytest.mark.parametrize("name", ["unet", "dunet"])
    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 8), (9, 16), (61, 97), (64, 64)])
    def test_logits_come_back_in_the_size_of_the_image(self, name, size):
        network = create(name, num_classes=3, width=2).eval()
        with torch.no_grad():
            logits = network(random_image(*size))
        assert logits.shape == (1, 3, *size)
        assert logits.isfinite().all()

    @torch.no_grad()
    def test_the_papers_size(self):
        assert create("dunet", width=2).eval()(random_image(512, 512)).shape == (1, 5, 512, 512)

    @pytest.mark.parametrize("name", ["unet", "dunet"])
    @pytest.mark.parametrize("size", [(61, 97), (64, 97), (1, 1), (8, 15)])
    @torch.no_grad()
    def test_padding_is_undone(self, name, size):
        """Another size gives what the image, its last row and column repeated, gives within its bounds."""
        network = network_with_offsets(name, width=4)
        image = random_image(*size)
        padded = F.pad(image, (0, -size[1] % 8, 0, -size[0] % 8), mode="replicate")
        torch.testing.assert_close(network(image), network(padded)[..., : size[0], : size[1]])

    @torch.no_grad()
    def test_nothing_is_padded_where_the_size_fits(self, monkeypatch):
        network = network_with_offsets("unet", width=4)
        image = random_image(64, 40)
        usual = network(image)

        def pad(image, amounts, mode):
            assert set(amounts) == {0}
            return image

        monkeypatch.setattr("drepano.models.unet.F.pad", pad)
        torch.testing.assert_close(network(image), usual)

    @torch.no_grad()
    def test_images_of_a_batch_do_not_mix(self):
        network = network_with_offsets("dunet", width=2)
        images = random_image(20, 30, batch=3)
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
        torch.testing.assert_close(together, alone)


class TestOptions:
    @pytest.mark.parametrize("name", ["unet", "dunet"])
    @pytest.mark.parametrize(("width", "classes"), [(1, 2), (3, 9), (16, 4)])
    @torch.no_grad()
    def test_any_width_and_number_of_classes(self, name, width, classes):
        network = create(name, num_classes=classes, width=width).eval()
        assert network.encoder1[0].weight.shape[0] == width
        assert network(random_image(8, 8)).shape == (1, classes, 8, 8)

    @torch.no_grad()
    def test_any_number_of_channels(self):
        network = create("dunet", width=2, in_channels=1).eval()
        assert network(torch.zeros(1, 1, 9, 9)).shape == (1, 5, 9, 9)

    def test_the_scope_reaches_every_deformable_layer(self):
        layers = [m for m in create("dunet", width=1, scope=7.0).modules() if hasattr(m, "scope")]
        assert len(layers) == 14
        assert {layer.scope for layer in layers} == {7.0}

    def test_a_new_dunet_is_the_unet_with_the_same_weights(self):
        unet, dunet = network_with_offsets("unet", width=2), create("dunet", width=2).eval()
        missing, unexpected = dunet.load_state_dict(unet.state_dict(), strict=False)
        assert not unexpected
        assert all(name.endswith("offset.weight") for name in missing)
        assert len(missing) == 14
        with torch.no_grad():
            torch.testing.assert_close(dunet(random_image(33, 21)), unet(random_image(33, 21)))

    @pytest.mark.parametrize("name", ["unet", "dunet"])
    def test_every_parameter_learns(self, name):
        network = network_with_offsets(name, width=2).train()
        logits = network(random_image(33, 47, batch=2))
        F.cross_entropy(logits, torch.ones(2, 33, 47, dtype=torch.long)).backward()
        assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []

    def test_an_unknown_network_is_refused_with_the_known_ones(self):
        with pytest.raises(DrepanoError, match="network 'vnet' is unknown; use one of unet, dunet, pspnet"):
            create("vnet")
        assert NETWORK_NAMES == ("unet", "dunet", "pspnet", "deeplabv3plus", "dynunet")

    @pytest.mark.parametrize(
        ("name", "option"),
        [
            ("unet", "scope"),
            ("dunet", "depth"),
            ("pspnet", "width"),
            ("dynunet", "scope"),
        ],
    )
    def test_an_option_that_the_network_does_not_take_is_refused(self, name, option):
        with pytest.raises(DrepanoError, match=f"network '{name}': has no option {option}; it has"):
            create(name, **{option: 4})

    @pytest.mark.parametrize("classes", [1, 0, -3])
    def test_fewer_than_two_classes_are_refused(self, classes):
        with pytest.raises(DrepanoError, match=f"num_classes={classes}: needs at least 2"):
            create("unet", num_classes=classes)

    @pytest.mark.parametrize(
        "options",
        [
            {"width": 0},
            {"width": -1},
            {"width": 2.5},
            {"width": "wide"},
            {"in_channels": 0},
            {"num_classes": "5"},
            {"scope": -1.0},
            {"scope": float("nan")},
            {"scope": "far"},
            {"frozen_offsets": 1},
            {"frozen_offsets": "yes"},
            {"pretrained": "imagenet"},
        ],
        ids=str,
    )
    def test_values_that_make_no_network_are_refused(self, options):
        with pytest.raises(DrepanoError, match=str(next(iter(options)))) as error:
            create("dunet", **options)
        assert "\n" not in str(error.value)


class TestFrozenOffsets:
    """The control: a dU-Net that samples irregularly but does not learn where."""

    def offsets(self, network):
        return {name: p for name, p in network.named_parameters() if ".offset." in name}

    def test_as_many_parameters_are_trained_as_in_a_unet(self):
        assert parameters(create("dunet", num_classes=2, frozen_offsets=True)) == 97_818

    def test_its_offsets_begin_at_random_as_those_of_any_convolution(self):
        for weight in self.offsets(create("dunet", frozen_offsets=True)).values():
            bound = (weight[0].numel()) ** -0.5
            assert 0.4 * bound < weight.std() < 0.7 * bound  # uniform: 0.58
            assert weight.abs().max() <= bound

    @torch.no_grad()
    def test_it_does_not_begin_as_a_unet(self):
        torch.manual_seed(0)
        dunet, unet = create("dunet", width=2, frozen_offsets=True).eval(), create("unet", width=2).eval()
        unet.load_state_dict(dunet.state_dict(), strict=False)
        image = random_image(24, 24)
        assert (dunet(image) - unet(image)).abs().max() > 1e-3

    def test_a_usual_dunet_is_not_frozen(self):
        for weight in self.offsets(create("dunet", width=2)).values():
            assert weight.requires_grad
            assert not weight.any()

    @pytest.mark.parametrize("kernel", ["reference", "numba"])
    def test_offsets_get_no_gradient_and_all_else_does(self, monkeypatch, kernel):
        monkeypatch.setenv("DREPANO_KERNEL", kernel)
        torch.manual_seed(0)
        network = create("dunet", width=2, frozen_offsets=True).train()
        logits = network(random_image(33, 47, batch=2))
        F.cross_entropy(logits, torch.ones(2, 33, 47, dtype=torch.long)).backward()
        without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == list(self.offsets(network))

    def test_training_leaves_them_as_they_are(self, tmp_path):
        """With validation, checkpoints and all."""
        config = make_config(
            network="dunet",
            network_options={"width": 2, "frozen_offsets": True},
            steps=4,
            batch_size=2,
            crop_size=32,
            cell_diameter=14.0,
            validate_every=2,
        )
        fields = [Field(str(i), np.full((40, 40, 3), 99, np.uint8), FEW_CELLS) for i in range(3)]
        sources = tuple(FieldSource(field.id, Path(field.id)) for field in fields)
        dataset = FieldDataset(
            "toy", BINARY, sources, lambda source: fields[int(source.id)], "MIT", 14.0, "a toy"
        )
        weights = fit([dataset], config, tmp_path / "run", device="cpu")
        trained, card = load_network(weights)
        torch.manual_seed(config.seed)
        untrained = create(**card.architecture)
        for name, weight in trained.named_parameters():
            assert torch.equal(weight, untrained.get_parameter(name)) == (".offset." in name)


FEW_CELLS = np.zeros((40, 40), np.uint8)
FEW_CELLS[10:24, 12:26] = 1
