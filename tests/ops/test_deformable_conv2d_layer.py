"""The layer of dU-Net: a plain convolution at first, that learns where to sample."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from drepano.ops import DeformableConv2d, deform_conv2d


def image(channels=3, size=(9, 11)):
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def trained():
    """A layer whose offsets are not zero."""
    torch.manual_seed(0)
    layer = DeformableConv2d(3, 5, scope=1.5, bias=True)
    torch.nn.init.normal_(layer.offset.weight)
    return layer


@pytest.mark.parametrize("bias", [False, True])
def test_a_new_layer_is_exactly_a_plain_convolution(bias):
    layer = DeformableConv2d(3, 5, bias=bias)
    plain = F.conv2d(image(), layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(image()), plain)
    assert (layer.bounded_offset(image()) == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (9, 11)])
def test_height_and_width_are_kept(trained, size):
    assert trained(image(size=size)).shape == (2, 5, *size)


@pytest.mark.parametrize(
    ("bias", "expected"), [(False, 3 * 5 * 9 + 3 * 18 * 9), (True, 3 * 5 * 9 + 3 * 18 * 9 + 5)]
)
def test_its_parameters_are_kernel_offset_kernel_and_bias(bias, expected):
    layer = DeformableConv2d(3, 5, bias=bias)
    assert sum(parameter.numel() for parameter in layer.parameters()) == expected
    assert dict(layer.named_parameters()).keys() == {"weight", "offset.weight", *(["bias"] if bias else [])}
    assert (layer.offset.weight == 0).all()


def test_it_begins_like_a_plain_layer_of_the_same_kind():
    """The kernel has PyTorch's own initialisation: uniform within 1 / sqrt(fan in)."""
    weight = DeformableConv2d(16, 64).weight
    bound = 1 / (16 * 9) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_offsets_are_bounded_whatever_the_input(trained):
    offset = trained.bounded_offset(image() * 1e4)
    assert offset.shape == (2, 18, 9, 11)
    assert offset.abs().max() <= 1
    assert offset.abs().max() > 0.99


def test_it_is_the_operator_with_scope_times_tanh(trained):
    x = image()
    offset = 1.5 * torch.tanh(F.conv2d(x, trained.offset.weight, padding=1))
    torch.testing.assert_close(trained(x), deform_conv2d(x, offset, trained.weight, trained.bias, padding=1))


@pytest.mark.parametrize("scope", [0.5, 2.0, 3.5])
def test_an_output_row_reads_only_rows_within_the_scope(scope):
    torch.manual_seed(1)
    layer = DeformableConv2d(1, 1, scope=scope)
    torch.nn.init.normal_(layer.offset.weight, std=50)
    x = torch.randn(1, 1, 31, 7, requires_grad=True)
    layer(x)[0, 0, 15].sum().backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero()
    furthest = (rows - 15).abs().max().item()
    assert 1 <= furthest <= 1 + -(-scope // 1)


def test_a_scope_of_zero_leaves_a_plain_convolution():
    layer = DeformableConv2d(3, 5, scope=0.0)
    torch.nn.init.normal_(layer.offset.weight)
    torch.testing.assert_close(layer(image()), F.conv2d(image(), layer.weight, padding=1))


def test_the_gradient_reaches_the_offsets_of_a_new_layer():
    torch.manual_seed(0)
    layer = DeformableConv2d(3, 5)
    layer(image()).square().sum().backward()
    assert layer.offset.weight.grad.abs().max() > 0
    assert layer.weight.grad.abs().max() > 0


def test_training_moves_the_sampling_towards_the_answer():
    """With a kernel that copies its centre, a target shifted right by a pixel can only be met by offsets."""
    layer = DeformableConv2d(2, 1, scope=2.0)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 1, 1] = 1
    layer.weight.requires_grad_(False)
    ramp = torch.arange(16.0).expand(1, 1, 12, 16)
    x = torch.cat([ramp, torch.ones_like(ramp)], dim=1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3)
    losses = []
    for _ in range(60):
        loss = F.mse_loss(layer(x)[..., 2:-2, 2:-3], ramp[..., 2:-2, 3:-2])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(1.0)
    assert losses[-1] < 0.1


def test_it_says_what_it_is():
    assert "3, 5, scope=1.5" in repr(DeformableConv2d(3, 5, scope=1.5))
