"""Outlines of cells over their image, to see at a glance where a segmentation is right."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError
from drepano.reports.legend import class_colour, draw_legend, legend_entries, stack
from drepano.taxonomy import Taxonomy

_PIXELS_PER_LINE_WIDTH = 400


def line_width(shape: tuple[int, ...]) -> int:
    """Width of an outline that can be seen when an image of this shape fills a page, px.

    Examples
    --------
    >>> line_width((28, 28)), line_width((1200, 1600))
    (1, 4)
    """
    return max(1, round(max(shape[:2]) / _PIXELS_PER_LINE_WIDTH))


def draw_outlines(
    image: NDArray[np.uint8],
    instances: NDArray[np.int32],
    instance_classes: Mapping[int, int] | None,
    taxonomy: Taxonomy,
    thickness: int | None = None,
) -> NDArray[np.uint8]:
    """Outline every cell in the colour of its class.

    The line runs just inside the cell. Where two cells touch, it keeps back from the other cell by half
    its width, so that the two lines stay apart. Cells cut by the edge of the image stay open there.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image as RGB.
    instances : (H, W) int32 array
        0 for background, a different positive number for every cell.
    instance_classes : mapping from int to int, or None
        Class of each cell, as an index into the taxonomy. Cells it leaves out, or gives a class that the
        taxonomy lacks, are dark grey. None where no cell has a class: then all cells are dark grey, but
        for a taxonomy with a single class of cells, whose colour they get.
    taxonomy : Taxonomy
        The classes and their colours.
    thickness : int, optional
        Width of the line, px; by default it grows with the image.

    Returns
    -------
    (H, W, 3) uint8 array
        A copy of the image, changed only where a line runs.

    Raises
    ------
    DrepanoError
        If the image is not RGB, or the instances are of another size.
    """
    check_shapes(image, instances)
    width = line_width(image.shape) if thickness is None else thickness
    line = _outline_pixels(instances, width)
    cell_of_pixel = instances[line]
    numbers = np.arange(int(cell_of_pixel.max(initial=0)) + 1)
    classes = cell_classes(numbers, instance_classes, taxonomy)
    colours = np.array([class_colour(index, taxonomy) for index in classes], dtype=np.uint8)
    drawn = image.copy()
    drawn[line] = colours[cell_of_pixel]
    return drawn


def draw_overlay(
    image: NDArray[np.uint8],
    instances: NDArray[np.int32],
    instance_classes: Mapping[int, int] | None,
    taxonomy: Taxonomy,
    title: str,
    warnings: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Outline every cell, and write the number of cells of each class and warnings below the image.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image as RGB.
    instances : (H, W) int32 array
        0 for background, a different positive number for every cell.
    instance_classes : mapping from int to int, or None
        Class of each cell, as in `draw_outlines`.
    taxonomy : Taxonomy
        The classes and their colours.
    title : str
        Written above the counts, shortened where it does not fit.
    warnings : sequence of str
        Written below the counts.

    Returns
    -------
    (H', W', 3) uint8 array
        The outlined image in the upper left corner, the legend in the rows below it. W' is W, or 240
        where that is less.

    Raises
    ------
    DrepanoError
        If the image is not RGB, or the instances are of another size.
    """
    outlined = draw_outlines(image, instances, instance_classes, taxonomy)
    numbers = np.flatnonzero(np.bincount(instances.ravel())[1:]) + 1
    entries = legend_entries(cell_classes(numbers, instance_classes, taxonomy), taxonomy)
    return stack(outlined, draw_legend(title, entries, image.shape[1], warnings))


def cell_classes(
    numbers: NDArray[np.integer], instance_classes: Mapping[int, int] | None, taxonomy: Taxonomy
) -> list[int | None]:
    """Class of each of the cells `numbers`, None where it is not known.

    Without `instance_classes`, a taxonomy with a single class of cells leaves no doubt.
    """
    if instance_classes is None:
        only_class = 1 if len(taxonomy.cell_classes) == 1 else None
        return [only_class] * len(numbers)
    return [instance_classes.get(int(number)) for number in numbers]


def check_shapes(image: NDArray[np.uint8], labels: NDArray[Any], what: str = "instances") -> None:
    """Refuse an image that is not RGB, and labels, called `what`, that do not lie on it.

    Raises
    ------
    DrepanoError
        If the one is not (H, W, 3), or the other not (H, W).
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise DrepanoError(f"image of shape {image.shape} is not RGB; give one of shape (height, width, 3)")
    if labels.shape != image.shape[:2]:
        raise DrepanoError(
            f"{what} of shape {labels.shape} do not lie on an image of shape {image.shape}; "
            "give both in the same size"
        )


def _outline_pixels(instances: NDArray[np.int32], width: int) -> NDArray[np.bool_]:
    """Pixels of the cells that are less than `width` px from the cell's edge."""
    from drepano.cells import between_cells

    parted = (instances > 0) & ~between_cells(instances, (width + 1) // 2)
    edge = np.zeros(parted.shape, np.bool_)
    edge[1:] |= ~parted[:-1]
    edge[:-1] |= ~parted[1:]
    edge[:, 1:] |= ~parted[:, :-1]
    edge[:, :-1] |= ~parted[:, 1:]
    edge &= parted
    rows, columns = np.nonzero(np.pad(edge, width))
    line: NDArray[np.bool_] = np.zeros(np.add(edge.shape, 2 * width), np.bool_)
    for down, right in itertools.product(range(1 - width, width), repeat=2):
        if down**2 + right**2 < width**2:
            line[rows + down, columns + right] = True
    return line[width:-width, width:-width] & parted
