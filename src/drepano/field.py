"""What passes between the steps: a field as read, and its segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError
from drepano.taxonomy import Taxonomy

NECK = 0.85
"""`Segmentation.neck` where nothing else was chosen; elongated cells, whose width varies less, stay whole."""


@dataclass(frozen=True, eq=False)
class Field:
    """One microscope field and what is known about it.

    Parameters
    ----------
    id : str
        Name, unique within its data set.
    image : (H, W, 3) uint8 array
        The image as RGB; grey images have three equal channels.
    classes : (H, W) uint8 array, optional
        True class of every pixel, as indices into the data set's taxonomy.
    instances : (H, W) int32 array, optional
        0 for background, a different positive number for every cell.
    points : (N, 3) int32 array, optional
        Row, column and class of cells of which only the centre is known.
    patient : str, optional
        Whose blood it is.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    margins : (int, int), optional
        Blank columns that were cut off on the left and right, where that was asked for.
    """

    id: str
    image: NDArray[np.uint8]
    classes: NDArray[np.uint8] | None = None
    instances: NDArray[np.int32] | None = None
    points: NDArray[np.int32] | None = None
    patient: str | None = None
    pixel_size: float | None = None
    margins: tuple[int, int] | None = None

    def class_map(self, taxonomy: Taxonomy) -> NDArray[np.uint8]:
        """True class of every pixel, (H, W); all cells are class 1 where `taxonomy` knows no more than cells.

        Raises
        ------
        DrepanoError
            If the field has no class map.
        """
        if self.classes is None:
            raise DrepanoError(f"field {self.id}: has no class map; use labelled fields")
        return (self.classes > 0).astype(np.uint8) if len(taxonomy) == 2 else self.classes


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a network says about one field.

    Parameters
    ----------
    classes : (H, W) uint8 array
        Most probable class of every pixel, in the input's own size.
    probabilities : (K, H, W) float32 array
        Probability of each class; sums to 1 over K.
    taxonomy : Taxonomy
        The K classes.
    cell_diameter : float
        Diameter of a typical cell in this image, px: what the caller gave, what was estimated, or what the
        network was trained on.
    size_unknown : bool
        Whether it was to be estimated and could not be, so that it is what the network was trained on.
    seen : (H', W', 3) uint8 array, optional
        The image as the network saw it: scaled to the size of cells that it knows.
    neck : float
        Two parts of a region are two cells where the neck between them is narrower than this share of the
        narrower part. What is too large for a cell is parted at wider ones too; 0 parts nothing. A network
        that sees itself where cells meet needs it less.
    """

    classes: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    taxonomy: Taxonomy
    cell_diameter: float
    size_unknown: bool = False
    seen: NDArray[np.uint8] | None = None
    neck: float = NECK
