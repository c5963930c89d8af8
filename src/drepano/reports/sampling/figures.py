"""Where a pixel's kernels sample, drawn (the paper's figures 4 and 6), and how far they shift."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drepano.reports.lettering import printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RED = "#E3120B"
"""The pixel asked for, as in the paper."""
_BLUES = ("#08306B", "#1F78B4", "#8CD3F5")
"""Positions through one, two and three layers: one hue, lighter step by step, for colour-blind eyes too."""
_EDGES = ("white", "white", _BLUES[0])
_AREAS = (60, 22, 9)
_DOTS = 150
_HEAD, _FOOT, _MARGIN = 1.0, 0.75, 0.12  # inches
_PANEL = 3.2  # inches, of one of the fourteen
_LONGEST_NAME = 60  # letters
_SURROUNDINGS = 80
"""How far the image is shown around the pixel for orientation, in px at the network's scale."""

_NAMES_OF_LAYERS = "E encoder, B bottleneck, D decoder; axes in px of the image."

_PANELS = {
    **{"E1.1": (0, 0), "E1.2": (0, 1), "D1.1": (0, 2), "D1.2": (0, 3)},
    **{"E2.1": (1, 0), "E2.2": (1, 1), "D2.1": (1, 2), "D2.2": (1, 3)},
    **{"E3.1": (2, 0), "E3.2": (2, 1), "D3.1": (2, 2), "D3.2": (2, 3)},
    **{"B.1": (3, 1), "B.2": (3, 2)},
}
"""Row and column of every layer: down on the left, up on the right, as the paper's figure 2 has them."""


def draw_sampling(summary: Mapping[str, Any], image: NDArray[np.uint8]) -> bytes:
    """What a pixel is made of through the last one, two and three layers, in U-Net and in dU-Net.

    Parameters
    ----------
    summary : mapping
        From `drepano.experiments.offsets.summarise_offsets`.
    image : (H, W, 3) uint8 array

    Returns
    -------
    bytes
        PNG: the pixel's surroundings, and beside them the positions in both networks, or in U-Net alone if
        the network is one.
    """
    networks = {"U-Net": "grid_in_image"}
    if summary["network"] == "dunet":
        networks["dU-Net"] = "positions_in_image"
    compositions = summary["compositions"]
    pixel, scale = np.array(summary["pixel"]), _scale(summary)
    shown = np.concatenate([each[key] for each in compositions for key in networks.values()])
    half = float(np.abs(shown - pixel).max()) + scale
    with _figure(5.0 * (1 + len(networks)), 5.1) as (figure, png):
        surroundings, *panels = figure.subplots(1, 1 + len(networks))
        _show_surroundings(surroundings, summary, image, half)
        for panel, (title, key) in zip(panels, networks.items(), strict=True):
            _show_around(panel, image, pixel, half)
            _mark(panel, pixel, area=70, zorder=6)
            for number, composition in enumerate(compositions):
                positions = np.array(composition[key])
                panel.scatter(
                    *positions.T[::-1],
                    s=_AREAS[number],
                    color=_BLUES[number],
                    edgecolors=_EDGES[number],
                    linewidths=0.5,
                    zorder=5 - number,
                    label=f"through {' ← '.join(composition['layers'])}",
                )
            last = np.array(compositions[-1][key])
            ends = len(np.unique(last, axis=0))
            panel.set_title(f"{title}: {len(last)} paths end on {ends} positions", loc="left")
        _head(figure, summary, "Where the last convolutions together sample for one pixel")
        _legend(figure, panels[0])
    return png.getvalue()


