"""Figures of sampling positions, read back as pixels."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from drepano.experiments.offsets import TAPS
from drepano.reports.sampling.figures import draw_layers, draw_magnitudes, draw_sampling

RED = (0xE3, 0x12, 0x0B)
BLUE = (0x1F, 0x78, 0xB4)
LOWEST, HIGHEST = (68, 1, 84), (253, 231, 36)  # the ends of viridis
STRIDES = {
    **{"E1.1": 1, "E1.2": 1, "E2.1": 2, "E2.2": 2, "E3.1": 4, "E3.2": 4, "B.1": 8, "B.2": 8},
    **{"D3.1": 4, "D3.2": 4, "D2.1": 2, "D2.2": 2, "D1.1": 1, "D1.2": 1},
}


def summary_of(size=(64, 48), pixel=(20, 30), shift=(0.0, 0.0), network="dunet", name="field.png"):
    """As `summarise_offsets` gives it, with all taps of all layers shifted by the same."""
    height, width = size
    layers = [
        {
            "name": layer,
            "stride": stride,
            "in_channels": 3,
            "out_channels": 8,
            "positions_in_image": (pixel + stride * (TAPS + shift)).tolist(),
            "grid_in_image": (pixel + stride * TAPS).tolist(),
            "mean_magnitude": float(np.hypot(*shift)),
            "saturated_share": 0.125,
        }
        for layer, stride in STRIDES.items()
    ]
    chains = [("D1.2",), ("D1.2", "D1.1"), ("D1.2", "D1.1", "E1.2")]
    compositions = []
    for chain in chains:
        grid = np.array([pixel])
        for _ in chain:
            grid = (grid[:, None] + TAPS).reshape(-1, 2)
        moved = grid + np.array(shift) * len(chain)
        compositions.append(
            {"layers": chain, "positions_in_image": moved.tolist(), "grid_in_image": grid.tolist()}
        )
    return {
        "model": "small",
        "network": network,
        "scope": 2.0 if network == "dunet" else None,
        "image": name,
        "height": height,
        "width": width,
        "pixel": list(pixel),
        "saturated_above": 0.95,
        "image_px_per_network_px": [1.0, 1.0],
        "window": {
            "about": "Computed on the whole image.",
            **{"top": -0.5, "left": -0.5, "bottom": height - 0.5, "right": width - 0.5},
        },
        "layers": layers,
        "compositions": compositions,
    }


def grey(size=(64, 48)):
    return np.full((*size, 3), 128, np.uint8)


def maps_of(size=(64, 48), **values):
    """Magnitudes that are the same everywhere, 0 where no value is given for a layer."""
    return {
        name: np.full(
            [-(-side // stride) for side in size], values.get(name.replace(".", "_"), 0.0), np.float32
        )
        for name, stride in STRIDES.items()
    }


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def area(picture, colour) -> int:
    return int((picture == colour).all(axis=-1).sum())


def box(picture, colour):
    """Middle and size of what has the colour, [y, x] in px."""
    places = np.argwhere((picture == colour).all(axis=-1))
    return (places.max(axis=0) + places.min(axis=0)) / 2, np.ptp(places, axis=0) + 1


def panels_of(png: bytes, number: int) -> list[np.ndarray]:
    return np.array_split(pixels_of(png), number, axis=1)


class TestSampling:
    def test_surroundings_unet_and_dunet_stand_side_by_side_with_the_pixel_in_red(self):
        for panel in panels_of(draw_sampling(summary_of(), grey()), 3):
            assert area(panel, RED) > 50

    def test_a_unet_stands_alone(self):
        alone = draw_sampling(summary_of(network="unet"), grey())
        both = draw_sampling(summary_of(), grey())
        assert pixels_of(alone).shape[1] / 2 == pixels_of(both).shape[1] / 3

    def test_positions_lie_around_the_pixel_in_unet_and_where_they_were_shifted_in_dunet(self):
        """Two layers reach 2 px to each side and shift by (1, -0.5) px each."""
        _, unet, dunet = panels_of(draw_sampling(summary_of(shift=(1.0, -0.5)), grey()), 3)
        for panel, shift in ((unet, (0, 0)), (dunet, (2, -1))):
            panel = panel[200:800]  # without the legend
            (middle, size), (pixel, _) = box(panel, BLUE), box(panel, RED)
            np.testing.assert_allclose(middle - pixel, np.array(shift) * size / 4, atol=6)


class TestLayers:
    def test_the_shifted_taps_of_a_dunet_are_blue_and_a_unet_has_none(self):
        dunet = pixels_of(draw_layers(summary_of(shift=(1.0, 1.0)), grey()))
        unet = pixels_of(draw_layers(summary_of(network="unet"), grey()))
        assert area(dunet, BLUE) > 14 * 9 * 20
        assert area(unet, BLUE) == 0
        assert area(unet, RED) > 14 * 50

    def test_beyond_the_edge_of_the_image_the_ground_is_grey(self):
        ground = (217, 217, 217)
        assert area(pixels_of(draw_layers(summary_of(pixel=(0, 0)), grey())), ground) > 100_000
        wide = draw_layers(summary_of((400, 400), pixel=(200, 200)), grey((400, 400)))
        assert area(pixels_of(wide), ground) < 1000


class TestMagnitudes:
    def test_all_maps_share_one_scale_of_colour(self):
        """The largest magnitude has the highest colour, the other thirteen maps the lowest."""
        picture = pixels_of(draw_magnitudes(summary_of(), maps_of(D3_2=1.5), grey()))
        assert area(picture, LOWEST) == pytest.approx(13 * area(picture, HIGHEST), rel=0.03)

    def test_a_map_is_as_large_as_the_image_whatever_its_stride(self):
        """61 x 45 px are 8 x 6 at stride 8; what is beyond the image is cut off."""
        size = (61, 45)
        fine, coarse = (
            area(
                pixels_of(draw_magnitudes(summary_of(size), maps_of(size, **{name: 1}), grey(size))), HIGHEST
            )
            for name in ("E1_1", "B_1")
        )
        assert fine == pytest.approx(coarse, rel=0.03)
        assert fine > 100_000

    def test_without_any_shift_all_maps_have_the_lowest_colour(self):
        picture = pixels_of(draw_magnitudes(summary_of(network="unet"), maps_of(), grey()))
        assert area(picture, LOWEST) > 0.3 * picture.shape[0] * picture.shape[1]
        assert area(picture, HIGHEST) < 1000

    @pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3)])
    def test_images_of_any_shape_give_a_picture_of_reasonable_size(self, size):
        picture = pixels_of(draw_magnitudes(summary_of(size, (0, 0)), maps_of(size), grey(size)))
        assert max(picture.shape) < 5000


@pytest.mark.parametrize("name", ["$x^2$", "血液.png", "\udcff.png", "a" * 500, "two\nlines"])
def test_any_name_of_an_image_can_be_written(name: str, recwarn: pytest.WarningsRecorder) -> None:
    assert draw_sampling(summary_of(name=name), grey()).startswith(b"\x89PNG")
    assert not list(recwarn)


def test_settings_of_matplotlib_stay_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    draw_layers(summary_of(), grey())
    assert dict(matplotlib.rcParams) == before
