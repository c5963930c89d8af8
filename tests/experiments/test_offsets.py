"""Where a pixel's kernels sample: known shifts, known places in the image."""

from __future__ import annotations

import json
from math import atanh

import numpy as np
import pytest
import torch

from drepano.errors import DrepanoError
from drepano.experiments import offsets
from drepano.experiments.offsets import TAPS, sampled_positions, summarise_offsets, trace_offsets
from drepano.models import ModelCard, create

LAYERS = {
    **{"E1.1": ("encoder1", 0, 1), "E1.2": ("encoder1", 3, 1), "E2.1": ("encoder2", 0, 2)},
    **{"E2.2": ("encoder2", 3, 2), "E3.1": ("encoder3", 0, 4), "E3.2": ("encoder3", 3, 4)},
    **{"B.1": ("bottleneck", 0, 8), "B.2": ("bottleneck", 3, 8)},
    **{"D3.1": ("decoder3", 0, 4), "D3.2": ("decoder3", 3, 4), "D2.1": ("decoder2", 0, 2)},
    **{"D2.2": ("decoder2", 3, 2), "D1.1": ("decoder1", 0, 1), "D1.2": ("decoder1", 3, 1)},
}
"""Block, place in it and stride of every layer, in the order of computation."""


def card(name="dunet", cell_diameter=45):
    return ModelCard(
        name="small",
        architecture={"name": name},
        taxonomy="rbc",
        classes=["background", "cell"],
        cell_diameter=cell_diameter,
        training={},
        data=[],
        version="0",
    )


def dunet(scope=2.0, width=2):
    """A dU-Net without shifts in which every layer but the first sees nothing but ones."""
    network = create("dunet", num_classes=2, width=width, scope=scope).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.ones_(module.bias)
    return network


def with_random_offsets(scope=2.0):
    torch.manual_seed(0)
    network = create("dunet", num_classes=2, width=2, scope=scope).eval()
    for module in network.modules():
        if hasattr(module, "offset"):
            torch.nn.init.normal_(module.offset.weight, std=0.3)
    return network


def layer_of(network, name):
    block, place, _ = LAYERS[name]
    return getattr(network, block)[place]


def shift(network, name, dy, dx, channel=0):
    """Have the layer shift all its taps by (dy, dx) px for each unit of one channel of its input."""
    layer = layer_of(network, name)
    with torch.no_grad():
        layer.offset.weight[0::2, channel, 1, 1] = atanh(dy / layer.scope)
        layer.offset.weight[1::2, channel, 1, 1] = atanh(dx / layer.scope)


def grey(height=64, width=64):
    return np.full((height, width, 3), 128, np.uint8)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def trace(network, image=None, pixel=(21, 30), **options):
    return trace_offsets(network, card(), grey() if image is None else image, pixel, **options)


def grid(centre, step=1):
    """The nine positions of a regular kernel around `centre`."""
    return np.array(centre) + step * TAPS


def by_name(result):
    return {layer.name: layer for layer in result.layers}


