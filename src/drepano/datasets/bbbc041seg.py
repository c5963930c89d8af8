"""BBBC041Seg: stained smears with binary masks in which a thin line parts touching cells.

Cells that the border of a field cuts are in the masks of some fields and not of others: of 639 such cells
that a network found, 221 were not. A margin of one cell diameter is therefore cut off every field, so that
what is left is labelled throughout, cells cut by the new border too. Of these, pieces of less than 200 px are
in the class map but are no instances, as specks are: a method that draws them is charged with artefacts, of
which the true class maps of all 90 fields, at cells of 45 px, have 31 (of 5503 cells).
"""

from __future__ import annotations

import re
from pathlib import Path

from skimage.measure import label

from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.datasets.folder import check_same_size
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import map_values, read_image, read_label_values
from drepano.metrics.counting import drop_small
from drepano.taxonomy import BINARY

ORIGIN = "BBBC041Seg, masks for image set BBBC041v1 of the Broad Bioimage Benchmark Collection"
LICENCE = "none stated by the source; listed as MIT elsewhere"
CELL_DIAMETER = 105.0

_SMALLEST_CELL = 200
"""Components under this many px are specks that the masks' authors left behind."""
_MARGIN = round(CELL_DIAMETER)
_SPLITS = ("train", "val")
_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Of its images: no other folder with images and masks is taken for this data set."""


def is_bbbc041seg(folder: Path) -> bool:
    """Whether `folder`, or one split of it, has ``images`` and ``masks`` of this data set."""
    return bool(_split_folders(folder))


def open_bbbc041seg(folder: Path) -> FieldDataset:
    """All fields of `folder`: the whole data set, or its ``train`` or ``val`` folder alone.

    Without their margin of 105 px, fields of 1600 x 1200 px are 1390 x 990 px.
    """
    sources, problems = [], []
    for split in _split_folders(folder):
        for image in sorted((split / "images").glob("*.jpg")):
            mask = split / "masks" / f"{image.stem}.png"
            if mask.is_file():
                sources.append(FieldSource(id=image.stem, image=image, labels=mask, instances=mask))
            else:
                problems.append(
                    f"{mask}: the mask of {image.name} is not there; restore it or remove the image"
                )
    return FieldDataset(
        name="bbbc041seg",
        taxonomy=BINARY,
        sources=tuple(sources),
        load=_load,
        licence=LICENCE,
        cell_diameter=CELL_DIAMETER,
        origin=ORIGIN,
        problems=tuple(problems),
    )


def _split_folders(folder: Path) -> list[Path]:
    candidates = [folder, *(folder / split for split in _SPLITS)]
    return [
        candidate
        for candidate in candidates
        if (candidate / "masks").is_dir()
        and any(_NAME.fullmatch(image.stem) for image in (candidate / "images").glob("*.jpg"))
    ]


def _load(source: FieldSource) -> Field:
    assert source.labels is not None
    classes = map_values(read_label_values(source.labels), {"0": 0, "1": 1, "255": 1}, source.labels)
    image = read_image(source.image)
    check_same_size(image, classes, source.image, source.labels)
    if min(image.shape[:2]) <= 2 * _MARGIN:
        raise DrepanoError(
            f"{source.image}: has only {image.shape[1]} x {image.shape[0]} px; nothing is left of it without "
            f"the margin of {_MARGIN} px in which cells are not labelled; is it a field of BBBC041Seg?"
        )
    inside = slice(_MARGIN, -_MARGIN)
    classes = classes[inside, inside]
    return Field(
        id=source.id,
        image=image[inside, inside],
        classes=classes,
        instances=drop_small(label(classes, connectivity=1), _SMALLEST_CELL),
    )
