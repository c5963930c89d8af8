"""Crops of training fields, drawn so that sample number i is always the same crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.preprocessing import normalise, scale_image, scale_labels


@dataclass(frozen=True, eq=False)
class PreparedField:
    """A field at the network's scale: image (3, H, W) float32, classes (H, W) uint8."""

    image: NDArray[np.float32]
    classes: NDArray[np.uint8]


def part_touching_cells(classes: NDArray[np.uint8], instances: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The class map with background wherever two cells meet, so that a network learns to part them."""
    largest = np.where(instances > 0, instances, 0)
    smallest = np.where(instances > 0, instances, instances.max() + 1)
    meeting = (instances > 0) & (
        ndimage.maximum_filter(largest, 3) != ndimage.minimum_filter(smallest, 3)
    )
    return np.where(meeting, 0, classes).astype(np.uint8)


def prepare_field(field: Field, scale: float, binary: bool) -> PreparedField:
    """`field` scaled by `scale`, normalised, with touching cells parted.

    Raises
    ------
    DrepanoError
        If the field has no class map.
    """
    if field.classes is None:
        raise DrepanoError(f"field {field.id}: has no class map; training needs one for every field")
    classes = scale_labels(field.classes, scale)
    if field.instances is not None:
        classes = part_touching_cells(classes, scale_labels(field.instances, scale))
    if binary:
        classes = (classes > 0).astype(np.uint8)
    return PreparedField(normalise(scale_image(field.image, scale)), classes)


def prepare_dataset(dataset: FieldDataset, cell_diameter: float, binary: bool) -> Iterator[PreparedField]:
    """Every field of `dataset`, scaled so that its cells have `cell_diameter` px."""
    scale = cell_diameter / dataset.cell_diameter
    return (prepare_field(field, scale, binary) for field in dataset)


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
        self._augmentation = _make_augmentation() if augment else None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (3, S, S) float32 and classes (S, S) int64."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        rng = np.random.default_rng([self._seed, self._start + index])
        group = self._groups[rng.integers(len(self._groups))]
        field = group[rng.integers(len(group))]
        image, classes = _crop(field, self._crop_size, rng)
        if self._augmentation is not None:
            self._augmentation.set_random_state(seed=int(rng.integers(2**31)))
            changed = self._augmentation({"image": image, "classes": classes[None].astype(np.float32)})
            return torch.as_tensor(changed["image"]).contiguous(), torch.as_tensor(changed["classes"])[0].long()
        return torch.from_numpy(image), torch.from_numpy(classes.astype(np.int64))


def _crop(
    field: PreparedField, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    height, width = field.classes.shape
    top, left = rng.integers(0, max(1, height - size + 1)), rng.integers(0, max(1, width - size + 1))
    image = field.image[:, top : top + size, left : left + size]
    classes = field.classes[top : top + size, left : left + size]
    missing = [(0, size - length) for length in classes.shape]
    return np.pad(image, [(0, 0), *missing]), np.pad(classes, missing)


def _make_augmentation() -> Any:
    from monai import transforms as monai

    both, image = ["image", "classes"], ["image"]
    grey: Callable[[Tensor], Tensor] = lambda colour: colour.mean(0, keepdim=True).expand(3, -1, -1)  # noqa: E731
    return monai.Compose(
        [
            monai.ToTensord(both, track_meta=False),
            monai.RandFlipd(both, prob=0.5, spatial_axis=0),
            monai.RandRotate90d(both, prob=0.75, max_k=3),
            monai.RandZoomd(both, prob=0.4, min_zoom=0.8, max_zoom=1.25, mode=["bilinear", "nearest"]),
            monai.RandLambdad(image, func=grey, prob=0.2),
            monai.RandScaleIntensityd(image, factors=0.4, prob=0.8),
            monai.RandShiftIntensityd(image, offsets=0.3, prob=0.8, channel_wise=True),
            monai.RandGaussianSmoothd(image, sigma_x=(0.3, 1.2), sigma_y=(0.3, 1.2), prob=0.2),
            monai.RandGaussianNoised(image, prob=0.3, std=0.08),
        ]
    )