class TestLayers:
    def test_there_are_fourteen_with_the_strides_and_channels_of_the_method(self):
        layers = trace(dunet(width=8)).layers
        assert [layer.name for layer in layers] == list(LAYERS)
        assert [layer.stride for layer in layers] == [stride for *_, stride in LAYERS.values()]
        channels = [(layer.in_channels, layer.out_channels) for layer in layers]
        assert channels[:8] == [(3, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 32)]
        assert channels[8:] == [(64, 32), (32, 16), (32, 16), (16, 8), (16, 8), (8, 2)]

    @pytest.mark.parametrize(
        ("name", "pixel", "centre"),
        [
            ("D1.2", (21, 30), (21, 30)),
            ("E2.1", (10, 15), (20.5, 30.5)),
            ("D3.2", (5, 7), (21.5, 29.5)),
            ("B.1", (2, 3), (19.5, 27.5)),
        ],
    )
    def test_a_pixel_lies_under_the_feature_maps_pixel_that_it_is_pooled_into(self, name, pixel, centre):
        """Pixel 2 at stride 8 is made of the rows 16 to 23, whose middle is 19.5."""
        layer, stride = by_name(trace(dunet()))[name], LAYERS[name][2]
        assert layer.pixel.tolist() == list(pixel)
        np.testing.assert_array_equal(layer.positions, grid(pixel))
        np.testing.assert_array_equal(layer.positions_in_image, grid(centre, stride))

    def test_zero_offset_weights_sample_exactly_the_grid_of_a_unet(self):
        torch.manual_seed(0)
        deformable = trace(create("dunet", num_classes=2, width=2).eval(), noise(40, 52))
        plain = trace(create("unet", num_classes=2, width=2).eval(), noise(40, 52))
        assert (deformable.scope, plain.scope) == (2.0, None)
        for ours, unets in zip(deformable.layers, plain.layers, strict=True):
            np.testing.assert_array_equal(ours.positions, unets.positions)
            np.testing.assert_array_equal(ours.positions_in_image, ours.grid_in_image)
            np.testing.assert_array_equal(unets.positions_in_image, ours.grid_in_image)
            assert ours.magnitudes.max() == ours.saturated_share == unets.magnitudes.max() == 0
        for composition in (*deformable.compositions, *plain.compositions):
            np.testing.assert_array_equal(composition.positions_in_image, composition.grid_in_image)

    @pytest.mark.parametrize("name", list(LAYERS)[1:])
    def test_a_known_shift_moves_this_layers_taps_only(self, name):
        network = dunet()
        shift(network, name, 1.0, -0.5)
        for layer in trace(network).layers:
            expected = (1.0, -0.5) if layer.name == name else (0, 0)
            moved = layer.positions - grid(layer.pixel)
            np.testing.assert_allclose(moved, np.tile(expected, (9, 1)), atol=1e-5)
            moved_in_image = layer.positions_in_image - layer.grid_in_image
            np.testing.assert_allclose(moved_in_image, layer.stride * moved, atol=1e-5)

    def test_the_first_layer_sees_the_image_relative_to_its_background(self):
        """One unit is 64 grey levels above the median."""
        image, network = grey(), dunet()
        image[16:24, 24:32] += 64
        shift(network, "E1.1", 0.5, 1.5)
        inside, outside = (by_name(trace(network, image, pixel))["E1.1"] for pixel in ((20, 28), (5, 5)))
        np.testing.assert_allclose(inside.positions, grid((20.5, 29.5)), atol=1e-5)
        np.testing.assert_array_equal(outside.positions, grid((5, 5)))
        np.testing.assert_allclose(inside.magnitudes[16:24, 24:32], np.hypot(0.5, 1.5), rtol=1e-5)
        assert inside.magnitudes.sum() == pytest.approx(64 * np.hypot(0.5, 1.5), rel=1e-5)

    @pytest.mark.parametrize("name", ["D3.1", "D2.1", "D1.1"])
    def test_a_decoders_first_layer_sees_the_skip_behind_what_comes_up(self, name):
        network = dunet()
        up = {"D3.1": network.up3, "D2.1": network.up2, "D1.1": network.up1}[name]
        torch.nn.init.zeros_(up[1].bias)
        shift(network, name, 0.5, 0.5, channel=0)
        assert by_name(trace(network))[name].magnitudes.max() == 0
        shift(network, name, 0.5, 0.5, channel=-1)
        assert by_name(trace(network))[name].magnitudes.min() == pytest.approx(np.hypot(0.5, 0.5))

    def test_every_tap_has_its_own_shift(self):
        """Channels 2n and 2n + 1 of the offsets are y and x of tap n, row by row."""
        network = dunet()
        with torch.no_grad():
            layer_of(network, "D1.2").offset.weight[2 * 5 + 1, 0, 1, 1] = atanh(0.5)
        moved = by_name(trace(network))["D1.2"]
        expected = grid((21.0, 30.0))
        expected[TAPS.tolist().index([0, 1])] += (0, 1)
        np.testing.assert_allclose(moved.positions, expected, atol=1e-5)
        np.testing.assert_allclose(moved.magnitudes, 1 / 9, rtol=1e-5)

    def test_scope_zero_samples_the_grid_whatever_the_offsets(self):
        result = trace(with_random_offsets(scope=0.0), noise(40, 52))
        assert result.scope == 0
        for layer in result.layers:
            np.testing.assert_array_equal(layer.positions_in_image, layer.grid_in_image)
            assert layer.magnitudes.max() == 0
        assert max(layer.saturated_share for layer in result.layers) > 0

    def test_the_share_of_saturated_offsets_counts_y_and_x_apart(self):
        network = dunet()
        shift(network, "B.2", 2 * 0.96, 2 * 0.94)
        assert by_name(trace(network))["B.2"].saturated_share == 0.5

    def test_maps_have_the_size_of_the_image_at_the_layers_stride(self):
        """Without the rows and columns that the network adds to reach a multiple of 8."""
        result = trace(with_random_offsets(), noise(45, 33), (44, 32))
        sizes = {layer.stride: layer.magnitudes.shape for layer in result.layers}
        assert sizes == {1: (45, 33), 2: (23, 17), 4: (12, 9), 8: (6, 5)}


