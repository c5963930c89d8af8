"""Crops of training fields, drawn so that sample number i is always the same crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from drepano.cells import between_cells
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.preprocessing import Normalisation, measure_light, normalise, scale_image, scale_labels
from drepano.quality import describe
from drepano.training.augmentation import ZOOM, change_light_and_focus, flip_and_turn

BETWEEN_CELLS = 255
"""In the classes of a prepared field: background where two cells meet."""


@dataclass(frozen=True, eq=False)
class PreparedField:
    """A field at the network's scale.

    Image (3, H, W) float16, classes (H, W) uint8 with `BETWEEN_CELLS`, and what `drepano.quality.describe`
    says of the image.

    Half precision rounds a normalised image by less than an eighth of a grey level.
    """

    image: NDArray[np.float16]
    classes: NDArray[np.uint8]
    appearance: dict[str, float] = field(default_factory=dict)


def part_touching_cells(classes: NDArray[np.uint8], instances: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The class map with background wherever two cells meet, so that a method learns to part them."""
    return np.where((instances > 0) & between_cells(instances), 0, classes).astype(np.uint8)


def prepare_field(field: Field, scale: float, binary: bool, normalisation: Normalisation) -> PreparedField:
    """`field` scaled by `scale`, normalised, with `BETWEEN_CELLS` where two cells meet.

    Raises
    ------
    DrepanoError
        If the field has no class map.
    """
    if field.classes is None:
        raise DrepanoError(f"field {field.id}: has no class map; training needs one for every field")
    classes = scale_labels(field.classes, scale)
    if binary:
        classes = (classes > 0).astype(np.uint8)
    if field.instances is not None:
        between = between_cells(scale_labels(field.instances, scale))
        classes = np.where(between, BETWEEN_CELLS, classes).astype(np.uint8)
    image = scale_image(field.image, scale)
    normalised = normalise(image, measure_light(image, normalisation)).astype(np.float16)
    return PreparedField(normalised, classes, describe(image))


class TrainingCrops(Dataset[tuple[Tensor, Tensor]]):
    """Square crops from several groups of fields, each group drawn from equally often.

    Parameters
    ----------
    groups : sequence of sequences of PreparedField
        One group a data set.
    crop_size : int
        Side of a crop in px; smaller fields are padded with background.
    count : int
        Length of the data set.
    seed, start : int
        Crop `i` depends on `seed` and ``start + i`` only.
    augment : bool
        Flip, turn, zoom and change light, focus and noise.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[PreparedField]],
        crop_size: int,
        count: int,
        seed: int,
        start: int = 0,
        augment: bool = True,
    ) -> None:
        self._groups = groups
        self._crop_size = crop_size
        self._count = count
        self._seed = seed
        self._start = start
        self._augment = augment

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (3, S, S) float32 and classes (S, S) int64 with `BETWEEN_CELLS`."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        rng = np.random.default_rng([self._seed, self._start + index])
        group = self._groups[int(rng.integers(len(self._groups)))]
        field = group[int(rng.integers(len(group)))]
        if not self._augment:
            return _crop(field, self._crop_size, rng)
        image, classes = _crop(field, round(self._crop_size / rng.uniform(*ZOOM)), rng)
        image, classes = flip_and_turn(*_resize(image, classes, self._crop_size), rng)
        return change_light_and_focus(image, rng), classes


def _crop(field: PreparedField, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random square of side `size`, padded with background where the field is smaller."""
    height, width = field.classes.shape
    top, left = rng.integers(0, max(1, height - size + 1)), rng.integers(0, max(1, width - size + 1))
    image = field.image[:, top : top + size, left : left + size]
    classes = field.classes[top : top + size, left : left + size]
    missing = [(0, size - length) for length in classes.shape]
    return (
        torch.from_numpy(np.pad(image, [(0, 0), *missing]).astype(np.float32)),
        torch.from_numpy(np.pad(classes, missing).astype(np.int64)),
    )


def _resize(image: Tensor, classes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    scaled = F.interpolate(image[None], size=(size, size), mode="bilinear")[0]
    return scaled, F.interpolate(classes[None, None].float(), size=(size, size), mode="nearest-exact")[
        0, 0
    ].long()
