"""Where a pixel's kernels sample in U-Net and in dU-Net, layer by layer (the paper's figures 4 and 6).

Positions are [y, x] in pixels whose centres are whole numbers, in the image and in every feature map. A
pixel of a feature map of stride s stands for the s x s pixels of the image that are pooled into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drepano.errors import DrepanoError
from drepano.models import ModelCard
from drepano.models.unet import STRIDE, DUNet, UNet
from drepano.ops import SATURATED, DeformableConv2d
from drepano.preprocessing import measure_light, normalise, scale_image
from drepano.segmenter import diameter_or_known, scale_for

WINDOW = 512
"""Largest side in px, at the network's scale, of the part of an image that goes through the network."""

TAPS = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)])
"""The regular grid of a 3x3 kernel (the paper's R), (9, 2), in the order of the kernel's weights."""

_LEVELS = (
    *(("encoder1", "E1", 1), ("encoder2", "E2", 2), ("encoder3", "E3", 4), ("bottleneck", "B", 8)),
    *(("decoder3", "D3", 4), ("decoder2", "D2", 2), ("decoder1", "D1", 1)),
)
"""Of every block of two convolutions: its attribute, its name, its stride."""
_PLACES_IN_BLOCK = (0, 3)  # convolution, norm, ReLU, convolution
_LAST_LAYERS = ("D1.2", "D1.1", "E1.2")


