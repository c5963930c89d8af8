"""Drawings by matplotlib as part of a web page, in the page's own font and colour."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drepano.taxonomy import Colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"  # stands for the colour of the page's text, which a dark page makes light
_WIDTH = 5.0  # inches, so that the letters can be read on a phone


@contextmanager
def drawing(height: float) -> Iterator[Figure]:
    """A transparent figure of that height in inches, in the settings under which `as_inline` writes it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with (
        matplotlib.rc_context({"svg.hashsalt": "drepano", "svg.fonttype": "none", "font.size": 9}),
        warnings.catch_warnings(),
    ):
        # The reader's fonts draw the letters, so it does not matter which of them matplotlib's own has.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        yield figure


def as_inline(figure: Figure, label: str) -> str:
    """The figure as an ``<svg>`` element without what a web page does not need.

    Parameters
    ----------
    figure : Figure
        From `drawing`, still within its ``with``.
    label : str
        What it shows, for readers who cannot see it.

    Returns
    -------
    str
        Its letters are text in the reader's own font, `INK` is the colour of the text around it. The same
        figure gives the same string.
    """
    written = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(written, format="svg", metadata=nothing)
    document = written.getvalue()
    element = document[document.index("<svg") :].strip()
    element = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", element, count=2)
    element = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", element, count=1, flags=re.DOTALL)
    element = re.sub(r"font-family: [^;]*; ", "", element)
    element = element.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return element.replace(INK, "currentColor")


def add_legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int = 4) -> None:
    """Names above the drawing, as they are: no formulas, none left out for how it begins."""
    legend = figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        labelcolor=INK,
        handlelength=1.5,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def hexadecimal(colour: Colour) -> str:
    """A colour as matplotlib and CSS take it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
