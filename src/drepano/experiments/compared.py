"""What methods are compared in, pair by pair: every figure with how it is read from a field's result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drepano.experiments.results import (
    AUC,
    DETECTION,
    FOUND,
    FOUND_CELLS,
    OF_FOUND_CELLS,
    PER_CLASS,
    PIECES,
    TOGETHER,
    number,
    number_of_errors,
    third_error,
)

OF_CLASS = "dice of "
"""Begins the name of the Dice of a single class: "dice of Grl"."""
CROPS, RECALL = "crops", "mean recall"
"""On single crops: the share that is given the right class, and the mean over classes of each one's share."""
_LARGER_IS_BETTER = ("dice", "jaccard", "surface_dice", AUC, *DETECTION, CROPS, RECALL)


@dataclass(frozen=True)
class FieldFigure:
    """A figure of one field.

    Parameters
    ----------
    read : callable
        From the field's part of a result to its values, one a class or a single one, NaN where undefined.
    needs : str
        What it is read from, which results of earlier versions may lack.
    """

    read: Callable[[dict[str, Any]], list[float]]
    needs: str


def field_figures(classes: Sequence[str]) -> dict[str, FieldFigure]:
    """All figures of fields that methods are compared in, by name.

    Parameters
    ----------
    classes : sequence of str
        Background first. Where cells are one class, figures of classes are of that one alone, and there are
        no cells of two classes.
    """
    binary = len(classes) == 2
    places = range(int(binary), len(classes))
    errors = ("joined", "artefacts", *dict.fromkeys(("incomplete", third_error(classes))), TOGETHER, "missed")
    figures = {name: _of_classes(name, places) for name in (*PER_CLASS, AUC)}
    figures |= {error: _errors(error, classes, PIECES) for error in errors}
    for error in (*OF_FOUND_CELLS, TOGETHER):
        figures[f"{FOUND}{error}"] = _errors(error, classes, FOUND_CELLS)
    figures |= {name: _single(name) for name in DETECTION}
    if not binary:
        for place, name in enumerate(classes[1:], start=1):
            figures[f"{OF_CLASS}{name}"] = _of_classes("dice", [place])
    return figures


def _of_classes(name: str, places: Sequence[int]) -> FieldFigure:
    return FieldFigure(lambda field: [number(field[name][place]) for place in places], name)


def _errors(error: str, classes: Sequence[str], counted_on: str) -> FieldFigure:
    return FieldFigure(lambda field: [number_of_errors(field, error, classes, counted_on)], counted_on)


def _single(name: str) -> FieldFigure:
    return FieldFigure(lambda field: [number(field[name])], name)


def larger_is_better(figure: str) -> bool:
    """Of a figure by its name; of distances and errors smaller is."""
    return figure.startswith(_LARGER_IS_BETTER)