class TestScaleAndWindow:
    def test_positions_are_in_px_of_the_given_image_when_it_is_scaled(self):
        """Cells of 90 px for a network of 45: pixel 21 is in scaled pixel 10, which is 20 and 21."""
        layers = by_name(trace(dunet(), grey(128, 96), cell_diameter=90))
        np.testing.assert_array_equal(layers["D1.2"].positions, grid((10, 15)))
        np.testing.assert_array_equal(layers["D1.2"].positions_in_image, grid((20.5, 30.5), 2))
        np.testing.assert_array_equal(layers["B.1"].positions_in_image, grid((23.5, 23.5), 16))

    @pytest.mark.parametrize("pixel", [(300, 220), (639, 3)])
    def test_the_window_gives_what_the_whole_image_gives(self, monkeypatch, pixel):
        network, image = with_random_offsets(), noise(640, 540)
        part = trace(network, image, pixel)
        assert (part.window.height, part.window.width) <= (512, 512)
        assert part.window.top % 8 == part.window.left % 8 == 0
        monkeypatch.setattr(offsets, "WINDOW", 10_000)
        whole = trace(network, image, pixel)
        assert (whole.window.height, whole.window.width) == (640, 540)
        for ours, theirs in zip(part.layers, whole.layers, strict=True):
            assert ours.pixel.tolist() == theirs.pixel.tolist()
            np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-3)
            np.testing.assert_allclose(ours.positions_in_image, theirs.positions_in_image, atol=1e-2)

    def test_it_is_as_small_as_the_image(self):
        result = trace(dunet(), grey(1, 1), (0, 0))
        assert (result.window.height, result.window.width) == (1, 1)
        assert len(result.layers) == 14


class TestCompositions:
    def test_nine_81_and_729_paths_through_the_layers_of_the_first_level(self):
        compositions = trace(dunet()).compositions
        assert [each.layers for each in compositions] == [
            ("D1.2",),
            ("D1.2", "D1.1"),
            ("D1.2", "D1.1", "E1.2"),
        ]
        assert [len(each.positions_in_image) for each in compositions] == [9, 81, 729]
        ends = [np.unique(each.grid_in_image, axis=0) for each in compositions]
        assert [len(each) for each in ends] == [9, 25, 49]
        assert ends[2].min(axis=0).tolist() == [18, 27] and ends[2].max(axis=0).tolist() == [24, 33]

    def test_shifts_of_successive_layers_add_up(self):
        network = dunet()
        for name, amount in (("D1.2", (1.0, 0.0)), ("D1.1", (-0.25, 0.5)), ("E1.2", (1.5, 1.5))):
            shift(network, name, *amount)
        for composition, total in zip(
            trace(network).compositions, ((1, 0), (0.75, 0.5), (2.25, 2)), strict=True
        ):
            moved = composition.positions_in_image - composition.grid_in_image
            np.testing.assert_allclose(moved, np.tile(total, (len(moved), 1)), atol=1e-5)

    def test_the_layer_before_is_looked_up_at_the_nearest_pixel(self):
        """All taps of the last layer meet at (4, 4.4); the one before shifts at (4, 4) only."""
        last, before = np.zeros((9, 9, 9, 2)), np.zeros((9, 9, 9, 2))
        last[4, 4] = (0, 0.4) - TAPS
        before[4, 4] = (0, 3)
        positions = sampled_positions((4, 4), [last, before])
        np.testing.assert_allclose(positions, np.tile(grid((4, 7.4)), (9, 1)))

    def test_paths_that_leave_the_image_end(self):
        """At the corner 2 x 2 of the 3 x 3 pixels are inside, and (2 + 3)^2 of their 36 neighbours."""
        compositions = trace(dunet(), pixel=(0, 0)).compositions
        assert [len(each.grid_in_image) for each in compositions] == [9, 4 * 9, 25 * 9]


