"""Whether the counts of a field can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.preprocessing import background_colour, difference_from_background, difference_threshold
from drepano.quality.appearance import UNLIKE, describe, in_words, unlikeness

_SATURATED = 0.25
_UNEVEN = 0.5
_USUAL_DIAMETER = 45.0  # px
_BLURRED = 7.0  # px, where cells have that diameter
_TOUCHING = 0.5
_SIZE_TOLERANCE = 1.5
_CELLS_TO_JUDGE = 5
_BLOCKS = 4
_LEAST_BACKGROUND = 0.1


@dataclass(frozen=True)
class Quality:
    """What was measured on a field, and what its reader should know.

    Parameters
    ----------
    saturated_share : float
        Of pixels that are 0 or 255 in some channel.
    uneven_light : float
        Range of the background over the field, in units of the contrast of cells; NaN where none is seen.
    edge_width_px : float
        Contrast of cells through the steepest gradients, px where cells are 45 px or less across; 0 without.
    unlikeness : float
        Distance from the fields of training, see `drepano.quality.appearance`; NaN where these are not known.
    warnings : tuple of str
    """

    saturated_share: float
    uneven_light: float
    edge_width_px: float
    unlikeness: float
    warnings: tuple[str, ...]


def check_quality(
    image: NDArray[np.uint8],
    scaled: NDArray[np.uint8],
    cells: pd.DataFrame,
    cell_diameter: float,
    known_diameter: float,
    seen: Mapping[str, tuple[float, float]],
) -> Quality:
    """Measure what can spoil the counts of a field.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    scaled : (H', W', 3) uint8 array
        The image as the network saw it.
    cells : pandas.DataFrame
        From `drepano.cells.measure_cells`.
    cell_diameter : float
        By which the image was scaled, px.
    known_diameter : float
        To which it was scaled: that of the cells that the network knows, px.
    seen : mapping
        Ranges of the fields of training, from the model card; may be empty.
    """
    numbers = describe(scaled)
    saturated = float(((image == 0) | (image == 255)).any(axis=2).mean())
    uneven = _uneven_light(scaled)
    # Where cells are smaller it is pixels, not the lens, that make edges wide.
    width = numbers["edge_width"] * _USUAL_DIAMETER / max(known_diameter, _USUAL_DIAMETER)
    strange = unlikeness(numbers, seen) if seen else float("nan")
    warnings = []
    if saturated > _SATURATED:
        warnings.append(
            f"{saturated:.0%} of the pixels are black or white to the end of the scale: expose anew"
        )
    if not isnan(uneven) and uneven > _UNEVEN:
        warnings.append("the light is uneven: the background varies by more than half the contrast of cells")
    if width > _BLURRED:
        warnings.append(f"out of focus: edges are {width:.0f} px wide where cells are 45 px across")
    if strange >= UNLIKE:
        warnings.append(
            f"unlike the fields that the network was trained on: {', '.join(in_words(numbers, seen))}"
        )
    warnings += _warnings_of_cells(cells, cell_diameter)
    return Quality(saturated, uneven, width, strange, tuple(warnings))


def _uneven_light(image: NDArray[np.uint8]) -> float:
    """Range of the background's grey over the blocks of a grid, in units of the contrast of cells."""
    difference = difference_from_background(image, background_colour(image))
    threshold = difference_threshold(difference)
    if threshold is None:
        return float("nan")
    cells = difference > threshold
    grey = image.mean(axis=2)
    levels = []
    for rows, cell_rows in zip(np.array_split(grey, _BLOCKS), np.array_split(cells, _BLOCKS), strict=True):
        blocks = zip(np.array_split(rows, _BLOCKS, 1), np.array_split(cell_rows, _BLOCKS, 1), strict=True)
        levels += [
            np.median(block[~inside]) for block, inside in blocks if (~inside).mean() > _LEAST_BACKGROUND
        ]
    return float(np.ptp(levels) / difference[cells].mean()) if levels else float("nan")


def _warnings_of_cells(cells: pd.DataFrame, cell_diameter: float) -> list[str]:
    if cells.empty:
        return ["no cells found"]
    warnings = []
    touching = float(cells["touches_cell"].mean())
    if len(cells) >= _CELLS_TO_JUDGE and touching > _TOUCHING:
        warnings.append(f"{touching:.0%} of the cells touch others: thin the sample, or count with care")
    whole = cells.loc[~cells["touches_border"]]
    if len(whole) < _CELLS_TO_JUDGE:
        return warnings
    measured = float(np.median(2 * np.sqrt(whole["area_px"] / np.pi)))
    if not 1 / _SIZE_TOLERANCE < measured / cell_diameter < _SIZE_TOLERANCE:
        warnings.append(
            f"cells look about {measured:.0f} px across where {cell_diameter:.0f} px were expected; "
            "try --cell-diameter auto, or measure a few cells and give their diameter"
        )
    return warnings
