"""A data set: fields that are read when asked for, with what is known about all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.taxonomy import Taxonomy


@dataclass(frozen=True)
class FieldSource:
    """Where one field comes from.

    Parameters
    ----------
    id : str
        Name, unique within the data set.
    image : Path
    labels, instances : Path, optional
        File with the class map or the centre points, and the one that numbers the cells or parts them by
        lines, which may be the same; None where there is none.
    patient : str, optional
    category : str, optional
        For crops of single cells: which of the eight categories.
    """

    id: str
    image: Path
    labels: Path | None = None
    instances: Path | None = None
    patient: str | None = None
    category: str | None = None


@dataclass(frozen=True, eq=False)
class FieldDataset:
    """Fields read one by one through `load`.

    Parameters
    ----------
    name : str
    taxonomy : Taxonomy
        What the values of the class maps mean.
    sources : tuple of FieldSource
    load : callable
        Reads the field of a source; raises DrepanoError with one line for a bad file.
    licence : str
        Licence or "none stated", kept in model cards.
    cell_diameter : float
        Diameter of a typical cell in px.
    origin : str
        Citation or address of the data, kept in model cards.
    problems : tuple of str
        Files that do not belong together, a line each with the fix; their fields are not in `sources`.
    left_out : tuple of str
        Files left out on purpose, a line each with the reason.
    """

    name: str
    taxonomy: Taxonomy
    sources: tuple[FieldSource, ...]
    load: Callable[[FieldSource], Field]
    licence: str
    cell_diameter: float
    origin: str
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Field:
        return self.load(self.sources[index])

    def __iter__(self) -> Iterator[Field]:
        return (self.load(source) for source in self.sources)

    @property
    def has_single_cells(self) -> bool:
        """Whether its fields are crops around one cell each, of known category."""
        return bool(self.sources) and all(source.category is not None for source in self.sources)

    @property
    def patients(self) -> tuple[str, ...]:
        """Names of all patients, sorted."""
        return tuple(sorted({source.patient for source in self.sources if source.patient is not None}))

    def subset(self, indices: Sequence[int]) -> FieldDataset:
        """The fields at `indices`."""
        return replace(self, sources=tuple(self.sources[i] for i in indices))

    def with_ids(self, ids: Collection[str]) -> FieldDataset:
        """The fields whose id is in `ids`."""
        return self.subset([i for i, source in enumerate(self.sources) if source.id in ids])

    def of_patients(self, patients: Sequence[str]) -> FieldDataset:
        """The fields of `patients`.

        Raises
        ------
        DrepanoError
            If one of them has no field.
        """
        missing = [patient for patient in patients if patient not in self.patients]
        if missing:
            raise DrepanoError(
                f"patient {missing[0]!r} is not in data set {self.name}; "
                f"its patients are {', '.join(self.patients) or 'not known'}"
            )
        return self.subset([i for i, source in enumerate(self.sources) if source.patient in patients])
