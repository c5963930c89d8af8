"""Fields that show what another field of the run shows, so that their cells would count more than once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as attribute
from functools import partial

import numpy as np
from numpy.typing import NDArray

from drepano.cell_size import estimate_cell_diameter
from drepano.errors import DrepanoError, some_of
from drepano.io import read_image
from drepano.overlaps import find_overlaps, overlap_picture
from drepano.prediction.field_files import FieldFile
from drepano.prediction.samples import Samples
from drepano.segmenter import CellDiameter

Progress = Callable[[str, int, int], None]
"""Told a stage, and how much of how much of it is done."""


@dataclass(frozen=True)
class Repeats:
    """What fields show of others that come before them; all by the fields' names.

    Parameters
    ----------
    copies : dict
        For a field the first that is the same image, and of which group that is where it is another one.
    overlaps : dict
        For a field those of its group that show the same place, and the share of the smaller of the two that
        both show.
    """

    copies: dict[str, tuple[str, str]] = attribute(default_factory=dict)
    overlaps: dict[str, dict[str, float]] = attribute(default_factory=dict)

    def warning(self, field: str, counted: Collection[str]) -> str | None:
        """What to say of a field whose cells count as well as those of the fields `counted`."""
        copied, whose = self.copies.get(field, ("", ""))
        if copied in counted:
            return f"is the same image as {copied}{whose}; leave one of the two out"
        overlaps = {name: share for name, share in self.overlaps.get(field, {}).items() if name in counted}
        if not overlaps:
            return None
        by_share = sorted(overlaps.items(), key=lambda overlap: -overlap[1])
        named = [f"{name} ({share:.0%})" for name, share in by_share]
        return (
            f"shows the same place as {some_of(named)}: cells in both count twice; leave one field out, or "
            "give both one place in --samples"
        )


def find_repeats(
    fields: Sequence[FieldFile],
    samples: Samples,
    cell_diameter: CellDiameter,
    known_diameter: float,
    channel: int = 0,
    progress: Progress = lambda *_: None,
) -> Repeats:
    """Copies among all fields, and fields of one group that show the same place.

    Of a group's fields that are said to be of one place, by the samples or by their file, the first is looked
    at. What cannot be read is passed over.

    Parameters
    ----------
    fields : sequence of FieldFile
    samples : Samples
        Of all of them.
    cell_diameter : float or "auto", optional
        Of a typical cell, px, as for `Segmenter.segment`; "auto" is one for a group.
    known_diameter : float
        Of the network, where nothing else is known.
    channel : int
    progress : callable
    """
    first_of_places = list(
        {(samples.values[field.name], samples.place(field)): field for field in reversed(fields)}.values()
    )[::-1]
    if len(first_of_places) < 2:
        return Repeats()
    found = Repeats()
    seen: dict[str, FieldFile] = {}
    groups: dict[tuple[str, ...], _Group] = defaultdict(_Group)
    for number, field in enumerate(first_of_places, start=1):
        with suppress(DrepanoError, OSError, MemoryError):
            image = read_image(field.path, field.page, channel)
            first = seen.setdefault(_digest(image), field)
            whose = samples.values[field.name]
            if first is not field:
                others = samples.values[first.name]
                found.copies[field.name] = first.name, "" if others == whose else f" of {' '.join(others)}"
            else:
                groups[whose].add(field.name, image, cell_diameter, known_diameter)
        progress("reading fields", number, len(first_of_places))
    total = sum(group.pairs for group in groups.values())

    def tell(before: int, done: int, _: int) -> None:
        progress("comparing fields", before + done, total)

    before = 0
    for group in groups.values():
        for pair in find_overlaps(group.pictures, partial(tell, before)):
            of_field = found.overlaps.setdefault(group.names[pair.second], {})
            of_field[group.names[pair.first]] = pair.share
        before += group.pairs
    return found


@dataclass
class _Group:
    """Fields whose cells are counted together, all seen at one scale."""

    diameter: float = 0.0
    names: list[str] = attribute(default_factory=list)
    pictures: list[NDArray[np.float32]] = attribute(default_factory=list)

    @property
    def pairs(self) -> int:
        return len(self.names) * (len(self.names) - 1) // 2

    def add(self, name: str, image: NDArray[np.uint8], diameter: CellDiameter, known: float) -> None:
        if not self.names:
            given = estimate_cell_diameter(image) if diameter == "auto" else diameter
            self.diameter = given or known
        self.pictures.append(overlap_picture(image, self.diameter))
        self.names.append(name)


def _digest(image: NDArray[np.uint8]) -> str:
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
