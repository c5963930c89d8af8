"""Composed fields: real cells of one patient, cut out and placed on a background like that patient's.

Where whole fields are not public, the cells are; so pixels of cells are real and their arrangement is not.
Say "composed" wherever a result rests on such fields.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano.datasets.cell_mask import background_level
from drepano.datasets.xu2017 import CellCrop
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.taxonomy import SCD

_HALO = 5.0
"""Width in px of the band around a cell that is placed with it; the outer 3 px fade out."""
_FADE = 3.0
_MARGIN = 12
"""A cell's centre may lie this many px outside the field, so that the border cuts some cells."""
_TRIES = 30


def compose_field(
    crops: Sequence[CellCrop],
    seed: int,
    size: tuple[int, int] = (512, 512),
    cells: int = 12,
    touching: float = 0.3,
    balanced: bool = True,
) -> Field:
    """One field of real cells with its exact class and instance maps.

    Cells are turned, mirrored and scaled by up to 12 %, placed without overlap at native scale. Background
    level and noise are those of the patient's crops; light is uneven, the focus varies, and there is debris.

    Parameters
    ----------
    crops : sequence of CellCrop
        Cells of one patient; those without a mask are not used.
    seed : int
        The same crops and seed give the same bits.
    size : (int, int)
        Height and width in px.
    cells : int
        How many cells to place; fewer where there is no room.
    touching : float
        Share of cells placed against another one.
    balanced : bool
        Draw each of the four classes as often as the others; else as often as it is among the crops.

    Returns
    -------
    Field
        Grey image as RGB, `classes` in the SCD taxonomy, `instances` numbered from 1.

    Raises
    ------
    DrepanoError
        If the crops are of several patients or none has a mask.
    """
    usable = [crop for crop in crops if crop.mask.any()]
    patients = {crop.patient for crop in crops}
    if not usable or len(patients) != 1:
        raise DrepanoError(
            f"composing needs crops of exactly one patient with masks; "
            f"got {len(usable)} with a mask of patients {', '.join(sorted(patients)) or 'none'}"
        )
    patient = usable[0].patient
    rng = np.random.default_rng([seed, *patient.encode()])
    by_class: dict[int, list[CellCrop]] = {}
    for crop in usable:
        by_class.setdefault(SCD.index(crop.category), []).append(crop)

    canvas = _Canvas(size)
    for _ in range(cells):
        choice = by_class[int(rng.choice(sorted(by_class)))] if balanced else usable
        crop = choice[rng.integers(len(choice))]
        canvas.place(_turned(crop, rng), SCD.index(crop.category), rng, touch=rng.random() < touching)

    level = background_level(usable[rng.integers(len(usable))].image)
    contrast = canvas.contrast * rng.uniform(0.85, 1.15) + _debris(canvas.instances > 0, rng)
    focus = rng.uniform(0.3, 0.9) if rng.random() < 0.4 else 0.0
    light = _uneven_light(size, rng)
    noise = ndimage.gaussian_filter(rng.normal(0, 1, size), 0.6) * rng.uniform(1.0, 4.0)
    grey = (level + ndimage.gaussian_filter(contrast, focus)) * light + noise
    image = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return Field(
        id=f"composed-{patient}-{seed:06d}",
        image=np.repeat(image[..., None], 3, axis=2),
        classes=canvas.classes,
        instances=canvas.instances,
        patient=patient,
    )


