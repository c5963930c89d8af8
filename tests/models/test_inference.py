"""Networks made for prediction: the same logits without the steps that training needs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from drepano.models import create, for_inference
from drepano.ops import DeformableConv2d


def image(height=40, width=56, channels=3, batch=2):
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


def as_trained(network, seed=0):
    """As after training: statistics, scales and shifts of every layer differ, and offsets are not zero."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.data.uniform_(low, high, generator=generator)

    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            if module.running_mean is not None:
                uniform(module.running_mean, -0.5, 0.5)
                uniform(module.running_var, 0.1, 2.0)
            if module.affine:
                uniform(module.weight, -1.5, 1.5)
                uniform(module.bias, -0.5, 0.5)
        if isinstance(module, DeformableConv2d):
            uniform(module.offset.weight, -0.3, 0.3)
    return network.eval()


def kinds(network):
    return [type(module) for module in network.modules()]


@torch.no_grad()
def assert_same_logits(network, x=None):
    """But for rounding; and the same classes wherever two are not equally probable but for rounding."""
    x = image() if x is None else x
    expected, logits = network(x), for_inference(network)(x)
    tolerance = 1e-5 * expected.abs().max().item()
    assert logits.shape == expected.shape
    assert (logits - expected).abs().max().item() <= tolerance
    if expected.shape[1] > 1:
        best, second = expected.topk(2, dim=1).values.unbind(1)
        clear = best - second > 2 * tolerance
        assert clear.float().mean() > 0.99
        assert (logits.argmax(1) == expected.argmax(1))[clear].all()


@pytest.fixture(params=["unet", "dunet"])
def network(request):
    torch.manual_seed(0)
    return as_trained(create(request.param, width=4))


class TestUNetAndDUNet:
    @pytest.mark.parametrize("size", [(40, 56), (1, 1), (1, 40), (33, 61)])
    def test_logits_and_classes_are_the_same(self, network, size):
        assert_same_logits(network, image(*size))

    @pytest.mark.parametrize(
        "options", [{"scope": 7.0}, {"scope": 0.0}, {"width": 1}, {"width": 10}], ids=str
    )
    def test_whatever_the_options(self, options):
        torch.manual_seed(0)
        assert_same_logits(as_trained(create("dunet", **options)))

    def test_in_float64_they_are_the_same_to_the_last_digits(self, network):
        network.double()
        with torch.no_grad():
            x = image().double()
            torch.testing.assert_close(for_inference(network)(x), network(x), rtol=1e-11, atol=1e-11)

    def test_images_with_channels_last_in_memory_give_the_same(self, network):
        assert_same_logits(network, image().contiguous(memory_format=torch.channels_last))

    def test_no_batch_normalisation_is_left(self, network):
        assert nn.BatchNorm2d in kinds(network)
        assert nn.BatchNorm2d not in kinds(for_inference(network))

    def test_every_relu_behind_a_deformable_layer_is_part_of_it(self):
        folded = for_inference(create("dunet", width=2))
        relus = [module.relu for module in folded.modules() if isinstance(module, DeformableConv2d)]
        assert relus == 13 * [True] + [False]
        # Those behind the three transposed convolutions.
        assert kinds(folded).count(nn.ReLU) == 3

    def test_plain_convolutions_keep_theirs(self):
        network = create("unet", width=2)
        assert kinds(for_inference(network)).count(nn.ReLU) == kinds(network).count(nn.ReLU)

    def test_weights_are_channels_last(self, network):
        weights = [p for p in for_inference(network).parameters() if p.dim() == 4]
        assert weights
        assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)

    def test_made_twice_it_is_the_same(self, network):
        once = for_inference(network)
        twice = for_inference(once)
        assert kinds(once) == kinds(twice)
        with torch.no_grad():
            assert torch.equal(once(image()), twice(image()))

    def test_what_they_know_of_themselves_is_kept(self, network):
        assert for_inference(network).reach == network.reach


class TestTheCopy:
    @pytest.mark.parametrize("training", [True, False])
    def test_leaves_the_original_as_it_is(self, network, training):
        network.train(training)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        modules = kinds(network)
        for_inference(network)(image())
        after = network.state_dict()
        assert after.keys() == before.keys()
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert kinds(network) == modules
        assert {module.training for module in network.modules()} == {training}
        assert all(parameter.requires_grad for parameter in network.parameters())
        assert not any(module.relu for module in network.modules() if isinstance(module, DeformableConv2d))

    def test_is_not_changed_by_training_of_the_original(self, network):
        folded = for_inference(network)
        before = folded(image())
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                tensor += 1
        assert torch.equal(folded(image()), before)

    def test_needs_no_gradients_and_is_not_in_training(self, network):
        folded = for_inference(network.train())
        assert not any(m.training for m in folded.modules() if not isinstance(m, nn.Identity))
        assert not any(parameter.requires_grad for parameter in folded.parameters())
        assert not folded(image()).requires_grad


