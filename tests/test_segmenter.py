"""A network becomes a segmenter: any image in, a map of its own size out, tile by tile."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

import drepano
from drepano.errors import DrepanoError
from drepano.models import ModelCard, create, save_model, shipped_models
from drepano.segmenter import TILE, Segmenter, load_model, margin_of
from drepano.taxonomy import SCD


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On images this small, threads cost more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_card(name="unet", width=2, classes=SCD.classes):
    return ModelCard(
        name="random",
        architecture={"name": name, "num_classes": len(classes), "width": width},
        taxonomy="scd",
        classes=list(classes),
        cell_diameter=40.0,
        training={},
        data=[],
        version="0.1.0",
    )


def make_network(name="unet", width=2, num_classes=5):
    """Random weights, large enough that classes differ from pixel to pixel."""
    torch.manual_seed(0)
    network = create(name, num_classes=num_classes, width=width)
    with torch.no_grad():
        for parameter_name, parameter in network.named_parameters():
            if parameter.dim() == 4 and "offset" not in parameter_name:
                parameter *= 3
    return network


class Windows(list):
    """Shared by a network and its copy: the segmenter predicts with a copy."""

    def __deepcopy__(self, memo):
        return self


class Recording(torch.nn.Module):
    """A network that remembers the size of every window it was given."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.windows = Windows()

    def forward(self, image):
        assert not torch.is_grad_enabled()
        self.windows.append(tuple(image.shape))
        return self.network(image)


@pytest.fixture
def recording():
    return Recording(make_network())


@pytest.fixture
def segmenter(recording):
    return Segmenter(recording, make_card(), torch.device("cpu"))