class _Patch:
    """A cell ready to be placed: contrast against its background, which fades out around it, and its mask."""

    def __init__(self, contrast: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        self.contrast = contrast
        self.mask = mask
        self.height, self.width = mask.shape


class _Canvas:
    """The field under composition."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.contrast = np.zeros(size, np.float32)
        self.classes = np.zeros(size, np.uint8)
        self.instances = np.zeros(size, np.int32)
        self._centres: list[tuple[float, float]] = []

    def place(self, patch: _Patch, class_index: int, rng: np.random.Generator, touch: bool) -> None:
        """Put `patch` where it overlaps no cell; nothing happens where no such place is found."""
        centre = self._place_against(patch, rng) if touch and self._centres else self._place_apart(patch, rng)
        if centre is None:
            return
        field, part = self._windows(patch, centre)
        mask = patch.mask[part]
        if mask.sum() < 0.15 * patch.mask.sum():
            return
        free = self.instances[field] == 0
        self.contrast[field] += patch.contrast[part] * free
        self.classes[field][mask] = class_index
        self.instances[field][mask] = len(self._centres) + 1
        self._centres.append(centre)

    def _place_apart(self, patch: _Patch, rng: np.random.Generator) -> tuple[float, float] | None:
        grown = _Patch(patch.contrast, ndimage.binary_dilation(patch.mask, iterations=3))
        for _ in range(_TRIES):
            centre = (
                rng.uniform(-_MARGIN, self.size[0] + _MARGIN),
                rng.uniform(-_MARGIN, self.size[1] + _MARGIN),
            )
            if not self._overlaps(grown, centre):
                return centre
        return None

    def _place_against(self, patch: _Patch, rng: np.random.Generator) -> tuple[float, float] | None:
        """Move outwards from another cell's centre in a random direction until nothing overlaps any more."""
        for _ in range(_TRIES):
            y, x = self._centres[rng.integers(len(self._centres))]
            angle = rng.uniform(0, 2 * np.pi)
            for distance in range(12, patch.height + patch.width):
                centre = (y + distance * np.sin(angle), x + distance * np.cos(angle))
                if not self._overlaps(patch, centre):
                    inside = all(-_MARGIN <= centre[i] <= self.size[i] + _MARGIN for i in range(2))
                    if inside:
                        return centre
                    break
        return None

    def _overlaps(self, patch: _Patch, centre: tuple[float, float]) -> bool:
        field, part = self._windows(patch, centre)
        return bool((self.instances[field][patch.mask[part]] > 0).any())

    def _windows(
        self, patch: _Patch, centre: tuple[float, float]
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The part of the field that the patch covers, and the part of the patch that lies in the field."""
        top, left = round(centre[0] - patch.height / 2), round(centre[1] - patch.width / 2)
        rows = slice(min(max(top, 0), self.size[0]), max(0, min(top + patch.height, self.size[0])))
        columns = slice(min(max(left, 0), self.size[1]), max(0, min(left + patch.width, self.size[1])))
        part = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        return (rows, columns), part


def _turned(crop: CellCrop, rng: np.random.Generator) -> _Patch:
    """The crop's cell with its halo, at a random angle, perhaps mirrored, scaled by up to 12 %."""
    angle = rng.uniform(0, 2 * np.pi)
    scale = rng.uniform(0.88, 1.12)
    mirror = rng.choice([-1.0, 1.0])
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = np.array([[cosine, -sine], [mirror * sine, mirror * cosine]])

    contrast = crop.image.astype(np.float32) - background_level(crop.image)
    distance = ndimage.distance_transform_edt(~crop.mask)
    shown = np.clip((_HALO - distance) / _FADE, 0, 1)
    side = int(np.ceil(np.hypot(*crop.mask.shape) * scale)) + 2
    centre_in = (np.array(crop.mask.shape) - 1) / 2
    shift = centre_in - matrix @ np.full(2, (side - 1) / 2)

    def warp(values: NDArray[np.float32]) -> NDArray[np.float32]:
        warped: NDArray[np.float32] = ndimage.affine_transform(
            values, matrix, shift, output_shape=(side, side), order=1
        )
        return warped

    mask = warp(crop.mask.astype(np.float32)) > 0.5
    return _Patch(warp((contrast * shown).astype(np.float32)), mask)


def _debris(cells: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Specks, small rings and blurred shadows on the background."""
    debris = np.zeros(cells.shape, np.float32)
    grid_y, grid_x = np.mgrid[: cells.shape[0], : cells.shape[1]].astype(np.float32)
    for _ in range(rng.integers(0, 1 + max(2, cells.size // 20_000))):
        y, x = rng.uniform(0, cells.shape[0]), rng.uniform(0, cells.shape[1])
        distance = np.hypot(grid_y - y, grid_x - x)
        radius = rng.uniform(1.0, 6.0)
        strength = rng.uniform(10, 60) * rng.choice([-1.0, 1.0])
        kind = rng.integers(3)
        if kind == 0:
            debris += strength * np.exp(-((distance / radius) ** 2))
        elif kind == 1:
            debris += strength * np.exp(-(((distance - radius) / 1.5) ** 2))
        else:
            debris += 0.25 * strength * np.exp(-((distance / (5 * radius)) ** 2))
    return debris * ~cells


def _uneven_light(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """A factor near 1: a slope in a random direction and vignetting around a point near the centre."""
    y, x = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]), indexing="ij")
    slope_y, slope_x = rng.normal(0, 0.03, 2)
    centre_y, centre_x = rng.normal(0, 0.3, 2)
    vignetting = rng.uniform(0, 0.08)
    factor: NDArray[np.float64] = (
        1 + slope_y * y + slope_x * x - vignetting * ((y - centre_y) ** 2 + (x - centre_x) ** 2) / 2
    )
    return factor