class TestOtherNetworks:
    """What is not a convolution and its batch normalisation in one ``nn.Sequential`` stays as it is."""

    def check(self, *layers, channels=3):
        torch.manual_seed(0)
        network = as_trained(nn.Sequential(*layers))
        assert_same_logits(network, image(channels=channels))
        return for_inference(network)

    def test_without_sequence_or_batch_normalisation(self):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 5, 3)
        assert_same_logits(convolution)
        assert kinds(for_inference(convolution)) == [nn.Conv2d]

    @pytest.mark.parametrize(
        "convolution",
        [
            nn.Conv2d(3, 8, 3),
            nn.Conv2d(3, 8, 3, bias=False, stride=2, padding=1),
            nn.Conv2d(3, 6, 3, groups=3),
            nn.ConvTranspose2d(3, 8, 3, stride=2),
            nn.ConvTranspose2d(3, 8, 3, bias=False),
            DeformableConv2d(3, 8),
            DeformableConv2d(3, 8, bias=True, scope=0.5),
        ],
        ids=str,
    )
    def test_each_kind_of_convolution_with_its_batch_normalisation(self, convolution):
        channels = 6 if getattr(convolution, "groups", 1) == 3 else 8
        folded = self.check(convolution, nn.BatchNorm2d(channels))
        assert nn.BatchNorm2d not in kinds(folded)

    def test_transposed_convolution_in_groups(self):
        self.check(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), channels=4)

    @pytest.mark.parametrize("options", [{"affine": False}, {"momentum": None}, {"eps": 0.1}], ids=str)
    def test_batch_normalisation_of_any_kind(self, options):
        folded = self.check(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, **options), nn.ReLU())
        assert nn.BatchNorm2d not in kinds(folded)

    def test_batch_normalisation_without_running_statistics_stays(self):
        """It takes the statistics of the image at hand, which no weight can stand for."""
        folded = self.check(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, track_running_stats=False))
        assert kinds(folded).count(nn.BatchNorm2d) == 1

    def test_batch_normalisation_before_the_convolution_stays(self):
        folded = self.check(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 3))
        assert kinds(folded).count(nn.BatchNorm2d) == 1

    def test_what_stands_between_keeps_them_apart(self):
        folded = self.check(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.BatchNorm2d(5))
        assert kinds(folded).count(nn.BatchNorm2d) == 1

    def test_a_second_batch_normalisation_stays(self):
        folded = self.check(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.BatchNorm2d(5))
        assert kinds(folded).count(nn.BatchNorm2d) <= 1

    def test_relu_behind_a_deformable_layer_without_batch_normalisation(self):
        folded = self.check(DeformableConv2d(3, 5), nn.ReLU(), nn.Conv2d(5, 5, 1))
        assert nn.ReLU not in kinds(folded)

    def test_other_activations_behind_a_deformable_layer_stay(self):
        for activation in (nn.LeakyReLU(), nn.ReLU6(), nn.GELU()):
            folded = self.check(DeformableConv2d(3, 5), nn.BatchNorm2d(5), activation)
            assert type(activation) in kinds(folded)

    def test_a_sequence_with_a_way_of_its_own(self):
        """A subclass may use what comes out of its convolution twice."""

        class Residual(nn.Sequential):
            def forward(self, x):
                plain = self[0](x)
                return plain + self[1](plain)

        torch.manual_seed(0)
        assert_same_logits(as_trained(nn.Sequential(Residual(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)))))

    def test_an_activation_that_stands_in_several_places(self):
        """Between the second convolution and the batch normalisation it stands too."""
        relu = nn.ReLU()
        layers = nn.Conv2d(3, 5, 3), relu, nn.Conv2d(5, 5, 3), relu, nn.BatchNorm2d(5)
        assert nn.BatchNorm2d in kinds(self.check(*layers))
        layers = DeformableConv2d(3, 5), relu, DeformableConv2d(5, 5), relu, nn.Conv2d(5, 5, 1)
        self.check(*layers)

    def test_a_convolution_that_stands_in_several_places(self):
        torch.manual_seed(0)
        shared = nn.Conv2d(3, 3, 3, padding=1)
        assert_same_logits(
            as_trained(
                nn.Sequential(
                    nn.Sequential(shared, nn.BatchNorm2d(3)), nn.Sequential(shared, nn.BatchNorm2d(3))
                )
            )
        )


@pytest.mark.parametrize("name", ["pspnet", "deeplabv3plus"])
def test_networks_of_the_optional_package_give_the_same_logits(name):
    try:
        import segmentation_models_pytorch  # noqa: F401
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"segmentation-models-pytorch cannot be imported here: {error}")
    torch.manual_seed(0)
    network = as_trained(create(name, num_classes=3, encoder="resnet18"))
    assert_same_logits(network, image(64, 96))
