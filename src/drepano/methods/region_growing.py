"""Region growing: what the growing background does not reach is cells.

Seeded region growing of Adams and Bischof (IEEE TPAMI 16, 1994): regions grow from seeds by the neighbouring
pixels that differ least from the region's mean, which follows the region. The paper compares with "region
growing" and says no more; what is settled here:

- Regions are grown in the background, because that is homogeneous in stained smears (cells differ in colour)
  and in unstained bright-field images alike (inside, cells are as grey as the background, but a bright and
  dark edge keeps the background out).
- Growth has a tolerance, the largest difference that still joins a region. Adams and Bischof have none, since
  their seeds mark every object; here an object without a seed must stay one.
- Pixels join in the order of their difference in steps of one grey level, a ring of pixels at a time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError
from drepano.field import Segmentation
from drepano.io import ensure_writable_folder, write_text
from drepano.methods.training_fields import random_order
from drepano.preprocessing import background_colour
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy

LARGEST_TOLERANCE = 60
"""Growth ends at this difference, in grey levels of 8 bits, the whole contrast of a stained cell."""

RECORD = "region_growing.json"


@dataclass(frozen=True)
class GrowthSettings:
    """What one growth depends on.

    Parameters
    ----------
    smoothing : float
        Sigma in px of the Gaussian that the image is smoothed with first.
    clearance : float
        How far around a seed the image must look like background, in cell diameters; see `find_seeds`.
    share : float
        What part of the field may have seeds; the more, the better uneven light is followed.
    tolerance : int
        Largest difference from a region's mean that still joins it, grey levels; see `grow`.
    """

    smoothing: float
    clearance: float
    share: float
    tolerance: int


@dataclass(frozen=True)
class RegionGrowing:
    """Region growing whose settings are chosen on training fields, by the mean Dice of the cells.

    Parameters
    ----------
    smoothings, clearances, shares : tuples of float
        Values of `GrowthSettings` to choose from; tolerances are all from 1 to `LARGEST_TOLERANCE`.
    fields : int
        How many training fields to choose on, drawn at random.
    """

    smoothings: tuple[float, ...] = (0.5, 1.0)
    clearances: tuple[float, ...] = (0.2, 0.5)
    shares: tuple[float, ...] = (0.05, 0.3)
    fields: int = 8

    def fit(
        self, training: FieldDataset, taxonomy: Taxonomy, folder: Path, seed: int, progress: Progress
    ) -> TrainedRegionGrowing:
        """Choose the settings; ``region_growing.json`` in `folder` has them and how well the others did.

        Raises
        ------
        DrepanoError
            If there are several classes of cells, no fields, or a field without class map.
        """
        if len(taxonomy) != 2:
            raise DrepanoError("region growing tells cells from background only; compare it with --binary")
        ensure_writable_folder(folder)
        chosen_on = training.subset(random_order(training, seed)[: self.fields])
        growths = list(product(self.smoothings, self.clearances, self.shares))
        dice = np.empty((len(growths), LARGEST_TOLERANCE, len(chosen_on)))
        for number, field in enumerate(chosen_on):
            true = field.class_map(taxonomy)
            for place, growth in enumerate(growths):
                levels = _levels(field.image, training.cell_diameter, *growth)
                dice[place, :, number] = _dice_by_tolerance(levels, true)
            progress("choosing settings", number + 1, len(chosen_on))
        mean = _mean_over_fields(dice)
        best, tolerance = np.unravel_index(mean.argmax(), mean.shape)
        settings = GrowthSettings(*growths[int(best)], tolerance=int(tolerance) + 1)
        record = {
            "settings": asdict(settings),
            "dice": float(mean.max()),
            "fields": [source.id for source in chosen_on.sources],
            "best_dice": [
                {"smoothing": smoothing, "clearance": clearance, "share": share, "dice": float(row.max())}
                for (smoothing, clearance, share), row in zip(growths, mean, strict=True)
            ],
        }
        write_text(folder / RECORD, json.dumps(record, indent=2))
        return TrainedRegionGrowing(settings, taxonomy, training.cell_diameter)


@dataclass(frozen=True)
class TrainedRegionGrowing:
    """Region growing with its settings.

    Parameters
    ----------
    settings : GrowthSettings
    taxonomy : Taxonomy
        Background and cells.
    cell_diameter : float
        Of a typical cell in the images to come, px.
    """

    settings: GrowthSettings
    taxonomy: Taxonomy
    cell_diameter: float

    def segment(self, image: NDArray[np.uint8]) -> Segmentation:
        """Cells are what no background region reaches within the tolerance.

        The probability of a cell is ``level / (level + tolerance + 1/2)``, where `level` is the tolerance
        at which the background reaches the pixel: it grows with that level, is below one half where the
        pixel is background and above it elsewhere. A curve over its thresholds is therefore the curve over
        all tolerances; it is no calibrated probability.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
        """
        settings = self.settings
        levels = _levels(image, self.cell_diameter, settings.smoothing, settings.clearance, settings.share)
        cell = levels / (levels + np.float32(settings.tolerance + 0.5))
        return Segmentation(
            classes=(levels > settings.tolerance).astype(np.uint8),
            probabilities=np.stack([1 - cell, cell]).astype(np.float32),
            taxonomy=self.taxonomy,
            cell_diameter=self.cell_diameter,
        )


def find_seeds(
    image: NDArray[np.float32],
    background: NDArray[np.float32],
    cell_diameter: float,
    clearance: float,
    share: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of pixels in the clear background.

    A pixel's distance is the largest difference from the background's colour within the square around it,
    of half side `clearance`. Every square of a grid of one cell diameter gives its pixel of least distance
    as a seed, where that is among the least of the field.

    Parameters
    ----------
    image : (H, W, C) float32 array
    background : (C,) float32 array
        Colour of the background.
    cell_diameter : float
        Px.
    clearance : float
        In cell diameters. From one half on, the square around a pixel inside a cell reaches to its edge.
    share : float
        What part of all pixels have the least.
    """
    farthest = ndimage.maximum_filter(
        _difference(image, background), 2 * max(1, round(clearance * cell_diameter)) + 1
    )
    side = max(1, round(cell_diameter))
    height, width = farthest.shape
    padded = np.pad(farthest, ((0, -height % side), (0, -width % side)), constant_values=np.inf)
    grid = padded.shape[0] // side, padded.shape[1] // side
    split = padded.reshape(grid[0], side, grid[1], side)
    squares = split.transpose(0, 2, 1, 3).reshape(*grid, side * side)
    rows, columns = np.nonzero(squares.min(-1) <= np.quantile(farthest, share))
    place = squares.argmin(-1)[rows, columns]
    return rows * side + place // side, columns * side + place % side


