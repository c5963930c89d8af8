"""What an export is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.field import Segmentation
from drepano.io import Plane
from drepano.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class FieldResult:
    """One field with all that was found in it.

    Parameters
    ----------
    image_name : str
        The image file as it was given.
    page : int or None
        Of a file with several images, from 0.
    segmentation : Segmentation
    instances : (H, W) int32 array
        Cells numbered from 1.
    cells : pandas.DataFrame
        From `drepano.cells.measure_cells`.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    plane : Plane
        What the page shows of the file's places.
    """

    image_name: str
    page: int | None
    segmentation: Segmentation
    instances: NDArray[np.int32]
    cells: pd.DataFrame
    pixel_size: float | None = None
    plane: Plane = field(default_factory=Plane)

    @property
    def taxonomy(self) -> Taxonomy:
        return self.segmentation.taxonomy
