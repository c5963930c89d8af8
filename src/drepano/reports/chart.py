"""The share of each class in each field, as a drawing for a web page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drepano.reports.lettering import printable, shorten
from drepano.reports.svg import INK, add_legend, as_inline, drawing, hexadecimal
from drepano.taxonomy import Colour, Taxonomy

if TYPE_CHECKING:
    import pandas as pd

_ROW_HEIGHT = 0.29  # inches
_HEAD_HEIGHT = 0.85  # inches, for the legend and the axis
_LONGEST_NAME = 22  # letters
_NARROWEST_LABELLED = 0.06  # share of cells below which a bar has no room for its number


def class_fractions_svg(summary: pd.DataFrame, taxonomy: Taxonomy) -> str:
    """Stacked horizontal bars: the share of each class among the cells of each field, and of all places.

    Parameters
    ----------
    summary : DataFrame
        One row a field: `field` (str), `<class> cells` (int) for each cell class, and `place` where several
        may show the same one.
    taxonomy : Taxonomy
        The classes and their colours.

    Returns
    -------
    str
        An ``<svg>`` element to put into a web page. Its letters are text in the reader's own font and in
        the colour of the text around it. The same summary gives the same string.
    """
    from matplotlib.patches import Patch

    from drepano.cells import counts_by_place

    names = list(taxonomy.cell_classes)
    counts = summary[[f"{name} cells" for name in names]].to_numpy(dtype=float)
    labels = ["all fields", *(shorten(printable(str(field)), _LONGEST_NAME) for field in summary["field"])]
    rows = [counts_by_place(summary, names).sum().to_numpy(), *counts]
    totals = [row.sum() for row in rows]
    # The row of all fields stands half a row apart.
    heights = [0.0, *(row + 0.5 for row in range(1, len(labels)))]

    with drawing(_HEAD_HEIGHT + _ROW_HEIGHT * (len(labels) + 0.5)) as figure:
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        for height, row, total in zip(heights, rows, totals, strict=True):
            if total == 0:
                axes.text(0.01, height, "no cells", color=INK, va="center", style="italic", alpha=0.7)
                continue
            left = 0.0
            for count, colour in zip(row, taxonomy.colours[1:], strict=True):
                if count == 0:
                    continue
                share = count / total
                axes.barh(height, share, left=left, height=0.78, color=hexadecimal(colour), clip_on=False)
                if share >= _NARROWEST_LABELLED:
                    middle = left + share / 2
                    axes.text(
                        middle, height, f"{100 * share:.0f}", color=_ink_on(colour), ha="center", va="center"
                    )
                left += share
        axes.set_xlim(0, 1)
        axes.set_ylim(heights[-1] + 0.6, -0.6)
        axes.set_yticks(heights, labels, parse_math=False, color=INK)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"], color=INK)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        add_legend(figure, [Patch(color=hexadecimal(colour)) for colour in taxonomy.colours[1:]], names)
        return as_inline(figure, "Share of each class of cells")


def _ink_on(colour: Colour) -> str:
    """Black or white, whichever is easier to read on `colour`."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 97 else "white"