def grow(image: NDArray[np.float32], seeds: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.int16]:
    """At which tolerance a region that grows from a seed reaches each pixel.

    At tolerance 1, then 2 and so on, all regions look at the open pixels beside them (above, below, left,
    right), then at those beside the ring that was taken last, as long as one is taken. A region takes what
    differs from its mean by no more than the tolerance; of several regions the nearest in colour takes a
    pixel. One that was refused is looked at again at the next tolerance. The difference is the root mean
    square over the channels, in grey levels. Means are renewed after every ring of pixels.

    Parameters
    ----------
    image : (H, W, C) float32 array
        0 to 255.
    seeds : rows and columns
        One pixel a region.

    Returns
    -------
    (H, W) int16 array
        0 at the seeds, `LARGEST_TOLERANCE` + 1 where no region comes. The background at tolerance t is all
        that is at most t, whatever comes later.
    """
    regions = _Regions(image, seeds)
    waiting = regions.beside_seeds()
    for tolerance in range(1, LARGEST_TOLERANCE + 1):
        ring, refused = waiting, []
        while len(ring):
            ring, too_different = regions.take(ring, tolerance)
            refused.append(too_different)
        waiting = regions.still_open(np.concatenate([waiting[:0], *refused]))
    return regions.levels()


class _Regions:
    """Regions while they grow.

    Candidates to join are (N, 2) arrays of pixel and region. Pixels are counted in an image with a border
    of one closed pixel, so that every one has four neighbours; region 0 stands for open, -1 for closed.
    """

    def __init__(self, image: NDArray[np.float32], seeds: tuple[NDArray[np.intp], NDArray[np.intp]]) -> None:
        self._shape = image.shape[0] + 2, image.shape[1] + 2
        self._colours = np.pad(image, ((1, 1), (1, 1), (0, 0))).reshape(-1, image.shape[2])
        self._region = np.pad(np.zeros(image.shape[:2], np.int32), 1, constant_values=-1).ravel()
        self._level = np.full(self._region.shape, LARGEST_TOLERANCE + 1, np.int16)
        self._neighbours = np.array([-self._shape[1], -1, 1, self._shape[1]])
        pixels = np.ravel_multi_index((seeds[0] + 1, seeds[1] + 1), self._shape)
        self._count = len(pixels) + 1
        self._sums = np.zeros((self._count, image.shape[2]))
        self._sizes = np.zeros(self._count)
        self._sizes[0] = 1  # region 0 is none; its mean is never used
        self._seeds = np.stack([pixels, np.arange(1, self._count)], axis=1)
        self._join(self._seeds, 0)

    def beside_seeds(self) -> NDArray[np.int64]:
        return self._beside(self._seeds)

    def take(
        self, candidates: NDArray[np.int64], tolerance: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Join those near enough; the candidates beside them, and those that were too different."""
        pixels, regions = candidates.T
        means = self._sums / self._sizes[:, None]
        difference = _difference(self._colours[pixels], means[regions])
        near = difference <= tolerance
        joining, difference = candidates[near], difference[near]
        joining = joining[np.lexsort((joining[:, 1], difference, joining[:, 0]))]
        is_first = np.append(True, joining[1:, 0] != joining[:-1, 0])[: len(joining)]
        self._join(joining[is_first], tolerance)
        return self._beside(joining[is_first]), candidates[~near]

    def still_open(self, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those whose pixel has no region yet, each once."""
        candidates = candidates[self._region[candidates[:, 0]] == 0]
        numbers = np.unique(candidates[:, 0] * self._count + candidates[:, 1])
        return np.stack(np.divmod(numbers, self._count), axis=1)

    def levels(self) -> NDArray[np.int16]:
        return self._level.reshape(self._shape)[1:-1, 1:-1]

    def _join(self, joining: NDArray[np.int64], level: int) -> None:
        pixels, regions = joining.T
        self._region[pixels] = regions
        self._level[pixels] = level
        self._sizes += np.bincount(regions, minlength=self._count)
        for channel, colours in enumerate(self._colours[pixels].T):
            self._sums[:, channel] += np.bincount(regions, colours, minlength=self._count)

    def _beside(self, joined: NDArray[np.int64]) -> NDArray[np.int64]:
        pixels = (joined[:, :1] + self._neighbours).ravel()
        candidates = np.stack([pixels, np.repeat(joined[:, 1], len(self._neighbours))], axis=1)
        return candidates[self._region[pixels] == 0]


def _levels(
    image: NDArray[np.uint8], cell_diameter: float, smoothing: float, clearance: float, share: float
) -> NDArray[np.int16]:
    smooth = ndimage.gaussian_filter(image.astype(np.float32), (smoothing, smoothing, 0))
    return grow(smooth, find_seeds(smooth, background_colour(image), cell_diameter, clearance, share))


def _difference(colours: NDArray, others: NDArray) -> NDArray:
    """Root mean square over the channels, which come last."""
    difference: NDArray = np.sqrt(np.mean((colours - others) ** 2, axis=-1))
    return difference


def _dice_by_tolerance(levels: NDArray[np.int16], true: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice of the cells at all tolerances from 1 on, as `drepano.metrics.dice_per_class` gives it."""
    pixels = np.bincount(levels.ravel(), minlength=LARGEST_TOLERANCE + 2)
    true_pixels = np.bincount(levels[true > 0], minlength=LARGEST_TOLERANCE + 2)
    # Cells at tolerance t are what is reached at t + 1 or later.
    predicted, common = (counts[::-1].cumsum()[::-1][2:] for counts in (pixels, true_pixels))
    sizes = predicted + true_pixels.sum()
    return np.divide(2 * common, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def _mean_over_fields(dice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over those where it is defined; 0 where it is in none, so that a choice can be made."""
    defined = ~np.isnan(dice)
    mean: NDArray[np.float64] = np.where(defined, dice, 0).sum(-1) / np.maximum(defined.sum(-1), 1)
    return mean
