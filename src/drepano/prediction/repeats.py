"""Fields that show what another field of the run shows, so that their cells would count more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as attribute
from itertools import islice
from statistics import median

import numpy as np
from numpy.typing import NDArray

from drepano.cell_size import estimate_cell_diameter
from drepano.errors import DrepanoError, some_of
from drepano.io import image_digest, read_image
from drepano.overlaps import find_overlaps, overlap_picture
from drepano.prediction.field_files import FieldFile
from drepano.prediction.samples import Samples
from drepano.progress import Progress
from drepano.segmenter import CellDiameter

_MUCH = 0.2
"""Share of a field from which on it is warned of: fewer cells that count twice hardly change a share."""
_MOST_COMPARED = 300
"""Fields of a group, since the time grows with the square of their number."""
_MEASURED = 5
"""Fields of a group whose median tells the diameter of its cells."""


@dataclass(frozen=True)
class Repeats:
    """What fields show of others. A view is the first of a file's fields that show one place; all by name.

    Parameters
    ----------
    views : dict
        The view of every field.
    elsewhere : dict
        For a view those of other groups that are the same image, with the group.
    copies : dict
        For a view those before it in its group that are the same image.
    overlaps : dict
        For a view those before it in its group that show the same place, and the share of the smaller of the
        two that both show.
    notes : tuple of str
        What is too little for a warning, and what was not looked at.
    """

    views: Mapping[str, str] = attribute(default_factory=dict)
    elsewhere: Mapping[str, Sequence[str]] = attribute(default_factory=dict)
    copies: Mapping[str, Sequence[str]] = attribute(default_factory=dict)
    overlaps: Mapping[str, Mapping[str, float]] = attribute(default_factory=dict)
    notes: tuple[str, ...] = ()

    def warning(self, field: str, counted: Collection[str]) -> str | None:
        """What to say of a field whose cells count as well as those of the fields `counted`."""
        view = self.views.get(field, field)
        shows = "is" if view == field else f"shows the place of {view}, which is"
        if view in self.elsewhere:
            others = some_of(self.elsewhere[view])
            return f"{shows} the same image as {others}; find out whose it is and leave the other out"
        shown = {self.views.get(name, name) for name in counted}
        copies = [name for name in self.copies.get(view, ()) if name in shown]
        if copies:
            return f"{shows} the same image as {some_of(copies)}; leave one out"
        overlaps = {name: share for name, share in self.overlaps.get(view, {}).items() if name in shown}
        if sum(overlaps.values()) < _MUCH:
            return None
        return (
            f"shows the same place as {_named(overlaps)}: cells in both count twice; leave one field out, or "
            "name their place in --samples, so that shares take it once"
        )


def find_repeats(
    fields: Sequence[FieldFile],
    samples: Samples,
    cell_diameter: CellDiameter,
    network_diameter: float,
    channel: int = 0,
    progress: Progress = lambda *_: None,
) -> Repeats:
    """Copies among all fields, and fields of one group that show the same place though nothing says so.

    What cannot be read is passed over.

    Parameters
    ----------
    fields : sequence of FieldFile
    samples : Samples
        Of all of them.
    cell_diameter : float or "auto", optional
        Of a typical cell, px, as for `Segmenter.segment`; "auto" is one for a group.
    network_diameter : float
        Of the cells that the network knows, px, where nothing else is said.
    channel : int
    progress : callable
    """
    groups: dict[tuple[str, ...], dict[tuple[object, ...], FieldFile]] = defaultdict(dict)
    views: dict[str, str] = {}
    for field in fields:
        members = groups[samples.values[field.name]]
        views[field.name] = members.setdefault((field.path, field.plane.place), field).name
    sizes = [len(members) for members in groups.values()]
    if sum(sizes) < 2:
        return Repeats()
    pairs = [_pairs(size) for size in sizes]
    read = compared = 0

    def tell(done: int, _: int) -> None:
        progress("comparing fields", compared + done, sum(pairs))

    alike: dict[str, list[FieldFile]] = defaultdict(list)
    overlaps: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    for (group, members), of_group in zip(groups.items(), pairs, strict=True):
        diameter = _diameter(cell_diameter, network_diameter, list(members.values()), channel)
        pictures: dict[str, NDArray[np.float32]] = {}
        for field in members.values():
            with suppress(DrepanoError, OSError, MemoryError):
                image = read_image(field.path, field.page, channel)
                alike[image_digest(image)].append(field)
                if of_group:
                    pictures[field.name] = overlap_picture(image, diameter)
            read += 1
            progress("reading fields", read, sum(sizes))
        places = {field.name: samples.place(field) for field in members.values()}
        found = _overlaps(pictures, places, tell)
        compared += of_group
        overlaps |= found
        notes += _notes(" ".join(filter(None, group)), len(members), found)
    return Repeats(views, *_copies(alike, samples), overlaps, tuple(notes))


def _pairs(fields: int) -> int:
    return fields * (fields - 1) // 2 if fields <= _MOST_COMPARED else 0


def _diameter(
    cell_diameter: CellDiameter, network_diameter: float, fields: Sequence[FieldFile], channel: int
) -> float:
    if cell_diameter != "auto":
        return cell_diameter or network_diameter

    def estimates() -> Iterator[float]:
        for field in fields:
            with suppress(DrepanoError, OSError, MemoryError):
                estimate = estimate_cell_diameter(read_image(field.path, field.page, channel))
                if estimate is not None:
                    yield estimate

    return median(list(islice(estimates(), _MEASURED)) or [network_diameter])


def _overlaps(
    pictures: Mapping[str, NDArray[np.float32]],
    places: Mapping[str, tuple[object, ...]],
    progress: Callable[[int, int], None],
) -> dict[str, dict[str, float]]:
    names = list(pictures)
    found: dict[str, dict[str, float]] = {}
    for pair in find_overlaps(list(pictures.values()), progress):
        first, second = names[pair.first], names[pair.second]
        if places[first] != places[second]:
            found.setdefault(second, {})[first] = pair.share
    return found


def _copies(
    alike: Mapping[str, Sequence[FieldFile]], samples: Samples
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """For a view those that are the same image: of other groups, and before it in its own at other places."""
    elsewhere: dict[str, list[str]] = {}
    copies: dict[str, list[str]] = {}
    for same in alike.values():
        for number, field in enumerate(same):
            group = samples.values[field.name]
            for other in same:
                theirs = samples.values[other.name]
                if theirs != group:
                    whose = " ".join(filter(None, theirs))
                    elsewhere.setdefault(field.name, []).append(f"{other.name} of {whose}")
                elif other in same[:number] and samples.place(other) != samples.place(field):
                    copies.setdefault(field.name, []).append(other.name)
    return elsewhere, copies


def _notes(group: str, fields: int, overlaps: Mapping[str, Mapping[str, float]]) -> list[str]:
    if fields > _MOST_COMPARED:
        return [
            f"{group}: of its {fields} fields only copies are looked for, not overlaps, for which they are "
            "too many; what overlaps counts twice"
        ]
    slight = [f"{name} and {_named(some)}" for name, some in overlaps.items() if sum(some.values()) < _MUCH]
    return (
        [f"{group}: fields overlap a little, {some_of(slight)}: cells in both count twice"] if slight else []
    )


def _named(shares: Mapping[str, float]) -> str:
    """The largest first."""
    by_share = sorted(shares.items(), key=lambda share: -share[1])
    return some_of([f"{name} ({share:.0%})" for name, share in by_share])