def random_image(height=50, width=70, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


class TestResult:
    @pytest.mark.parametrize("size", [(1, 1), (1, 33), (61, 97), (64, 64)])
    def test_both_maps_have_the_images_size(self, segmenter, size):
        result = segmenter.segment(random_image(*size))
        assert result.classes.shape == size
        assert result.classes.dtype == np.uint8
        assert result.probabilities.shape == (5, *size)
        assert result.probabilities.dtype == np.float32

    def test_probabilities_sum_to_one_and_the_class_is_the_most_probable(self, segmenter):
        result = segmenter.segment(random_image())
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)
        assert (result.probabilities >= 0).all()
        np.testing.assert_array_equal(result.classes, result.probabilities.argmax(0))
        assert len(np.unique(result.classes)) > 2, "a constant map would show little"

    def test_the_classes_are_the_cards(self, segmenter):
        result = segmenter.segment(random_image())
        assert result.taxonomy.classes == SCD.classes
        assert result.cell_diameter == 40.0

    def test_two_classes_suffice(self):
        card = make_card(classes=("background", "cell"))
        result = Segmenter(make_network(num_classes=2), card, torch.device("cpu")).segment(random_image())
        assert result.probabilities.shape[0] == 2
        assert set(np.unique(result.classes)) <= {0, 1}

    @pytest.mark.parametrize(
        ("error", "seen"),
        [
            (
                RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
                MemoryError,
            ),
            (torch.OutOfMemoryError("CUDA out of memory"), MemoryError),
            (RuntimeError("shapes cannot be multiplied"), RuntimeError),
        ],
    )
    def test_memory_that_is_not_there_is_a_memory_error(self, segmenter, monkeypatch, error, seen):
        def fail(*_):
            raise error

        monkeypatch.setattr(segmenter, "_network", fail)
        with pytest.raises(seen):
            segmenter.segment(random_image())

    def test_the_same_image_gives_the_same_result(self, segmenter):
        first, second = (segmenter.segment(random_image()).probabilities for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_the_image_is_left_as_it_was(self, segmenter):
        image = random_image()
        segmenter.segment(image)
        np.testing.assert_array_equal(image, random_image())

    def test_a_network_in_training_mode_is_used_in_evaluation_mode(self):
        expected, found = (
            Segmenter(network, make_card(), torch.device("cpu")).segment(random_image()).probabilities
            for network in (make_network().eval(), make_network().train())
        )
        np.testing.assert_array_equal(found, expected)


class TestImages:
    def test_grey_is_rgb_with_equal_channels(self, segmenter):
        grey = random_image()[..., 0]
        rgb = np.repeat(grey[..., None], 3, axis=2)
        expected = segmenter.segment(rgb).probabilities
        for same in (grey, grey[..., None]):
            np.testing.assert_array_equal(segmenter.segment(same).probabilities, expected)

    def test_an_opaque_alpha_channel_changes_nothing(self, segmenter):
        image = random_image()
        rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
        np.testing.assert_array_equal(
            segmenter.segment(rgba).probabilities, segmenter.segment(image).probabilities
        )

    def test_16_bits_are_stretched_to_8(self, segmenter):
        deep = random_image().astype(np.uint16) * 16 + 1000
        result = segmenter.segment(deep)
        expected = segmenter.segment(drepano.io.to_rgb8(deep))
        np.testing.assert_array_equal(result.probabilities, expected.probabilities)
        assert len(np.unique(result.classes)) > 2

    @pytest.mark.parametrize("as_type", [str, lambda path: path], ids=["str", "Path"])
    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_a_path_is_read(self, segmenter, tmp_path, as_type, suffix):
        path = tmp_path / f"field{suffix}"
        Image.fromarray(random_image()).save(path)
        np.testing.assert_array_equal(
            segmenter.segment(as_type(path)).probabilities, segmenter.segment(random_image()).probabilities
        )

    def test_colours_are_relative_to_the_background(self, segmenter):
        dark = random_image() // 2
        np.testing.assert_allclose(
            segmenter.segment(dark).probabilities, segmenter.segment(dark + 50).probabilities, atol=1e-5
        )

    def test_a_bad_file_is_named(self, segmenter, tmp_path):
        path = tmp_path / "broken.png"
        path.write_bytes(b"no image")
        with pytest.raises(DrepanoError, match=re.escape(str(path))):
            segmenter.segment(path)

    @pytest.mark.parametrize("shape", [(5,), (2, 2, 2), (0, 7), (3, 30, 40)])
    def test_an_array_that_is_no_image_is_refused(self, segmenter, shape):
        with pytest.raises(DrepanoError, match="shape"):
            segmenter.segment(np.zeros(shape, np.uint8))


class TestCellDiameter:
    @pytest.mark.parametrize("diameter", [20, 33.3, 55, 120])
    @pytest.mark.parametrize("size", [(61, 97), (40, 40)])
    def test_maps_come_back_in_the_images_own_size(self, segmenter, size, diameter):
        result = segmenter.segment(random_image(*size), cell_diameter=diameter)
        assert result.classes.shape == size
        assert result.probabilities.shape == (5, *size)
        assert result.cell_diameter == diameter
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)
        np.testing.assert_array_equal(result.classes, result.probabilities.argmax(0))

    @pytest.mark.parametrize(("diameter", "seen"), [(20, (120, 200)), (80, (30, 50)), (40, (60, 100))])
    def test_the_network_sees_cells_of_the_size_it_knows(self, segmenter, recording, diameter, seen):
        result = segmenter.segment(random_image(60, 100), cell_diameter=diameter)
        assert recording.windows == [(1, 3, *seen)]
        assert result.seen is not None
        assert result.seen.shape == (*seen, 3)

    def test_the_known_diameter_is_no_scaling(self, segmenter):
        np.testing.assert_array_equal(
            segmenter.segment(random_image(), cell_diameter=40).probabilities,
            segmenter.segment(random_image()).probabilities,
        )

    def test_an_image_twice_as_large_gives_the_same_cells(self):
        """Cells are found where they are: no shift by the way there and back."""
        y, x = np.mgrid[:80, :100]
        image = np.where((y - 31) ** 2 + (x - 47) ** 2 < 400, 60, 180).astype(np.uint8)
        segmenter = Segmenter(DarkPixels(), make_card(classes=("background", "cell")), torch.device("cpu"))
        large = segmenter.segment(image.repeat(2, 0).repeat(2, 1), cell_diameter=80).classes
        small = segmenter.segment(image).classes
        assert small.sum() == (image == 60).sum()
        assert (large != small.repeat(2, 0).repeat(2, 1)).sum() < 0.02 * small.sum() * 4
        np.testing.assert_allclose(np.argwhere(large).mean(0), 2 * np.argwhere(small).mean(0) + 0.5, atol=0.2)

    @pytest.mark.parametrize("diameter", [0, -3, float("nan"), float("inf")])
    def test_a_diameter_that_is_no_length_is_refused(self, segmenter, diameter):
        with pytest.raises(DrepanoError, match=r"cell diameter .*: give a number of pixels from 1 to 5000"):
            segmenter.segment(random_image(), cell_diameter=diameter)

    def test_a_diameter_that_makes_the_image_too_large_is_refused(self, segmenter, recording, monkeypatch):
        monkeypatch.setattr("drepano.segmenter.MAX_PIXELS", 1_000_000)
        with pytest.raises(
            DrepanoError, match=r"scaling to the network's 40 px makes the image .* check the diameter"
        ):
            segmenter.segment(random_image(), cell_diameter=1)
        assert recording.windows == []


