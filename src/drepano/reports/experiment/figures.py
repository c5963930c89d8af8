"""Figures of an experiment as PNG, drawn from its JSON."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drepano.experiments.compared import CROPS, RECALL, larger_is_better
from drepano.experiments.results import FOUND, TOGETHER
from drepano.experiments.statistics import BETTER, NO_INTERVAL, NOT_TOLD_APART, WORSE
from drepano.methods import METHODS
from drepano.reports.experiment.pairs import heading_and_digits
from drepano.reports.svg import hexadecimal
from drepano.taxonomy import Taxonomy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
"""Okabe and Ito's, which colour-blind readers can tell apart; line styles tell more than eight apart."""
_STYLES = ("-", "--", ":", "-.")
_INCHES, _DOTS = 4.2, 150
_DISTANCES = ("hausdorff", "hausdorff95", "surface_dice")
_DRAWN_PAIRS = ("dice", TOGETHER, f"{FOUND}{TOGETHER}", *_DISTANCES, CROPS, RECALL)
_OF_VERDICT = {BETTER: "#0072B2", WORSE: "#D55E00", NOT_TOLD_APART: "#777777", NO_INTERVAL: "#bbbbbb"}
_SPAN_OF_PAIRS = 3.0
"""How far a panel of pairs reaches, in medians of how far its intervals do."""
_FEWEST_OF_BIN = 1e-4
"""Share of all pixels."""
_LEAST_SPAN = 0.02
"""Of the Dice that a learning curve shows: thousandths shall not look like a rise or a fall."""


def draw_roc(summary: dict[str, Any]) -> bytes:
    """ROC of every class of cells, a line a method (the paper's Fig. 5)."""
    classes = summary["classes"][1:]
    figure, panels = _panels(len(classes), legend=True)
    for place, (panel, name) in enumerate(zip(panels, classes, strict=True), start=1):
        for number, (method, results) in enumerate(summary["methods"].items()):
            roc, auc = results["roc"][place], results["auc"][name]["mean"]
            label = f"{METHODS[method]} ({auc:.3f})"
            if roc["true_positive_rate"]:
                panel.plot(
                    roc["false_positive_rate"], roc["true_positive_rate"], label=label, **_line(number)
                )
        panel.set_xscale("symlog", linthresh=1e-3)
        panel.set(xlim=(0, 1), ylim=(0, 1.01), title=name, xlabel="false positive rate")
        panel.set_ylabel("true positive rate")
        if panel.lines:
            panel.legend(
                title="AUC", fontsize=7, title_fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5)
            )
    return _as_png(figure)


def draw_confusion(summary: dict[str, Any]) -> bytes:
    """Confusion matrix of pixels of every method: the share of each true class's pixels."""
    classes, methods = summary["classes"], summary["methods"]
    figure, panels = _panels(len(methods), square=True)
    for panel, (method, results) in zip(panels, methods.items(), strict=True):
        counts = np.array(results["confusion"], float)
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
        panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            ink = "white" if share > 0.6 else "black"
            panel.text(column, row, f"{100 * share:.1f}", ha="center", va="center", color=ink, fontsize=7)
        panel.set_xticks(range(len(classes)), classes, rotation=30, ha="right", fontsize=7)
        panel.set_yticks(range(len(classes)), classes, fontsize=7)
        panel.set_title(METHODS[method], fontsize=9)
        panel.set(xlabel="predicted", ylabel="true")
    figure.suptitle("Share of each true class's pixels, %", fontsize=10)
    return _as_png(figure)


