"""What every method of the comparison can do: fit on fields, segment a field."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drepano.datasets import FieldDataset
from drepano.field import Segmentation
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy


class TrainedMethod(Protocol):
    """A method that has learned from fields."""

    def segment(self, image: NDArray[np.uint8]) -> Segmentation:
        """The class of every pixel of `image`, (H, W, 3) uint8, whose cells have the training's diameter."""
        ...


class Method(Protocol):
    """A method with its settings: a frozen dataclass."""

    def fit(
        self, training: FieldDataset, taxonomy: Taxonomy, folder: Path, seed: int, progress: Progress
    ) -> TrainedMethod:
        """Learn from fields; whatever is to be chosen is chosen on them alone.

        Parameters
        ----------
        training : FieldDataset
            Fields with class maps, all of one cell diameter.
        taxonomy : Taxonomy
            The data set's, or `BINARY`: then all classes of cells are one.
        folder : Path
            For what the method keeps of its training; a fit that was interrupted goes on from there.
        seed : int
        progress : callable

        Returns
        -------
        TrainedMethod

        Raises
        ------
        DrepanoError
            If the method cannot learn from such fields.
        """
        ...