def draw_layers(summary: Mapping[str, Any], image: NDArray[np.uint8]) -> bytes:
    """The nine positions of every layer's kernel at the pixel, laid on the image.

    Parameters
    ----------
    summary : mapping
        From `drepano.experiments.offsets.summarise_offsets`.
    image : (H, W, 3) uint8 array

    Returns
    -------
    bytes
        PNG: fourteen panels, a row a level, and the pixel's surroundings.
    """
    from matplotlib.patheffects import withStroke

    outlined = [withStroke(linewidth=2.6, foreground="0.2")]  # seen on white plasma and on dark cells
    pixel, scale = np.array(summary["pixel"]), _scale(summary)
    scope = summary["scope"] or 0.0
    # All that a kernel can reach, as the pixel lies up to half of the stride off its middle.
    halves = {layer["name"]: ((1.5 + scope) * layer["stride"] + 1) * scale for layer in summary["layers"]}
    with _figure(4 * (_PANEL + 0.2), 4 * (_PANEL + 0.45)) as (figure, png):
        panels = figure.subplots(4, 4)
        for layer in summary["layers"]:
            panel = panels[_PANELS[layer["name"]]]
            grid, positions = np.array(layer["grid_in_image"]), np.array(layer["positions_in_image"])
            _show_around(panel, image, pixel, halves[layer["name"]])
            _mark(panel, pixel, area=120)
            panel.scatter(
                *grid.T[::-1],
                s=26,
                c="white",
                marker="s",
                edgecolors="black",
                linewidths=0.8,
                zorder=3,
                label="U-Net: the regular grid",
            )
            if summary["network"] == "dunet":
                y, x = np.stack([grid, positions]).transpose(2, 0, 1)
                panel.plot(x, y, color="white", linewidth=1.2, path_effects=outlined, zorder=2)
                panel.scatter(
                    *positions.T[::-1],
                    s=44,
                    color=_BLUES[1],
                    edgecolors="white",
                    linewidths=0.8,
                    zorder=4,
                    label="dU-Net",
                )
            _title(
                panel,
                layer,
                f"stride {layer['stride']}, channels {layer['in_channels']} → {layer['out_channels']}",
            )
        _show_surroundings(panels[3, 0], summary, image, halves["D1.2"])
        panels[3, 3].set_axis_off()
        _head(figure, summary, "Where every 3x3 convolution samples for one pixel")
        _legend(figure, panels[0, 0])
    return png.getvalue()


def draw_magnitudes(
    summary: Mapping[str, Any], magnitudes: Mapping[str, NDArray[np.float32]], image: NDArray[np.uint8]
) -> bytes:
    """How far every layer shifts its taps, all over the part of the image that went through the network.

    Parameters
    ----------
    summary : mapping
        From `drepano.experiments.offsets.summarise_offsets`.
    magnitudes : mapping of str to (H, W) float array
        Of every layer: mean over the taps of the length of their shift, px of its feature map.
    image : (H, W, 3) uint8 array

    Returns
    -------
    bytes
        PNG: fourteen maps of one scale of colour, a row a level, and the image.
    """
    window = summary["window"]
    zoom_y, zoom_x = summary["image_px_per_network_px"]
    ratio = (window["bottom"] - window["top"]) / (window["right"] - window["left"])
    largest = max(float(values.max()) for values in magnitudes.values())
    with _figure(4 * _PANEL, 4 * (_PANEL * min(max(ratio, 0.3), 2.0) + 0.35)) as (figure, png):
        panels = figure.subplots(4, 4)
        for layer in summary["layers"]:
            panel = panels[_PANELS[layer["name"]]]
            values, stride = magnitudes[layer["name"]], layer["stride"]
            right = window["left"] + values.shape[1] * stride * zoom_x
            bottom = window["top"] + values.shape[0] * stride * zoom_y
            map_of_layer = panel.imshow(
                values,
                cmap="viridis",
                vmin=0,
                vmax=largest or 1,
                extent=(window["left"], right, bottom, window["top"]),
                interpolation="nearest",
            )
            mean, saturated = layer["mean_magnitude"], 100 * layer["saturated_share"]
            _title(panel, layer, f"mean {mean:.2f} px, {saturated:.1f} % saturated")
        _show(panels[3, 0], image, window["top"], window["left"], window["bottom"], window["right"])
        _mark(panels[3, 0], np.array(summary["pixel"]), area=70)
        panels[3, 0].set_title("the image and the pixel", loc="left")
        for panel in panels.ravel():
            panel.set(xlim=(window["left"], window["right"]), ylim=(window["bottom"], window["top"]))
            panel.set(xticks=[], yticks=[])
        panels[3, 3].set_axis_off()
        _head(figure, summary, "How far every 3x3 convolution shifts its taps")
        _legend(figure, panels[3, 0])
        colours = panels[3, 3].inset_axes((0.03, 0.5, 0.94, 0.08))
        figure.colorbar(map_of_layer, cax=colours, orientation="horizontal")
        colours.set_title("mean shift of the nine taps,\npx of the layer's feature map", loc="left")
        limit = summary["saturated_above"]
        colours.set_xlabel(f"saturated: |tanh| of the offset above {limit:g}", loc="left", fontsize=9)
    return png.getvalue()


