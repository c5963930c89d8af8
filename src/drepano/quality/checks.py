"""Whether the counts of a field can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.cell_size import estimate_cell_diameter
from drepano.cells import CELLS_TO_JUDGE
from drepano.margins import notable_margins
from drepano.preprocessing import (
    background_colour,
    difference_from_background,
    difference_threshold,
    grey_levels,
)
from drepano.quality.appearance import UNLIKE, describe, in_words, unlikeness

_SATURATED = 0.25
_UNEVEN = 0.5
_USUAL_DIAMETER = 45.0  # px
_BLURRED = 7.0  # px, where cells have that diameter
_MORE_BLURRED = 1.2  # than the most blurred fields of training
_TOUCHING = 0.8
_SIZE_TOLERANCE = 1.5
_BLOCKS = 4
_LEAST_BACKGROUND = 0.1
_MUCH_DEBRIS = 0.5  # in units of the number of cells


@dataclass(frozen=True)
class Quality:
    """What was measured on a field, and what its reader should know.

    Parameters
    ----------
    saturated_share : float
        Of pixels that are 0 or 255 in some channel, between blank margins.
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
    debris: int,
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
    debris : int
        Pieces that were too small for cells.
    cell_diameter : float
        By which the image was scaled, px.
    known_diameter : float
        To which it was scaled: that of the cells that the network knows, px.
    seen : mapping
        Ranges of the fields of training, from the model card; may be empty.
    """
    numbers = describe(scaled)
    margins = notable_margins(image)
    left, right = margins or (0, 0)
    picture = image[:, left : image.shape[1] - right]
    red, green, blue = np.moveaxis((picture == 0) | (picture == 255), 2, 0)
    saturated = float((red | green | blue).mean())
    uneven = _uneven_light(scaled)
    # Where cells are smaller it is pixels, not the lens, that make edges wide.
    width = numbers["edge_width"] * _USUAL_DIAMETER / max(known_diameter, _USUAL_DIAMETER)
    strange = unlikeness(numbers, seen) if seen else float("nan")
    warnings = []
    if margins is not None:
        warnings.append(
            f"blank margins of {left} px on the left and {right} px on the right: cut them off; light, focus "
            "and likeness to the fields of training cannot be judged with them"
        )
    if saturated > _SATURATED:
        warnings.append(
            f"{saturated:.0%} of the pixels are black or white to the end of the scale: expose anew"
        )
    if margins is None:
        if not isnan(uneven) and uneven > _UNEVEN:
            warnings.append(
                "the light is uneven: the background varies by more than half the contrast of cells"
            )
        sharp = seen["edge_width"][1] * _MORE_BLURRED if "edge_width" in seen else float("inf")
        if width > _BLURRED or numbers["edge_width"] > sharp:
            warnings.append(f"out of focus: edges are {width:.1f} px wide where cells are 45 px across")
        if strange >= UNLIKE:
            warnings.append(
                f"unlike the fields that the network was trained on: {', '.join(in_words(numbers, seen))}"
            )
    warnings += _warnings_of_cells(cells, debris)
    warnings += _warnings_of_size(cells, cell_diameter, scaled, known_diameter)
    return Quality(saturated, uneven, width, strange, tuple(warnings))


def _uneven_light(image: NDArray[np.uint8]) -> float:
    """Range of the background's grey over the blocks of a grid, in units of the contrast of cells."""
    difference = difference_from_background(image, background_colour(image))
    threshold = difference_threshold(difference)
    if threshold is None:
        return float("nan")
    cells = difference > threshold
    grey = grey_levels(image)
    levels = []
    for rows, cell_rows in zip(np.array_split(grey, _BLOCKS), np.array_split(cells, _BLOCKS), strict=True):
        blocks = zip(np.array_split(rows, _BLOCKS, 1), np.array_split(cell_rows, _BLOCKS, 1), strict=True)
        levels += [
            np.median(block[~inside])
            for block, inside in blocks
            if block.size and (~inside).mean() > _LEAST_BACKGROUND
        ]
    return float(np.ptp(levels) / difference[cells].mean()) if levels else float("nan")


def _warnings_of_cells(cells: pd.DataFrame, debris: int) -> list[str]:
    warnings = []
    if cells.empty:
        warnings.append("no cells found")
    touching = float(cells["touches_cell"].mean()) if len(cells) >= CELLS_TO_JUDGE else 0.0
    if touching > _TOUCHING:
        warnings.append(f"{touching:.0%} of the cells touch others: thin the sample, or count with care")
    if debris > _MUCH_DEBRIS * max(len(cells), CELLS_TO_JUDGE):
        warnings.append(f"{debris} pieces are too small for cells and were not counted")
    return warnings


def _warnings_of_size(
    cells: pd.DataFrame, cell_diameter: float, scaled: NDArray[np.uint8], known_diameter: float
) -> list[str]:
    """By the cells found or, where they are too few to judge, by what the image itself shows."""
    whole = cells.loc[~cells["touches_border"].astype(bool)]
    if len(whole) >= CELLS_TO_JUDGE:
        measured = float(np.median(2 * np.sqrt(whole["area_px"] / np.pi)))
    else:
        seen = estimate_cell_diameter(scaled)
        measured = cell_diameter if seen is None else seen * cell_diameter / known_diameter
    if 1 / _SIZE_TOLERANCE < measured / cell_diameter < _SIZE_TOLERANCE:
        return []
    return [
        f"cells look about {measured:.0f} px across where {cell_diameter:.0f} px were expected; "
        "measure a few cells and give their diameter, or, where that was not tried, --cell-diameter auto"
    ]
