"""Numbers and model cards as a reader wants to see them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MISSING = "–"

_HEADINGS = {"cell_diameter": "Cell diameter, px", "data": "Trained on"}


def whole(number: float) -> str:
    """A count with its thousands apart; a dash where it is not a number."""
    return MISSING if math.isnan(number) else f"{number:,.0f}"


def percentage(fraction: float) -> str:
    """A fraction of 1 as per cent with one decimal; a dash where it is not a number."""
    return MISSING if math.isnan(fraction) else f"{100 * fraction:.1f} %"


def plural(number: int, noun: str) -> str:
    """A count and what it counts.

    Examples
    --------
    >>> plural(1, "cell"), plural(2000, "cell")
    ('1 cell', '2,000 cells')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def heading(key: object) -> str:
    """A key of a model card as words, with the unit where it has one.

    Examples
    --------
    >>> heading("learning_rate"), heading("cell_diameter")
    ('Learning rate', 'Cell diameter, px')
    """
    name = str(key)
    words = name.replace("_", " ")
    return _HEADINGS.get(name, words[:1].upper() + words[1:])


def value(entry: object) -> str:
    """A single value of a model card as text: numbers with four digits, no value as a dash."""
    if entry is None or entry == "" or entry == [] or entry == ():
        return MISSING
    if isinstance(entry, bool):
        return "yes" if entry else "no"
    if isinstance(entry, float):
        return MISSING if math.isnan(entry) else f"{entry:.4g}"
    return str(entry)


def is_table(entry: object) -> bool:
    """Whether a value of a model card is a list of records, to be shown as a table."""
    return isinstance(entry, list | tuple) and bool(entry) and all(isinstance(row, Mapping) for row in entry)


def columns(records: Sequence[Mapping[str, object]]) -> list[str]:
    """Keys of all records, in the order in which they first appear."""
    return list(dict.fromkeys(key for record in records for key in record))