class DarkPixels(torch.nn.Module):
    """Stands in for a network of two classes: what is darker than the background is a cell."""

    def forward(self, image):
        darkness = -image.mean(1, keepdim=True) - 0.9
        return torch.cat([torch.zeros_like(darkness), 10 * darkness], dim=1)


def greatest_difference(segmenter, image, expected):
    return float(np.abs(segmenter.segment(image).probabilities - expected).max())


class TestTiles:
    image = random_image(240, 216, seed=1)

    @pytest.fixture
    def whole(self, segmenter, recording):
        """What the network says when it sees the field at once."""
        probabilities = segmenter.segment(self.image).probabilities
        assert recording.windows == [(1, 3, 240, 216)]
        return probabilities

    @staticmethod
    def cut(monkeypatch, tile, margin):
        monkeypatch.setattr("drepano.segmenter.TILE", tile)
        monkeypatch.setattr("drepano.segmenter.margin_of", lambda network: margin)

    @pytest.mark.parametrize(("tile", "margin"), [(64, 72), (80, 80)])
    def test_a_tiled_map_is_the_map_of_the_whole_field(self, segmenter, whole, monkeypatch, tile, margin):
        self.cut(monkeypatch, tile, margin)
        assert greatest_difference(segmenter, self.image, whole) < 1e-5

    @pytest.mark.parametrize("margin", [0, 8, 16])
    def test_a_margin_that_is_too_small_shows(self, segmenter, whole, monkeypatch, margin):
        self.cut(monkeypatch, 64, margin)
        assert greatest_difference(segmenter, self.image, whole) > 1e-3

    def test_tiles_that_do_not_pool_the_same_pixels_show(self, segmenter, whole, monkeypatch):
        self.cut(monkeypatch, 68, 80)
        assert greatest_difference(segmenter, self.image, whole) > 1e-3

    def test_no_window_is_larger_than_a_tile_with_its_margins(self, segmenter, recording, monkeypatch):
        """So that memory is bounded whatever the size of the field."""
        self.cut(monkeypatch, 64, 72)
        segmenter.segment(self.image)
        assert len(recording.windows) == 4 * 4
        assert all(window[0] == 1 for window in recording.windows)
        assert max(max(window[2:]) for window in recording.windows) <= 64 + 2 * 72

    @pytest.mark.parametrize("size", [(1, 900), (65, 209), (208, 208), (209, 1)])
    def test_every_pixel_is_filled_whatever_the_size(self, segmenter, monkeypatch, size):
        self.cut(monkeypatch, 64, 72)
        result = segmenter.segment(random_image(*size))
        assert result.classes.shape == size
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)

    def test_tiles_and_margins_are_multiples_of_the_networks_stride(self):
        assert TILE % 8 == 0
        assert all(margin_of(create(name, width=2)) % 8 == 0 for name in ("unet", "dunet"))

    def test_the_margin_is_wider_than_what_a_unets_pixel_depends_on(self):
        """Reach of one output pixel, by the gradient, for each of the eight places within the stride."""
        network = make_network(width=2).double().eval()
        for module in network.modules():
            if isinstance(module, torch.nn.ReLU):
                module.inplace = False
                module.forward = lambda x: x * 0.5  # no pixel may be lost to a rectifier that is off
        furthest = 0
        for place in range(8):
            image = torch.randn(1, 3, 8, 208, dtype=torch.float64, requires_grad=True)
            network(image)[0, 0, 4, 104 + place].backward()
            reached = image.grad.abs().amax((0, 1, 2)).nonzero() - (104 + place)
            furthest = max(furthest, int(reached.abs().max()))
        assert 40 < furthest <= network.reach <= margin_of(network)

    def test_a_tiled_map_of_a_deformable_network_is_the_whole_one_too(self, monkeypatch):
        torch.manual_seed(0)
        network = create("dunet", width=2)  # larger weights would amplify float32's rounding
        for name, parameter in network.named_parameters():
            if ".offset." in name:
                torch.nn.init.normal_(parameter, std=0.3)
        segmenter = Segmenter(network, make_card("dunet"), torch.device("cpu"))
        image = random_image(24, 640, seed=3)
        whole = segmenter.segment(image).probabilities
        monkeypatch.setattr("drepano.segmenter.TILE", 64)
        assert greatest_difference(segmenter, image, whole) < 1e-5
        self.cut(monkeypatch, 64, 8)
        assert greatest_difference(segmenter, image, whole) > 1e-4

    def test_a_deformable_network_reaches_further_by_its_scope(self):
        assert margin_of(create("dunet", width=2, scope=0.0)) == margin_of(create("unet", width=2))
        assert create("dunet", width=2, scope=2.0).reach == 21 + 44 * 3
        assert create("dunet", width=2, scope=1.5).reach == 21 + 44 * 3


