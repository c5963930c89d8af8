"""Classes, their names and colours: what a pixel or a cell can be called.

The eight categories and their merging into four are those of the paper's section IV.A. Colours are from the
palette of Okabe and Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drepano.errors import DrepanoError

Colour = tuple[int, int, int]

BACKGROUND = "background"

_BACKGROUND_COLOUR: Colour = (0, 0, 0)
_PALETTE: tuple[Colour, ...] = (
    (86, 180, 233),  # sky blue
    (213, 94, 0),  # vermillion
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (160, 160, 160),  # grey
)


@dataclass(frozen=True)
class Taxonomy:
    """An ordered set of classes; class 0 is always the background.

    Parameters
    ----------
    name : str
        Short name, stored in model cards.
    classes : tuple of str
        Class names; the position of a name is the value of its pixels.
    """

    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or self.classes[0] != BACKGROUND:
            raise DrepanoError(
                f"taxonomy {self.name!r}: the classes are {', '.join(self.classes) or 'none'}; "
                f"name {BACKGROUND!r} first and at least one class of cells after it"
            )
        if len(set(self.classes)) != len(self.classes):
            raise DrepanoError(
                f"taxonomy {self.name!r}: a class is named twice; give every class its own name"
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def cell_classes(self) -> tuple[str, ...]:
        """Names of all classes but the background."""
        return self.classes[1:]

    @property
    def colours(self) -> tuple[Colour, ...]:
        """One RGB colour (0 to 255) a class, the background black."""
        cells = (_PALETTE[i % len(_PALETTE)] for i in range(len(self.classes) - 1))
        return (_BACKGROUND_COLOUR, *cells)

    def index(self, name: str) -> int:
        """Pixel value of the class called `name`; an eight-category name gives its merged class.

        Raises
        ------
        DrepanoError
            If no class has that name.
        """
        if name in self.classes:
            return self.classes.index(name)
        merged = MERGED_CLASS.get(name)
        if merged in self.classes:
            return self.classes.index(merged)
        raise DrepanoError(
            f"class {name!r} is not in taxonomy {self.name!r}; it has {', '.join(self.classes)}"
        )


BINARY = Taxonomy("rbc", (BACKGROUND, "cell"))
SCD = Taxonomy("scd", (BACKGROUND, "Dic+Ovl", "El+Sk", "Grl", "Ret+Sto+Ech"))
SICKLED_CLASS = "El+Sk"

CATEGORIES: tuple[str, ...] = (
    "Discocyte",
    "Oval",
    "Elongated",
    "Sickle",
    "Granular",
    "Reticulocyte",
    "Stomatocyte",
    "Echinocyte",
)
"""The eight categories of Xu et al. (2017)."""

MERGED_CLASS: dict[str, str] = {
    "Discocyte": "Dic+Ovl",
    "Oval": "Dic+Ovl",
    "Elongated": "El+Sk",
    "Sickle": "El+Sk",
    "Granular": "Grl",
    "Reticulocyte": "Ret+Sto+Ech",
    "Stomatocyte": "Ret+Sto+Ech",
    "Echinocyte": "Ret+Sto+Ech",
}
"""The merged class of each of the eight categories (paper, section IV.A)."""

_KNOWN = {taxonomy.name: taxonomy for taxonomy in (BINARY, SCD)}


def from_classes(classes: Iterable[str]) -> Taxonomy:
    """Taxonomy for a list of class names: a known one where the names are the same, else a new one.

    Parameters
    ----------
    classes : iterable of str
        Class names, the background first.
    """
    names = tuple(classes)
    for known in _KNOWN.values():
        if known.classes == names:
            return known
    return Taxonomy("custom", names)
