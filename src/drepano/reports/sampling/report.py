"""What `drepano offsets` has traced, written: data, tables, figures and a page."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError
from drepano.io import ensure_writable_folder, write_bytes, write_text
from drepano.methods import METHODS
from drepano.reports.markdown import markdown_table
from drepano.reports.page import write_page
from drepano.reports.sampling.figures import draw_layers, draw_magnitudes, draw_sampling

_FIGURES = {
    "sampling": "What the pixel is made of",
    "layers": "Where every layer samples for it",
    "magnitude": "How far every layer shifts its taps",
}
"""Name of every figure's file, and its caption."""


def write_sampling(
    folder: Path,
    summary: Mapping[str, Any],
    magnitudes: Mapping[str, NDArray[np.float32]],
    image: NDArray[np.uint8],
) -> list[Path]:
    """Data first: ``offsets.json``, ``magnitudes.npz``; of these ``tables.md``, figures and ``report.html``.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    summary : mapping
        From `drepano.experiments.offsets.summarise_offsets`.
    magnitudes : mapping of str to (H, W) float32 array
        Of every layer, see `draw_magnitudes`; an array each of the ``npz``.
    image : (H, W, 3) uint8 array

    Returns
    -------
    list of Path
        All files, in the order written.

    Raises
    ------
    OutputError
        If the folder or a file cannot be written.
    DrepanoError
        If the folder has a file of that name of something else.
    """
    names = [
        "offsets.json",
        "magnitudes.npz",
        "tables.md",
        *(f"{name}.png" for name in _FIGURES),
        "report.html",
    ]
    others = [name for name in names if (folder / name).exists()]
    if others and names[0] not in others:
        raise DrepanoError(
            f"{folder / others[0]}: is of something else than drepano offsets; name another folder with --out"
        )
    ensure_writable_folder(folder)
    # Every position on a line of its own.
    text = re.sub(r"\[\s+([-\d.]+),\s+([-\d.]+)\s+\]", r"[\1, \2]", json.dumps(summary, indent=2))
    write_text(folder / "offsets.json", text)
    arrays: dict[str, Any] = dict(magnitudes)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_bytes(folder / "magnitudes.npz", packed.getvalue())
    markdown = sampling_markdown(summary)
    write_text(folder / "tables.md", markdown)
    drawn = (
        draw_sampling(summary, image),
        draw_layers(summary, image),
        draw_magnitudes(summary, magnitudes, image),
    )
    for name, png in zip(_FIGURES, drawn, strict=True):
        write_bytes(folder / f"{name}.png", png)
    write_page(folder / "report.html", markdown, dict(zip(_FIGURES.values(), drawn, strict=True)))
    return [folder / name for name in names]


def sampling_markdown(summary: Mapping[str, Any]) -> str:
    """Conditions, and of every layer how far it shifts its taps; from `summarise_offsets`."""
    y, x = summary["pixel"]
    scope = "a regular grid" if summary["scope"] is None else f"scope {summary['scope']:g} px"
    rows = [
        [
            layer["name"],
            str(layer["stride"]),
            f"{layer['in_channels']} to {layer['out_channels']}",
            f"{layer['mean_magnitude']:.3f}",
            f"{100 * layer['saturated_share']:.1f} %",
        ]
        for layer in summary["layers"]
    ]
    lines = [
        f"# Where {summary['model']} samples for row {y}, column {x} of {summary['image']}",
        "",
        f"- {METHODS[summary['network']]}, {scope}. {summary['window']['about']}",
        "- Layers: E1 to E3 on the way down, B at the bottom, D3 to D1 on the way up; .1 and .2 are the two "
        "convolutions of each.",
        f"- Saturated: |tanh| of the offset above {summary['saturated_above']:g}.",
        "",
        markdown_table(
            ["layer", "stride", "channels", "mean shift, px of its feature map", "saturated"], rows
        ),
    ]
    return "\n".join(lines) + "\n"
