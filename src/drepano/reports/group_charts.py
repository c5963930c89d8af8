"""Shares of classes in every group of fields with their intervals, and how they change with time."""

from __future__ import annotations

from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from drepano.reports.lettering import printable, shorten
from drepano.reports.svg import INK, add_legend, as_inline, drawing, hexadecimal
from drepano.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

_HEAD_HEIGHT = 0.85  # inches, for the legend and the axis
_CLASS_HEIGHT = 0.16  # inches
_LONGEST_NAME = 26  # letters
_TIME_HEIGHT, _NAMES_HEIGHT = 2.8, 0.2  # inches, without the legend and for a line of it
_LINE_COLOURS = ("#e69f00", "#0072b2", "#8c8c8c", "#aa3377")
"""Four that colour-blind readers tell apart, none that of a class: a line is a patient here."""
_MARKERS = "osD^vP*"  # one more would repeat with the colours after eight lines


def group_shares_svg(labels: list[str], groups: pd.DataFrame, taxonomy: Taxonomy) -> str:
    """For every group a dot a class with its 95 % interval over fields, dotted where only Wilson's is known.

    Parameters
    ----------
    labels : list of str
        Names of the groups.
    groups : pandas.DataFrame
        From `drepano.cells.summarise_groups`.
    taxonomy : Taxonomy

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    names = taxonomy.cell_classes
    step = len(names) + 1.5
    with drawing(_HEAD_HEIGHT + _CLASS_HEIGHT * step * len(labels)) as figure:
        axes = _plain_axes(figure)
        dots: list[Any] = []
        for index, (name, colour) in enumerate(zip(names, taxonomy.colours[1:], strict=True)):
            heights = step * np.arange(len(labels)) + index
            for height, (_, row) in zip(heights, groups.iterrows(), strict=True):
                low, high, over_fields = _ends(row, name)
                style = "-" if over_fields else ":"
                axes.plot([low, high], [height, height], style, color=hexadecimal(colour), linewidth=2)
            dots += axes.plot(
                groups[f"{name} fraction"], heights, "o", color=hexadecimal(colour), markersize=5
            )
        middles = step * np.arange(len(labels)) + (len(names) - 1) / 2
        shown = [shorten(printable(label), _LONGEST_NAME) for label in labels]
        axes.set_yticks(middles, shown, parse_math=False, color=INK)
        axes.set_ylim(step * len(labels) - 1, -1)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"], color=INK)
        axes.grid(axis="x", color=INK, alpha=0.15)
        add_legend(figure, dots, names)
        return as_inline(figure, "Share of each class of cells with its interval, by group")


def time_course_svg(courses: dict[str, pd.DataFrame], time: str, unit: str, name: str) -> str:
    """The share of one class against time, a line a course, bars the 95 % intervals; dashed where corrected.

    Bars are dotted where only the binomial interval is known.

    Parameters
    ----------
    courses : dict of str to pandas.DataFrame
        Rows of `drepano.cells.summarise_groups` in order of time, with that column as numbers.
    time : str
        Its name.
    unit : str
        Of the times, "" where they have none.
    name : str
        The class.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    with drawing(_TIME_HEIGHT + _NAMES_HEIGHT * ceil(len(courses) / 2)) as figure:
        axes = _plain_axes(figure)
        lines: list[Any] = []
        for course, colour, marker in zip(courses.values(), cycle(_LINE_COLOURS), cycle(_MARKERS)):
            times, share = course[time].to_numpy(), course[f"{name} fraction"].to_numpy()
            lines += axes.plot(times, share, marker=marker, color=colour, linewidth=1.5)
            for at, middle, (_, row) in zip(times, share, course.iterrows(), strict=True):
                low, high, over_fields = _ends(row, name)
                reach = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
                bars = axes.errorbar(at, middle, reach, fmt="none", ecolor=colour, capsize=2)
                for bar in bars.lines[2]:
                    bar.set_linestyle("-" if over_fields else ":")
            if f"{name} corrected" in course:
                axes.plot(
                    times,
                    course[f"{name} corrected"].to_numpy(),
                    "--",
                    marker=marker,
                    markerfacecolor="none",
                    color=colour,
                    linewidth=1,
                )
        axes.set_ylim(0, None)
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.tick_params(colors=INK)
        axes.set_xlabel(printable(f"{time}, {unit}" if unit else time), color=INK, parse_math=False)
        axes.grid(color=INK, alpha=0.15)
        add_legend(figure, lines, [shorten(printable(label), _LONGEST_NAME) for label in courses], columns=2)
        return as_inline(figure, f"Share of {name} against {printable(time)}")


def _ends(row: pd.Series, name: str) -> tuple[float, float, bool]:
    """Interval over fields, or the binomial one where there is none, and whether it is over fields."""
    over_fields = bool(np.isfinite(row[f"{name} low"]))
    kind = "" if over_fields else "binomial "
    return float(row[f"{name} {kind}low"]), float(row[f"{name} {kind}high"]), over_fields


def _plain_axes(figure: Any) -> Any:
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes
