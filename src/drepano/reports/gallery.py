"""The cells of each class that the network is most and least sure of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drepano.reports.field_picture import OutlinedCell, ReportedField, cell_uri

_SHOWN = 8


@dataclass(frozen=True)
class Specimen:
    """A cell in the gallery."""

    picture: str
    description: str
    probability: str


@dataclass(frozen=True)
class Shelf:
    """The cells shown of one class."""

    class_name: str
    most_certain: list[Specimen]
    least_certain: list[Specimen]


def make_gallery(fields: Sequence[ReportedField], class_names: Sequence[str]) -> list[Shelf]:
    """Up to eight whole cells of each class with the largest and the smallest probability, none in both.

    Parameters
    ----------
    fields : sequence of ReportedField
    class_names : sequence of str
        Of cells; classes without any whole cell are left out.
    """
    places = [(index, cell) for index, field in enumerate(fields) for cell in field.cells if cell.whole]
    chosen: dict[str, tuple[list[tuple[int, OutlinedCell]], list[tuple[int, OutlinedCell]]]] = {}
    for name in class_names:
        ranked = sorted(
            (p for p in places if p[1].class_name == name), key=lambda place: -place[1].probability
        )
        middle = (len(ranked) + 1) // 2
        if ranked:
            chosen[name] = ranked[: min(_SHOWN, middle)], ranked[middle:][::-1][:_SHOWN]
    needed = {index for both in chosen.values() for side in both for index, _ in side}
    specimens: dict[tuple[int, int], Specimen] = {}
    for index in sorted(needed):  # an image at a time
        image = fields[index].image()
        for both in chosen.values():
            for at, cell in (*both[0], *both[1]):
                if at == index:
                    specimens[index, cell.number] = Specimen(
                        cell_uri(image, cell),
                        f"{cell.class_name}, cell {cell.number} of {fields[index].name}",
                        f"{cell.probability:.2f}",
                    )
    return [
        Shelf(name, *([specimens[index, cell.number] for index, cell in side] for side in both))
        for name, both in chosen.items()
    ]