def _scale(summary: Mapping[str, Any]) -> float:
    """Px of the image for one that the network sees."""
    return float(max(summary["image_px_per_network_px"]))


def _show(
    panel: Axes, image: NDArray[np.uint8], top: float, left: float, bottom: float, right: float
) -> None:
    """The image between these edges, px; beyond its own edge the panel is grey."""
    from matplotlib.ticker import MaxNLocator

    height, width = image.shape[:2]
    first_row, first_column = max(0, round(top)), max(0, round(left))
    last_row, last_column = min(height, round(bottom) + 1), min(width, round(right) + 1)
    panel.imshow(
        image[first_row:last_row, first_column:last_column],
        extent=(first_column - 0.5, last_column - 0.5, last_row - 0.5, first_row - 0.5),
        interpolation="nearest",
    )
    panel.set(xlim=(left, right), ylim=(bottom, top), facecolor="0.85")
    panel.tick_params(labelsize=8, length=2)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _show_around(panel: Axes, image: NDArray[np.uint8], centre: NDArray, half: float) -> None:
    """The image for `half` px around a position."""
    _show(panel, image, *(centre - half), *(centre + half))


def _show_surroundings(
    panel: Axes, summary: Mapping[str, Any], image: NDArray[np.uint8], half: float
) -> None:
    """The image around the pixel, and a frame around the `half` px of it that other panels show."""
    from matplotlib.patches import Rectangle

    pixel = np.array(summary["pixel"])
    reach = max(_SURROUNDINGS * _scale(summary), 2 * half)
    # At the image's edge the view moves inwards, as far as the frame stays in it.
    least, most = reach - half - 0.5, np.array(image.shape[:2]) - 0.5 - (reach - half)
    _show_around(panel, image, np.where(least < most, pixel.clip(least, most), pixel), reach)
    corner = (pixel[1] - half, pixel[0] - half)
    for colour, width in (("white", 3.5), (_RED, 1.8)):
        panel.add_patch(Rectangle(corner, 2 * half, 2 * half, fill=False, color=colour, linewidth=width))
    panel.set_title("the pixel's surroundings", loc="left")


def _mark(panel: Axes, pixel: NDArray, area: float, zorder: float = 2) -> None:
    panel.scatter(
        pixel[1],
        pixel[0],
        s=area,
        color=_RED,
        edgecolors="white",
        linewidths=1.2,
        zorder=zorder,
        label="the pixel",
    )


def _title(panel: Axes, layer: Mapping[str, Any], text: str) -> None:
    panel.set_title(layer["name"], loc="left", fontweight="bold")
    panel.set_title(text, loc="right", fontsize=9)


def _head(figure: Figure, summary: Mapping[str, Any], title: str) -> None:
    image, model = (shorten(printable(summary[key]), _LONGEST_NAME) for key in ("image", "model"))
    y, x = summary["pixel"]
    if summary["network"] == "dunet":
        scope = f"{summary['scope']:g}"
        kind = f"a dU-Net of scope {scope}: taps shift by up to {scope} px of the feature map along y and x"
    else:
        kind = "a plain U-Net: no shifts, every kernel samples the regular grid"
    width, height = figure.get_size_inches()
    left = _MARGIN / width
    figure.text(left, 1 - 0.12 / height, title, fontsize=15, fontweight="bold", va="top")
    what = f"{image}, pixel y {y}, x {x}\n{model}, {kind}"
    figure.text(left, 1 - 0.46 / height, what, va="top", linespacing=1.4, parse_math=False)
    figure.text(
        left, 0.12 / height, f"{summary['window']['about']} {_NAMES_OF_LAYERS}", fontsize=9, color="0.35"
    )


def _legend(figure: Figure, panel: Axes) -> None:
    handles, labels = panel.get_legend_handles_labels()
    corner = (0, 0.3 / figure.get_figheight())
    figure.legend(handles, labels, loc="lower left", bbox_to_anchor=corner, ncols=len(labels), frameon=False)


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, io.BytesIO]]:
    """A figure with room for panels of that size in inches, written as PNG when the block ends."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    whole = height + _HEAD + _FOOT
    side = _MARGIN / width
    layout = ConstrainedLayoutEngine(rect=(side, _FOOT / whole, 1 - 2 * side, height / whole))
    figure = Figure(figsize=(width, whole), dpi=_DOTS, layout=layout)
    FigureCanvasAgg(figure)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield figure, png
        figure.savefig(png, format="png")
