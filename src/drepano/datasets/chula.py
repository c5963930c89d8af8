"""Chula RBC-12: stained smears with the centre and class of most cells (Naruenatthanaset et al. 2021)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import read_image
from drepano.taxonomy import BACKGROUND, Taxonomy

ORIGIN = "Chula RBC-12-Dataset, Naruenatthanaset et al., doi 10.48550/arXiv.2012.01321"
LICENCE = "MIT"
CELL_DIAMETER = 45.0

TAXONOMY = Taxonomy(
    "chula-rbc12",
    (
        BACKGROUND,
        "normal",
        "macrocyte",
        "microcyte",
        "spherocyte",
        "target cell",
        "stomatocyte",
        "ovalocyte",
        "teardrop",
        "burr cell",
        "schistocyte",
        "uncategorised",
        "hypochromia",
        "elliptocyte",
    ),
)
"""The data set's classes; its numbers count from 0, ours from 1, since 0 is the background."""


def is_chula(folder: Path) -> bool:
    """Whether `folder` has ``images/*.jpg`` and ``labels/*.txt``."""
    return any((folder / "labels").glob("*.txt")) and any((folder / "images").glob("*.jpg"))


def open_chula(folder: Path) -> FieldDataset:
    """All fields; those without a label file have no points."""
    sources = []
    for image in sorted((folder / "images").glob("*.jpg"), key=lambda path: (len(path.stem), path.stem)):
        points = folder / "labels" / f"{image.stem}.txt"
        sources.append(FieldSource(id=image.stem, image=image, labels=points if points.is_file() else None))
    return FieldDataset(
        name="chula-rbc12",
        taxonomy=TAXONOMY,
        sources=tuple(sources),
        load=_load,
        licence=LICENCE,
        cell_diameter=CELL_DIAMETER,
        origin=ORIGIN,
    )


def read_points(path: Path) -> NDArray[np.int32]:
    """Rows of (row, column, class) from a file of lines ``x y class``; classes count from 1.

    Returns
    -------
    (N, 3) int32 array

    Raises
    ------
    DrepanoError
        If a line is not three whole numbers or names no class.
    """
    points = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            x, y, class_number = (int(part) for part in line.split())
        except ValueError as error:
            raise DrepanoError(
                f"{path}: line {number} is {line!r}; expected three whole numbers: x y class"
            ) from error
        if not 0 <= class_number < len(TAXONOMY) - 1:
            raise DrepanoError(
                f"{path}: line {number} has class {class_number}; classes are 0 to {len(TAXONOMY) - 2}"
            )
        points.append((y, x, class_number + 1))
    return np.array(points, dtype=np.int32).reshape(-1, 3)


def _load(source: FieldSource) -> Field:
    image = read_image(source.image)
    if source.labels is None:
        return Field(id=source.id, image=image)
    points = read_points(source.labels)
    outside = points[((points[:, :2] < 0) | (points[:, :2] >= image.shape[:2])).any(axis=1)]
    if len(outside):
        row, column, _ = outside[0]
        raise DrepanoError(
            f"{source.labels}: the point {column} {row} lies outside {source.image.name}, of "
            f"{image.shape[1]} x {image.shape[0]} px; correct it"
        )
    return Field(id=source.id, image=image, points=points)
