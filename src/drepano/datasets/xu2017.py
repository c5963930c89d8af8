"""Crops of single cells of four sickle-cell patients (Xu et al. 2017, doi 10.1371/journal.pcbi.1005746)."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drepano.datasets.cell_mask import cell_mask
from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import file_digest, image_digest, read_image
from drepano.taxonomy import SCD

ORIGIN = "Xu et al. 2017, doi 10.1371/journal.pcbi.1005746, github dimitris1314/Sickle-RBC-data"
LICENCE = "none stated"
CELL_DIAMETER = 45.0

_CATEGORY = {
    "Discocytes": "Discocyte",
    "Oval": "Oval",
    "Elongated": "Elongated",
    "Sickle-ISC": "Sickle",
    "Granular": "Granular",
    "Reticulocytes": "Reticulocyte",
    "Stomatocyte": "Stomatocyte",
    "Echinocytes": "Echinocyte",
}
_COLUMNS = ("class8", "patient", "field", "file")


@dataclass(frozen=True, eq=False)
class CellCrop:
    """A crop around one cell.

    Parameters
    ----------
    image : (H, W) uint8 array
        Grey levels.
    mask : (H, W) bool array
        The cell; all False where no trustworthy outline was found.
    category : str
        One of the eight categories.
    patient : str
    id : str
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    category: str
    patient: str
    id: str


def is_xu2017(folder: Path) -> bool:
    """Whether `folder` is laid out as this data set: ``manifest.csv`` and ``images/<category>/``."""
    return (folder / "manifest.csv").is_file() and (folder / "images" / "Sickle-ISC").is_dir()


def open_xu2017(folder: Path) -> FieldDataset:
    """Every crop as a field of one cell, its outline found by `cell_mask`.

    Of pixel-identical crops of one patient the first is kept; those that stand under two patients are left
    out, since nobody can tell whose they are.

    Raises
    ------
    DrepanoError
        If the manifest cannot be used.
    """
    manifest = folder / "manifest.csv"
    try:
        with manifest.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DrepanoError(f"{manifest}: cannot be read ({error}); restore it") from error
    if not rows or any(row.get(column) is None for row in rows for column in _COLUMNS):
        raise DrepanoError(
            f"{manifest}: needs a header and in every row the columns {', '.join(_COLUMNS)}; correct it"
        )
    sources = [
        FieldSource(
            id=Path(row["file"]).stem,
            image=folder / "images" / row["class8"] / row["file"],
            patient=row["patient"],
            category=_CATEGORY.get(row["class8"]),
        )
        for row in rows
    ]
    problems = [
        f"{source.image}: named in {manifest.name} but not there; restore it or delete its row"
        for source in sources
        if not source.image.is_file()
    ]
    problems += [
        f"{manifest}: the category of {source.image.name} is none of {', '.join(_CATEGORY)}; correct it"
        for source in sources
        if source.category is None
    ]
    present = [source for source in sources if source.image.is_file() and source.category is not None]
    kept, left_out = _without_copies(present)
    return FieldDataset(
        name="xu2017",
        taxonomy=SCD,
        sources=tuple(kept),
        load=_load,
        licence=LICENCE,
        cell_diameter=CELL_DIAMETER,
        origin=ORIGIN,
        problems=tuple(problems),
        left_out=tuple(left_out),
    )


def read_crop(source: FieldSource) -> CellCrop:
    """The crop of one source, with the mask of its cell."""
    grey, mask = _grey_and_mask(source.image)
    assert source.category is not None and source.patient is not None
    return CellCrop(grey, mask, source.category, source.patient, source.id)


@lru_cache(maxsize=2048)
def _grey_and_mask(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    grey = read_image(path)[..., 0]
    return grey, cell_mask(grey)


def _load(source: FieldSource) -> Field:
    crop = read_crop(source)
    return Field(
        id=crop.id,
        image=np.repeat(crop.image[..., None], 3, axis=2),
        classes=(crop.mask * SCD.index(crop.category)).astype(np.uint8),
        instances=crop.mask.astype(np.int32),
        patient=crop.patient,
    )


def _digest(image: Path) -> str:
    """Of the grey levels: the same picture can be stored as grey or as RGB."""
    try:
        grey = read_image(image)[..., 0]
    except DrepanoError:  # said again, with its file, when the field is read
        return file_digest(image)
    return image_digest(grey)


def _without_copies(sources: list[FieldSource]) -> tuple[list[FieldSource], list[str]]:
    """Each picture once, and why the others are left out."""
    by_content: dict[str, list[FieldSource]] = defaultdict(list)
    for source in sources:
        by_content[_digest(source.image)].append(source)
    left_out = {}
    for first, *copies in by_content.values():
        if len({source.patient for source in (first, *copies)}) > 1:
            for source in (first, *copies):
                left_out[source.image] = f"{source.image}: stands under several patients, so it is left out"
        else:
            for source in copies:
                left_out[source.image] = f"{source.image}: is a copy of {first.image.name}, so it is left out"
    return [source for source in sources if source.image not in left_out], sorted(left_out.values())