def draw_calibration(summary: dict[str, Any]) -> bytes:
    """Share of pixels that are right against the probability of their class, a line a method.

    Bins with less than one in 10 000 of a method's pixels say nothing and are left out.
    """
    figure, (panel,) = _panels(1, legend=True)
    panel.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
    lowest = 1.0
    for number, (method, results) in enumerate(summary["methods"].items()):
        bins = results["calibration"]
        enough = np.array(bins["pixels"]) >= _FEWEST_OF_BIN * sum(bins["pixels"])
        confidence, right = (np.array(bins[name], float)[enough] for name in ("confidence", "right"))
        error = results["calibration_error"]["mean"]
        panel.plot(confidence, right, marker=".", label=f"{METHODS[method]} ({error:.4f})", **_line(number))
        lowest = min(lowest, np.nanmin(np.r_[confidence, right, 1.0]))
    panel.set(xlim=(lowest - 0.02, 1), ylim=(lowest - 0.02, 1))
    panel.set(xlabel="probability of the class given", ylabel="share that is right")
    figure.legend(title="calibration error", fontsize=7, title_fontsize=7, loc="outside right center")
    return _as_png(figure)


def draw_validation(curves: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> bytes:
    """Loss on the inner validation fields during training, a line a job, a dot a look: has it flattened?

    Parameters
    ----------
    curves : mapping of method to trainings, each with its ``steps`` and ``losses``
    """
    figure, panels = _panels(len(curves))
    losses = [loss for lines in curves.values() for line in lines for loss in line["losses"]]
    for number, (panel, (method, lines)) in enumerate(zip(panels, curves.items(), strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        for line in lines:
            panel.plot(line["steps"], line["losses"], ".-", color=colour, linewidth=0.8, alpha=0.7)
        panel.set(title=METHODS[method], xlabel="step", ylabel="validation loss", yscale="log")
        panel.set_ylim(0.9 * min(losses), 1.1 * max(losses))
    return _as_png(figure)


def draw_differences(differences: Sequence[Mapping[str, Any]]) -> bytes:
    """The first method less every other, with intervals: a panel a figure, a row a method.

    Of ten methods one may be far behind all others. A mean beyond a panel is written at its edge, an arrow
    there is the end of an interval that goes on.

    Parameters
    ----------
    differences : sequence of mappings
        From `drepano.experiments.differences.method_differences`, at least one.
    """
    from matplotlib.lines import Line2D

    first = differences[0]["first"]
    of_first = [one for one in differences if one["first"] == first]
    others = list(dict.fromkeys(one["second"] for one in of_first))
    shown = [name for name in _DRAWN_PAIRS if any(one["figure"] == name for one in of_first)]
    figure, panels = _panels(len(shown), rows_of_text=len(others))
    for panel, name in zip(panels, shown, strict=True):
        _draw_pairs(panel, [one for one in of_first if one["figure"] == name], others)
        title, _ = heading_and_digits(name)
        better = "right" if larger_is_better(name) else "left"
        panel.set_title(f"{title}\n({better} is better)", fontsize=8)
        panel.set_yticks(range(len(others)), [METHODS[other] for other in others], fontsize=7)
        panel.set_ylim(len(others) - 0.5, -0.5)
    verdicts = {one["verdict"] for one in of_first if one["figure"] in shown}
    said = [verdict for verdict in _OF_VERDICT if verdict in verdicts]
    entries = [Line2D([], [], color=_OF_VERDICT[verdict], marker="o", label=verdict) for verdict in said]
    figure.suptitle(f"{METHODS[first]} less the method of the row, 95 % intervals", fontsize=10)
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), fontsize=8)
    return _as_png(figure)


def _draw_pairs(panel: Any, pairs: Sequence[Mapping[str, Any]], others: Sequence[str]) -> None:
    """Of one figure a dot and an interval in the row of each of the `others`."""
    ends = np.array([[one["mean"], one["low"], one["high"]] for one in pairs])
    limit = _SPAN_OF_PAIRS * np.median(np.nanmax(np.abs(ends), axis=1))
    left, right = (np.clip(end, -limit, limit) for end in (np.nanmin(ends), np.nanmax(ends)))
    left, right = min(left, 0), max(right, 0)
    margin = 0.05 * (right - left) or 1.0
    digits = heading_and_digits(pairs[0]["figure"])[1]
    for one in pairs:
        colour, row, mean = _OF_VERDICT[one["verdict"]], others.index(one["second"]), one["mean"]
        if left <= mean <= right:
            ends_here = np.clip([one["low"], one["high"]], left, right)
            panel.plot(ends_here, [row, row], color=colour, linewidth=2, solid_capstyle="butt")
            panel.plot(mean, row, "o", color=colour, markersize=5)
            if one["low"] < left:
                panel.plot(left, row, "<", color=colour, markersize=5)
            if one["high"] > right:
                panel.plot(right, row, ">", color=colour, markersize=5)
        elif mean < left:
            panel.text(left, row, f"\u25c0 {mean:+.{digits}f}", color=colour, va="center", fontsize=7)
        else:
            text = f"{mean:+.{digits}f} \u25b6"
            panel.text(right, row, text, color=colour, va="center", ha="right", fontsize=7)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_xlim(left - margin, right + margin)
    panel.locator_params(axis="x", nbins=5)
    panel.tick_params(axis="x", labelsize=7)


def draw_learning_curve(summary: dict[str, Any]) -> bytes:
    """Dice against the number of training fields (the paper's Fig. 7); bars are one SD over seeds."""
    figure, (panel,) = _panels(1)
    for number, (method, curve) in enumerate(summary["curves"].items()):
        sizes = sorted(map(int, curve))
        points = [curve[str(size)] for size in sizes]
        panel.errorbar(
            sizes,
            [point["mean"] for point in points],
            [np.nan_to_num(point["sd_over_seeds"]) for point in points],
            label=METHODS[method],
            marker="o",
            capsize=3,
            **_line(number),
        )
    panel.set_xscale("log")
    every = sorted({int(size) for curve in summary["curves"].values() for size in curve})
    panel.set_xticks(every, [str(size) for size in every])
    panel.minorticks_off()
    low, high = panel.get_ylim()
    margin = max(0.0, (_LEAST_SPAN - (high - low)) / 2)
    panel.set(xlabel="training fields", ylabel="Dice on the test fields", ylim=(low - margin, high + margin))
    panel.legend()
    return _as_png(figure)


def draw_maps(
    image: NDArray[np.uint8],
    true: NDArray[np.uint8],
    maps: Mapping[str, NDArray[np.uint8]],
    taxonomy: Taxonomy,
) -> bytes:
    """One field, its truth and the class map of every method side by side (the paper's Fig. 6)."""
    from matplotlib.patches import Patch

    palette = np.array(taxonomy.colours, np.uint8)
    pictures = {"field": image, "truth": palette[true]}
    pictures |= {METHODS[method]: palette[classes] for method, classes in maps.items()}
    figure, panels = _panels(len(pictures), square=True)
    for panel, (title, picture) in zip(panels, pictures.items(), strict=True):
        panel.imshow(picture)
        panel.set_title(title, fontsize=9)
        panel.set_axis_off()
    entries = [
        Patch(color=hexadecimal(colour), label=name)
        for name, colour in zip(taxonomy.cell_classes, taxonomy.colours[1:], strict=True)
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), fontsize=8)
    return _as_png(figure)


def _panels(
    count: int, square: bool = False, legend: bool = False, rows_of_text: int | None = None
) -> tuple[Figure, list[Any]]:
    """`legend` leaves room for one at the right of each, `rows_of_text` makes each as high as these."""
    from matplotlib.figure import Figure

    columns = min(count, 2 if legend or count == 4 else 3)
    rows = -(-count // columns)
    width = _INCHES * (1.8 if legend else 1)
    height = _INCHES * (0.9 if square else 0.85) if rows_of_text is None else 1.1 + 0.22 * rows_of_text
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained", dpi=_DOTS)
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, panels[:count]


def _line(number: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _STYLES[number // len(_COLOURS) % len(_STYLES)],
        "linewidth": 1.4,
    }


def _as_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