class TestLoadModel:
    @pytest.fixture
    def weights(self, tmp_path):
        path = tmp_path / "model.safetensors"
        save_model(path, make_network(), make_card())
        return path

    def test_a_file_that_training_wrote(self, weights, segmenter):
        loaded = load_model(weights, device="cpu")
        assert loaded.card == make_card()
        np.testing.assert_array_equal(
            loaded.segment(random_image()).probabilities, segmenter.segment(random_image()).probabilities
        )

    def test_it_is_at_hand_in_the_package(self, weights):
        assert isinstance(drepano.load_model(str(weights)), drepano.Segmenter)

    @pytest.mark.parametrize("device", ["gpu", "", "cuda:7"])
    def test_an_unknown_device_is_refused_with_the_known_ones(self, weights, device):
        with pytest.raises(DrepanoError, match=f"device '{device}' is unknown; use one of auto, cpu, cuda"):
            load_model(weights, device=device)

    def test_a_gpu_that_is_not_there_is_refused(self, weights, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(DrepanoError, match="PyTorch sees no GPU here; use --device cpu or auto"):
            load_model(weights, device="cuda")
        assert load_model(weights, device="auto").segment(random_image()).classes.any()

    def test_an_unknown_model_is_refused(self):
        with pytest.raises(DrepanoError, match="model 'nonsense': neither a shipped network"):
            load_model("nonsense")

    @pytest.mark.parametrize("name", ["scd", "rbc"])
    def test_the_shipped_networks_take_an_image(self, name):
        if name not in shipped_models():
            pytest.skip(f"{name} is not shipped yet")
        result = load_model(name, device="cpu").segment(np.full((64, 64), 160, np.uint8))
        assert result.classes.shape == (64, 64)
        assert not result.classes.any(), "an empty field has no cells"


class TestFingerprint:
    def fingerprint(self, network):
        return Segmenter(network, make_card(), torch.device("cpu")).fingerprint

    def test_the_same_weights_have_the_same_one(self):
        assert self.fingerprint(make_network()) == self.fingerprint(make_network())
        assert len(self.fingerprint(make_network())) == 16

    def test_any_change_of_any_weight_changes_it(self):
        seen = {self.fingerprint(make_network())}
        for name in make_network().state_dict():
            network = make_network()
            network.state_dict()[name].view(-1)[-1:].add_(1)
            seen.add(self.fingerprint(network))
        assert len(seen) == 1 + len(make_network().state_dict())


# --- the size of cells, estimated


def four_discs():
    """Dark discs of 90 px."""
    y, x = np.mgrid[:400, :600]
    grey = np.full((400, 600), 170, np.uint8)
    for row, column in ((100, 100), (100, 300), (300, 200), (280, 450)):
        grey[np.hypot(y - row, x - column) < 45] = 90
    return grey


@pytest.mark.parametrize("estimate", [75, 84, 96, 110])
def test_auto_goes_from_a_wrong_estimate_to_the_cells_found(estimate, monkeypatch):
    monkeypatch.setattr("drepano.segmenter.estimate_cell_diameter", lambda image: estimate)
    result = load_model("rbc").segment(four_discs(), "auto")
    assert not result.size_unknown
    assert result.cell_diameter == pytest.approx(90, rel=0.03)


def test_auto_takes_the_size_of_the_cells_that_are_there():
    """For a network that knows cells of 45 px."""
    grey = four_discs()
    segmenter = load_model("rbc")
    result = segmenter.segment(grey, "auto")
    assert result.cell_diameter == pytest.approx(90, rel=0.1)
    given = segmenter.segment(grey, result.cell_diameter)
    np.testing.assert_array_equal(result.classes, given.classes)


@pytest.mark.parametrize(("contrast", "noise"), [(15, 10), (25, 12), (40, 20)])
def test_auto_does_not_take_noise_for_cells(contrast, noise):
    """Discs of 44 px under heavy noise: either their size is found, or the field is taken as it is."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :400]
    grey = 180 + rng.normal(0, noise, (300, 400))
    for row in range(50, 300, 80):
        for column in range(50, 400, 80):
            grey[np.hypot(y - row, x - column) < 22] -= contrast
    result = load_model("rbc").segment(grey.clip(0, 255).astype(np.uint8), "auto")
    assert 30 < result.cell_diameter < 60


def test_auto_takes_a_field_without_cells_as_it_is():
    segmenter = load_model("rbc")
    assert segmenter.segment(np.full((64, 64), 170, np.uint8), "auto").cell_diameter == 45
