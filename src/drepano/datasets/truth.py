"""What the truth of a field may have that is not meant so, before methods are measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from drepano.cells.instances import SPECK_SHARE, border_numbers
from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.errors import some_of
from drepano.field import Field

_CONTRADICTED = 0.1
"""Share of the cells' pixels in an instance map that are background in the class map, or the other way round,
from which on the two are not of one field."""


@dataclass(frozen=True)
class TruthFacts:
    """What a field's true cells may have that is not meant so.

    Parameters
    ----------
    field : str
        Its id.
    without_cells : bool
        Its class map has background only.
    contradictions : tuple of str
        Of the class map and the instance map, or with what a field can be; a line each.
    specks, cells : int
        True cells that are smaller than any cell and not cut by the border, and all true cells.
    """

    field: str
    without_cells: bool
    contradictions: tuple[str, ...]
    specks: int
    cells: int


def look_at_truth(source: FieldSource, field: Field, cell_diameter: float) -> TruthFacts:
    """What is to be known of a field before methods are measured on it; see `describe_truth`."""
    specks, cells = _count_specks(field, cell_diameter)
    without_cells = field.classes is not None and not field.classes.any()
    return TruthFacts(field.id, without_cells, _contradictions(source, field), specks, cells)


def describe_truth(dataset: FieldDataset, facts: Sequence[TruthFacts]) -> list[str]:
    """What the truth of a data set does to figures that are measured on it.

    Parameters
    ----------
    dataset : FieldDataset
    facts : sequence of TruthFacts
        Of every field.

    Returns
    -------
    list of str
        A line for each kind of doubt, mostly none.
    """
    lines = []
    if empty := [fact.field for fact in facts if fact.without_cells]:
        lines.append(
            f"data set {dataset.name}: {len(empty)} of {len(dataset)} fields have no labelled cell "
            f"({some_of(empty)}), so that all cells found there are errors; label their cells, if they show "
            "any"
        )
    if contradicted := [fact.field for fact in facts if fact.contradictions]:
        lines.append(
            f"data set {dataset.name}: {len(contradicted)} of {len(dataset)} fields have maps that cannot be "
            f"right ({some_of(contradicted)}), so that figures of cells mean little; drepano data check says "
            "what is wrong"
        )
    return [*lines, *describe_specks(dataset, facts)]


def describe_specks(dataset: FieldDataset, facts: Sequence[TruthFacts]) -> list[str]:
    """What specks do to figures; one line, or none."""
    specks, cells = (sum(getattr(fact, name) for fact in facts) for name in ("specks", "cells"))
    if specks == 0:
        return []
    area = ceil(SPECK_SHARE * np.pi / 4 * dataset.cell_diameter**2)
    return [
        f"data set {dataset.name}: {specks} of {cells} true cells are smaller than {area} px; remove "
        "them from the maps if they are specks, which count as cells that methods miss"
    ]


def describe_unnumbered_cells(dataset: FieldDataset) -> list[str]:
    """What is taken for true cells where their numbers are not known.

    Returns
    -------
    list of str
        One line, or none where all fields have instance maps.
    """
    count = sum(source.instances is None for source in dataset.sources)
    if count == 0:
        return []
    return [
        f"{count} of {len(dataset)} fields have no instance maps: what touches and has one class in their "
        "class maps is one true cell"
    ]


def _contradictions(source: FieldSource, field: Field) -> tuple[str, ...]:
    if source.category is not None or field.classes is None:
        return ()
    lines = []
    if field.classes.all():
        lines.append(
            f"{source.labels or source.instances}: every pixel is of a cell; give the background the "
            "value 0, or the one that [classes] names"
        )
    if source.labels is None or source.instances is None or field.instances is None:
        return tuple(lines)
    of_class, numbered = field.classes > 0, field.instances > 0
    without_class, without_number = numbered & ~of_class, of_class & ~numbered
    if without_class.sum() >= _CONTRADICTED * max(numbered.sum(), 1):
        lines.append(
            f"{source.instances}: {without_class.sum() / numbered.sum():.0%} of its cells' pixels are "
            f"background in {source.labels}; make the two maps of one field"
        )
    elif without_number.sum() >= _CONTRADICTED * max(of_class.sum(), 1):
        lines.append(
            f"{source.instances}: {without_number.sum() / of_class.sum():.0%} of the cells' pixels in "
            f"{source.labels} have no number in it; number all cells"
        )
    return tuple(lines)


def _count_specks(field: Field, cell_diameter: float) -> tuple[int, int]:
    """True cells that are smaller than any cell and not cut by the border, and all true cells."""
    if field.instances is None:
        return 0, 0
    areas = np.bincount(field.instances.ravel())
    areas[0] = 0
    is_whole = np.ones(len(areas), bool)
    is_whole[border_numbers(field.instances)] = False
    specks = is_whole & (areas > 0) & (areas < SPECK_SHARE * np.pi / 4 * cell_diameter**2)
    return int(specks.sum()), int(np.count_nonzero(areas))
