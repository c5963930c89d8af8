"""The legend under a picture: which colour is which class, and how many cells it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from drepano.reports.lettering import load_font, printable, shorten_to_width, wrap_to_width
from drepano.taxonomy import Colour, Taxonomy

UNCLASSIFIED = "no class"
UNCLASSIFIED_COLOUR: Colour = (40, 40, 40)

PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 28, 30)
FAINT_INK: Colour = (108, 108, 112)
WARNING_INK: Colour = (138, 70, 0)

_SMALLEST_LETTERS = 13  # px
_LETTERS_PER_LINE = 60  # of the em's width; sets the size of letters under large pictures
_NARROWEST_STRIP = 240  # px


@dataclass(frozen=True)
class LegendEntry:
    """One class in a legend: its name, its colour and the number of its cells."""

    name: str
    colour: Colour
    count: int


def class_colour(index: int | None, taxonomy: Taxonomy) -> Colour:
    """Colour of a cell of class `index`; a dark grey for none, background and unknown classes."""
    if index is None or not 0 < index < len(taxonomy):
        return UNCLASSIFIED_COLOUR
    return taxonomy.colours[index]


def legend_entries(classes: Iterable[int | None], taxonomy: Taxonomy) -> list[LegendEntry]:
    """Number of cells of each class.

    Parameters
    ----------
    classes : iterable of int or None
        The class of every cell, None where it has none.
    taxonomy : Taxonomy
        The classes.

    Returns
    -------
    list of LegendEntry
        One for each cell class, in the taxonomy's order and also where no cell has it; one more for
        cells without a class, where there are any.
    """
    counts = Counter(index if index is not None and 0 < index < len(taxonomy) else None for index in classes)
    entries = [
        LegendEntry(name, taxonomy.colours[index], counts[index])
        for index, name in enumerate(taxonomy.cell_classes, start=1)
    ]
    if counts[None]:
        entries.append(LegendEntry(UNCLASSIFIED, UNCLASSIFIED_COLOUR, counts[None]))
    return entries


def draw_legend(
    title: str, entries: Sequence[LegendEntry], width: int, warnings: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """A strip of paper with a title and, for each class, a swatch, the name and the count; warnings below.

    Parameters
    ----------
    title : str
        One line above the classes, shortened where it does not fit.
    entries : sequence of LegendEntry
        The classes, in as many lines as they need.
    width : int
        Width of the picture above, px.
    warnings : sequence of str
        Each in as many lines as it needs.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB; W is `width`, or 240 where that is less.
    """
    width = max(width, _NARROWEST_STRIP)
    size = max(_SMALLEST_LETTERS, round(width / _LETTERS_PER_LINE))
    font = load_font(size)
    margin, line_height, gap = size, round(1.7 * size), round(1.6 * size)
    room = width - 2 * margin

    lines: list[list[tuple[int, LegendEntry, str]]] = [[]]
    left = 0
    for entry in entries:
        text = shorten_to_width(f"{printable(entry.name)}  {entry.count}", font, room - 1.5 * size)
        entry_width = round(1.5 * size + font.getlength(text))
        if lines[-1] and left + entry_width > room:
            lines.append([])
            left = 0
        lines[-1].append((left, entry, text))
        left += entry_width + gap

    said = [line for warning in warnings for line in wrap_to_width(f"! {printable(warning)}", font, room)]
    height = 2 * margin + line_height * (1 + len(lines) + len(said)) - size // 2
    strip = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(strip)
    middle = margin + size // 2
    pen.text((margin, middle), shorten_to_width(printable(title), font, room), FAINT_INK, font, anchor="lm")
    for line in lines:
        middle += line_height
        for left, entry, text in line:
            swatch = (
                margin + left,
                middle - size // 2,
                margin + left + size - 1,
                middle - size // 2 + size - 1,
            )
            pen.rectangle(swatch, fill=entry.colour)
            pen.text((round(margin + left + 1.5 * size), middle), text, INK, font, anchor="lm")
    for text in said:
        middle += line_height
        pen.text((margin, middle), text, WARNING_INK, font, anchor="lm")
    return np.asarray(strip, dtype=np.uint8)


def stack(above: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two RGB pictures, one over the other, the narrower one widened with paper on its right."""
    width = max(above.shape[1], below.shape[1])
    page = np.full((above.shape[0] + below.shape[0], width, 3), PAPER, dtype=np.uint8)
    page[: above.shape[0], : above.shape[1]] = above
    page[above.shape[0] :, : below.shape[1]] = below
    return page