class TestSummary:
    def test_it_is_json_and_has_all_but_the_maps(self):
        network = dunet()
        shift(network, "E2.2", 0.6, 0.8)
        summary = json.loads(json.dumps(summarise_offsets(trace(network), "m", "field.png", (64, 64))))
        assert (summary["model"], summary["network"], summary["scope"]) == ("m", "dunet", 2.0)
        assert (summary["image"], summary["height"], summary["width"]) == ("field.png", 64, 64)
        assert summary["pixel"] == [21, 30]
        layers = {layer["name"]: layer for layer in summary["layers"]}
        assert list(layers) == list(LAYERS)
        assert layers["E2.2"]["mean_magnitude"] == pytest.approx(1.0)
        assert layers["E2.2"]["positions"][4] == [10.6, 15.8]
        assert layers["E2.2"]["positions_in_image"][4] == [21.7, 32.1]
        assert layers["E2.2"]["grid_in_image"][4] == [20.5, 30.5]
        assert [len(each["positions_in_image"]) for each in summary["compositions"]] == [9, 81, 729]

    def test_it_says_on_what_part_of_the_image_it_was_computed(self):
        def window(image, **options):
            return summarise_offsets(trace(dunet(), image, **options), "m", "f", image.shape)["window"]

        assert window(grey(64, 48)) == {
            "about": "Computed on the whole image, 48 x 64 px at the network's scale.",
            **{"top": -0.5, "left": -0.5, "bottom": 63.5, "right": 47.5},
        }
        part = window(grey(600, 100), pixel=(599, 0), cell_diameter=45)
        assert part["about"] == "Computed on the image around the pixel, 100 x 512 px at the network's scale."
        assert (part["top"], part["bottom"]) == (87.5, 599.5)

    def test_a_unet_has_no_scope(self):
        summary = summarise_offsets(
            trace(create("unet", num_classes=2, width=2).eval()), "m", "f.png", (64, 64)
        )
        assert (summary["network"], summary["scope"]) == ("unet", None)


class TestRefusals:
    @pytest.mark.parametrize("pixel", [(-1, 0), (0, -1), (64, 0), (0, 64)])
    def test_a_pixel_outside_the_image(self, pixel):
        with pytest.raises(DrepanoError, match="the image has rows 0 to 63 and columns 0 to 63"):
            trace(dunet(), pixel=pixel)

    def test_a_network_of_another_kind(self):
        with pytest.raises(DrepanoError, match="model small: pspnet has no 3x3 convolutions of U-Net or dU"):
            trace_offsets(torch.nn.Conv2d(3, 2, 3), card("pspnet"), grey(), (0, 0))

    def test_a_cell_diameter_that_makes_the_image_too_large(self):
        with pytest.raises(DrepanoError, match=r"cell diameter 1 px: scaling to .* 45000 x 45000"):
            trace(dunet(), grey(1000, 1000), cell_diameter=1)

    def test_a_cell_diameter_out_of_range(self):
        with pytest.raises(DrepanoError, match="cell diameter 0: give a number"):
            trace(dunet(), cell_diameter=0)
