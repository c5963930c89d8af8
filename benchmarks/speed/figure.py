"""Draw the comparison from its result file: python -m benchmarks.speed.figure speed.json speed.png"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from benchmarks.speed.peers import OUR_UNET, OURS
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

_HIGHLIGHTED = {OURS: "#0072B2", OUR_UNET: "#56B4E9"}
_DUNET, _UNET = "#8C8C8C", "#C9C9C9"


def draw(results: dict[str, Any], path: Path) -> None:
    """Median times, forward pass and training step side by side."""
    works = [work for work in ("forward", "training step") if work in results]
    plt.rcParams |= {"font.size": 9, "font.family": "DejaVu Sans"}
    figure, axes = plt.subplots(1, len(works), figsize=(9, 3.7), squeeze=False, layout="constrained")
    for panel, work in zip(axes[0], works, strict=True):
        _draw_bars(panel, results[work])
        title = "Forward pass" if work == "forward" else "Training step"
        panel.set_title(title, loc="left", weight="bold", fontsize=10)
    machine = results["conditions"]["machine"]
    side = results["plan"]["side"]
    figure.supxlabel(
        f"ms (logarithmic), median; {side} x {side} px, batch 1, float32; {machine['cpu']}, "
        f"threads: {machine['cores']}. In brackets: times our dU-Net",
        fontsize=8.5,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=200)


def _draw_bars(axes: Axes, peers: dict[str, dict[str, Any]]) -> None:
    # A peer with a note, as bf16 on a machine without it, is in the table only.
    measured = {
        name: 1000 * row["median_s"] for name, row in peers.items() if "median_s" in row and not row["note"]
    }
    names = sorted(measured, key=lambda name: (name.startswith("U-Net"), measured[name]))
    times = [measured[name] for name in names]
    colours = [_HIGHLIGHTED.get(name, _UNET if name.startswith("U-Net") else _DUNET) for name in names]
    axes.barh(range(len(names)), times, color=colours, height=0.72)
    axes.set_xscale("log")
    smallest, largest = min(times), max(times)
    axes.set_xlim(smallest / 3, largest * (largest / smallest) ** 0.45)
    for place, (name, time) in enumerate(zip(names, times, strict=True)):
        ratio = f" ({time / measured[OURS]:.2g}x)" if OURS in measured and name != OURS else ""
        weight = "bold" if name == OURS else "normal"
        number = f"{time:.0f}" if time >= 100 else f"{time:.3g}"
        axes.text(time * 1.06, place, f"{number}{ratio}", va="center", fontsize=8.5, weight=weight)
    axes.set_yticks(range(len(names)), names)
    for name, label in zip(names, axes.get_yticklabels(), strict=True):
        label.set_weight("bold" if name == OURS else "normal")
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", length=0)
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