@dataclass(frozen=True)
class Window:
    """The part of the scaled image that goes through the network, and where it lies in the given image.

    Parameters
    ----------
    top, left : int
        Its first row and column in the scaled image, px; multiples of the networks' stride, so that all
        levels pool the same pixels together as in the whole image.
    height, width : int
        In px of the scaled image.
    pixel : (int, int)
        Row and column, in the window, of the pixel asked for.
    zoom : (float, float)
        Px of the given image for one of the scaled image, along y and x.
    """

    top: int
    left: int
    height: int
    width: int
    pixel: tuple[int, int]
    zoom: tuple[float, float]

    def in_feature_map(self, positions: NDArray, stride: int) -> NDArray:
        """Positions (..., 2) in the window's feature map of `stride`, in that of the whole scaled image."""
        return positions + np.array([self.top // stride, self.left // stride])

    def in_image(self, positions: NDArray, stride: int) -> NDArray[np.float64]:
        """Positions (..., 2) in the window's feature map of `stride`, in px of the given image."""
        return np.asarray((self.in_feature_map(positions, stride) + 0.5) * stride * self.zoom - 0.5)


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one 3x3 convolution samples for the pixel, and how far it shifts its taps in the whole window.

    Parameters
    ----------
    name : str
        E1.1 to E3.2 on the way down, B.1 and B.2 at the bottom, D3.1 to D1.2 on the way up.
    stride : int
        Px of the scaled image for one of the layer's feature map.
    in_channels, out_channels : int
    pixel : (2,) int array
        The pixel of the layer's feature map under the one asked for.
    positions : (9, 2) float64 array
        Where the kernel samples for it, in px of the layer's feature map.
    positions_in_image, grid_in_image : (9, 2) float64 array
        The same in px of the given image, and where the kernel of any U-Net samples.
    magnitudes : (H, W) float32 array
        Mean over the taps of the length of their shift, in px of the layer's feature map.
    saturated_share : float
        Of the bounded offsets the share, from 0 to 1, that is beyond `SATURATED`.
    """

    name: str
    stride: int
    in_channels: int
    out_channels: int
    pixel: NDArray[np.int64]
    positions: NDArray[np.float64]
    positions_in_image: NDArray[np.float64]
    grid_in_image: NDArray[np.float64]
    magnitudes: NDArray[np.float32]
    saturated_share: float


@dataclass(frozen=True, eq=False)
class Composition:
    """What the pixel of the output is made of through the last layers together.

    Parameters
    ----------
    layers : tuple of str
        From the output backwards.
    grid_in_image, positions_in_image : (M, 2) float64 array
        Where the first of the layers' computation samples, in px of the given image, in any U-Net and in
        this network. M is 9 to the number of layers, or less at the edge of the image.
    """

    layers: tuple[str, ...]
    grid_in_image: NDArray[np.float64]
    positions_in_image: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trace:
    """Where the kernels of a network sample for one pixel of an image.

    Parameters
    ----------
    pixel : (int, int)
        Row and column in the given image.
    scope : float, optional
        Largest shift along an axis, in px of the layer's feature map; None for a U-Net, which has no shifts.
    window : Window
    layers : tuple of LayerTrace
        In the order of computation.
    compositions : tuple of Composition
        Through one, two and three layers of the first level: D1.2, D1.1, and E1.2, whose output D1.1 reads
        over the skip connection.
    """

    pixel: tuple[int, int]
    scope: float | None
    window: Window
    layers: tuple[LayerTrace, ...]
    compositions: tuple[Composition, ...]


def trace_offsets(
    network: nn.Module,
    card: ModelCard,
    image: NDArray[np.uint8],
    pixel: tuple[int, int],
    cell_diameter: float | None = None,
) -> Trace:
    """Trace one pixel of the output back through the fourteen 3x3 convolutions.

    At most 512 x 512 px around the pixel, at the network's scale, go through the network.

    Parameters
    ----------
    network : torch.nn.Module
        A dU-Net or a U-Net, on the CPU and in evaluation mode. A U-Net's own weights do not matter: it
        samples the regular grid.
    card : ModelCard
        The network's card.
    image : (H, W, 3) uint8 array
    pixel : (int, int)
        Row and column in `image`.
    cell_diameter : float, optional
        Diameter in px of a typical cell in `image`, which is then scaled as `Segmenter.segment` does.

    Raises
    ------
    DrepanoError
        If the network is of another kind, the pixel lies outside the image, or the diameter is out of range
        or makes the image too large.
    """
    if not isinstance(network, UNet | DUNet):
        raise DrepanoError(
            f"model {card.name}: {card.architecture['name']} has no 3x3 convolutions of U-Net or dU-Net to "
            "follow; give one of these"
        )
    height, width = image.shape[:2]
    if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
        raise DrepanoError(
            f"pixel {pixel[0]},{pixel[1]} (Y,X): the image has rows 0 to {height - 1} and columns 0 to "
            f"{width - 1}; choose one inside"
        )
    factor, size = scale_for(card, diameter_or_known(card, cell_diameter), (height, width))
    scaled = scale_image(image, factor)
    window = _window_around(pixel, (height, width), size)
    seen = scaled[window.top :, window.left :][: window.height, : window.width]
    inputs = torch.from_numpy(normalise(seen, measure_light(scaled, card.normalisation)))[None]
    convolutions = _convolutions(network)
    offsets = _bounded_offsets(convolutions, network, inputs)
    first = convolutions[0].layer
    scope = first.scope if isinstance(first, DeformableConv2d) else None
    shifts = {name: offset * (scope or 0) for name, offset in offsets.items()}
    return Trace(
        pixel=pixel,
        scope=scope,
        window=window,
        layers=tuple(
            _trace_layer(convolution, offsets[convolution.name], shifts[convolution.name], window)
            for convolution in convolutions
        ),
        compositions=tuple(
            _compose(_LAST_LAYERS[:number], shifts, window) for number in range(1, len(_LAST_LAYERS) + 1)
        ),
    )


def sampled_positions(pixel: tuple[int, int], shifts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Where the kernels of successive layers of one level sample for a pixel, all paths apart.

    A position lies between pixels. The shifts that the layer before makes there are those of the nearest
    pixel; the position itself is not rounded. A path that leaves the feature map ends: all is 0 there.

    Parameters
    ----------
    pixel : (int, int)
        Of the last layer's output.
    shifts : sequence of (H, W, 9, 2) float arrays
        [dy, dx] of every tap at every pixel, the last layer first.

    Returns
    -------
    (M, 2) float64 array
        Positions in the input of the first layer; 9 times as many for every layer where no path ends.
    """
    positions = np.array([pixel], np.float64)
    for shift in shifts:
        nearest = np.rint(positions).astype(int)
        inside = ((nearest >= 0) & (nearest < shift.shape[:2])).all(axis=1)
        rows, columns = nearest[inside].T
        positions = (positions[inside, None] + TAPS + shift[rows, columns]).reshape(-1, 2)
    return positions


def summarise_offsets(trace: Trace, model: str, image: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """All that the figures show but the maps, for JSON.

    Parameters
    ----------
    trace : Trace
    model, image : str
        Their names.
    shape : tuple of int
        Height and width of the image, px.

    Returns
    -------
    dict
        ``model``, ``network``, ``scope``, ``image``, its size, the pixel, what was computed, and where every
        layer samples.
    """
    window = trace.window
    corners = np.array([[-0.5, -0.5], [window.height - 0.5, window.width - 0.5]])
    (top, left), (bottom, right) = _rounded(window.in_image(corners, 1))
    is_whole = [top, left, bottom, right] == [-0.5, -0.5, shape[0] - 0.5, shape[1] - 0.5]
    part = "the whole image" if is_whole else "the image around the pixel"
    about = f"Computed on {part}, {window.width} x {window.height} px at the network's scale."
    return {
        "model": model,
        "network": "unet" if trace.scope is None else "dunet",
        "scope": trace.scope,
        "image": image,
        "height": shape[0],
        "width": shape[1],
        "pixel": list(trace.pixel),
        "coordinates": "[y, x] in px; the centres of pixels are whole numbers",
        "saturated_above": SATURATED,
        "image_px_per_network_px": list(window.zoom),
        "window": {"about": about, "top": top, "left": left, "bottom": bottom, "right": right},
        "layers": [
            {
                "name": layer.name,
                "stride": layer.stride,
                "in_channels": layer.in_channels,
                "out_channels": layer.out_channels,
                "pixel": layer.pixel.tolist(),
                "positions": _rounded(layer.positions),
                "positions_in_image": _rounded(layer.positions_in_image),
                "grid_in_image": _rounded(layer.grid_in_image),
                "mean_magnitude": float(layer.magnitudes.mean()),
                "saturated_share": layer.saturated_share,
            }
            for layer in trace.layers
        ],
        "compositions": [
            {
                "layers": list(composition.layers),
                "positions_in_image": _rounded(composition.positions_in_image),
                "grid_in_image": _rounded(composition.grid_in_image),
            }
            for composition in trace.compositions
        ],
    }


@dataclass(frozen=True, eq=False)
class _Convolution:
    name: str
    stride: int
    layer: nn.Conv2d | DeformableConv2d


def _convolutions(network: UNet | DUNet) -> list[_Convolution]:
    """The 3x3 convolutions in the order of computation."""
    return [
        _Convolution(f"{name}.{number}", stride, getattr(network, attribute)[place])
        for attribute, name, stride in _LEVELS
        for number, place in enumerate(_PLACES_IN_BLOCK, start=1)
    ]


def _window_around(pixel: tuple[int, int], size: tuple[int, int], scaled: tuple[int, int]) -> Window:
    """The window around `pixel` of an image of `size` that is `scaled` to another height and width."""
    zoom = (size[0] / scaled[0], size[1] / scaled[1])
    row, column = (int((place + 0.5) / step) for place, step in zip(pixel, zoom, strict=True))
    top, left = _first(row, scaled[0]), _first(column, scaled[1])
    return Window(
        top=top,
        left=left,
        height=min(WINDOW, scaled[0] - top),
        width=min(WINDOW, scaled[1] - left),
        pixel=(row - top, column - left),
        zoom=zoom,
    )


def _first(place: int, length: int) -> int:
    """First row or column of the window around `place`, moved inwards at the end of the image."""
    start = max(0, min(place - WINDOW // 2, length - WINDOW))
    return -(-start // STRIDE) * STRIDE


@torch.inference_mode()
def _bounded_offsets(
    convolutions: Sequence[_Convolution], network: nn.Module, inputs: Tensor
) -> dict[str, NDArray[np.float32]]:
    """By layer, (H, W, 9, 2) in [-1, 1] for one image (1, 3, height, width); zeros for a U-Net."""
    offsets: dict[str, NDArray[np.float32]] = {}

    def note(name: str, layer: nn.Module, tensors: tuple[Tensor, ...], output: Tensor) -> None:
        height, width = output.shape[-2:]
        bounded = (
            layer.bounded_offset(*tensors)
            if isinstance(layer, DeformableConv2d)
            else torch.zeros(1, 2 * len(TAPS), height, width)
        )
        offsets[name] = bounded.reshape(len(TAPS), 2, height, width).permute(2, 3, 0, 1).numpy()

    hooks = [each.layer.register_forward_hook(partial(note, each.name)) for each in convolutions]
    try:
        network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return offsets


def _trace_layer(
    convolution: _Convolution,
    offsets: NDArray[np.float32],
    shifts: NDArray[np.float32],
    window: Window,
) -> LayerTrace:
    stride = convolution.stride
    pixel = (window.pixel[0] // stride, window.pixel[1] // stride)
    positions = sampled_positions(pixel, [shifts])
    # Without what the network pads the window with to a multiple of its stride.
    inside = (slice(-(-window.height // stride)), slice(-(-window.width // stride)))
    out_channels, in_channels = convolution.layer.weight.shape[:2]
    return LayerTrace(
        name=convolution.name,
        stride=stride,
        in_channels=in_channels,
        out_channels=out_channels,
        pixel=window.in_feature_map(np.array(pixel), stride),
        positions=window.in_feature_map(positions, stride),
        positions_in_image=window.in_image(positions, stride),
        grid_in_image=window.in_image(pixel + TAPS, stride),
        magnitudes=np.linalg.norm(shifts[inside], axis=-1).mean(axis=-1),
        saturated_share=float((np.abs(offsets[inside]) > SATURATED).mean()),
    )


def _compose(
    names: tuple[str, ...], shifts: Mapping[str, NDArray[np.float32]], window: Window
) -> Composition:
    own = [shifts[name] for name in names]
    none = [np.zeros_like(shift) for shift in own]
    return Composition(
        layers=names,
        positions_in_image=window.in_image(sampled_positions(window.pixel, own), 1),
        grid_in_image=window.in_image(sampled_positions(window.pixel, none), 1),
    )


def _rounded(positions: NDArray) -> list[list[float]]:
    return np.round(positions, 3).tolist()
