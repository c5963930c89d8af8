"""Many fields with their true labels on one page, to be looked at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.reports.legend import FAINT_INK, INK, PAPER, class_colour, draw_legend, legend_entries, stack
from drepano.reports.lettering import load_font, printable, shorten_to_width
from drepano.reports.overlay import cell_classes, check_shapes, draw_outlines
from drepano.reports.wording import plural
from drepano.taxonomy import Taxonomy

_LETTERS = 13  # px
_LINE_HEIGHT = 18  # px
_CAPTION_HEIGHT = 2 * _LINE_HEIGHT + 6  # px
_GAP = 12  # px


def draw_contact_sheet(
    fields: Sequence[Field], taxonomy: Taxonomy, columns: int = 4, tile: int = 256
) -> NDArray[np.uint8]:
    """Draw fields side by side, each with its true cells and a caption.

    Cells are outlined in the colour of their class. Where a field has a class map but no instances, the
    connected regions of each class are outlined; where it has only points, each gets a cross.

    Parameters
    ----------
    fields : sequence of Field
        The fields, drawn row by row.
    taxonomy : Taxonomy
        The classes of the fields.
    columns : int
        Fields side by side.
    tile : int
        Side of the square that each image is scaled to fit, px. Larger images are averaged down; smaller
        ones are enlarged without smoothing, so that the outline can be judged pixel by pixel.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB, with the number of cells of each class below the fields.

    Raises
    ------
    DrepanoError
        If `columns` or `tile` is less than 1, or the labels of a field do not lie on its image.
    """
    if columns < 1 or tile < 1:
        raise DrepanoError(
            f"a contact sheet of {columns} columns of {tile} px is empty; give at least 1 of each"
        )
    columns = min(columns, max(1, len(fields)))
    rows: list[NDArray[np.uint8]] = []
    classes: list[int | None] = []
    for first in range(0, len(fields), columns):
        row_fields = fields[first : first + columns]
        labels = [_labels_of(field, taxonomy) for field in row_fields]
        rows.append(_draw_row(row_fields, labels, taxonomy, columns, tile))
        classes += [index for known in labels for index in known.classes or []]
    title = plural(len(fields), "field")
    legend = draw_legend(title, legend_entries(classes, taxonomy), _GAP + columns * (tile + _GAP))
    return stack(np.concatenate(rows), legend) if rows else legend


def _draw_row(
    fields: Sequence[Field], labels: Sequence[_Labels], taxonomy: Taxonomy, columns: int, tile: int
) -> NDArray[np.uint8]:
    """Fields side by side, as high as the highest of them, with their captions below."""
    pictures = [
        Image.fromarray(_draw_field(field, known, taxonomy, tile))
        for field, known in zip(fields, labels, strict=True)
    ]
    floor = _GAP + max(picture.height for picture in pictures)
    row = Image.new("RGB", (_GAP + columns * (tile + _GAP), floor + _CAPTION_HEIGHT), PAPER)
    for column, (field, known, picture) in enumerate(zip(fields, labels, pictures, strict=True)):
        left = _GAP + column * (tile + _GAP)
        row.paste(picture, (left, floor - picture.height))
        _write_caption(row, field, _count_in_words(known), left, floor, tile)
    return np.asarray(row, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class _Labels:
    """What is known about a field's cells: their instances, the class of each instance, and of each cell."""

    instances: NDArray[np.int32] | None
    instance_classes: dict[int, int] | None
    classes: list[int | None] | None


def _labels_of(field: Field, taxonomy: Taxonomy) -> _Labels:
    from skimage.measure import label

    instances = field.instances
    for labels in (field.classes, instances):
        if labels is not None:
            check_shapes(field.image, labels, f"field {field.id}: labels")
    if instances is None and field.classes is not None:
        regions = label(field.classes, background=0, connectivity=2)  # type: ignore[no-untyped-call]
        instances = np.asarray(regions, dtype=np.int32)
    if instances is None:
        return _Labels(
            None, None, None if field.points is None else [int(index) for index in field.points[:, 2]]
        )
    known = None if field.classes is None else _instance_classes(instances, field.classes)
    return _Labels(instances, known, cell_classes(np.unique(instances[instances > 0]), known, taxonomy))


def _instance_classes(instances: NDArray[np.int32], classes: NDArray[np.uint8]) -> dict[int, int]:
    """The class that most pixels of each instance have."""
    inside = instances > 0
    pairs, areas = np.unique(instances[inside].astype(np.int64) * 256 + classes[inside], return_counts=True)
    smallest_first = pairs[np.argsort(areas, kind="stable")]
    return {int(pair // 256): int(pair % 256) for pair in smallest_first}


def _draw_field(field: Field, labels: _Labels, taxonomy: Taxonomy, tile: int) -> NDArray[np.uint8]:
    """The field's image, scaled to fit a square of `tile` px, with its true cells."""
    height, width = field.image.shape[:2]
    scale = tile / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smoothing = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    image = np.asarray(Image.fromarray(field.image).resize(size, smoothing), dtype=np.uint8)
    if labels.instances is not None:
        scaled = Image.fromarray(labels.instances).resize(size, Image.Resampling.NEAREST)
        instances = np.asarray(scaled, dtype=np.int32)
        return draw_outlines(
            image, instances, labels.instance_classes, taxonomy, thickness=_line_width(scale)
        )
    if field.points is not None:
        return _draw_crosses(image, field.points, scale, taxonomy)
    return image


def _line_width(scale: float) -> int:
    """Thin where the image is scaled down, up to half of one of its pixels where it is enlarged, px."""
    return max(1, min(3, round(scale / 2)))


def _count_in_words(labels: _Labels) -> str:
    if labels.classes is None:
        return "no labels"
    return plural(len(labels.classes), "cell")


def _draw_crosses(
    image: NDArray[np.uint8], points: NDArray[np.int32], scale: float, taxonomy: Taxonomy
) -> NDArray[np.uint8]:
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    arm = 4
    for row, column, index in points:
        x, y = int((column + 0.5) * scale), int((row + 0.5) * scale)
        colour = class_colour(int(index), taxonomy)
        pen.line((x - arm, y, x + arm, y), fill=colour)
        pen.line((x, y - arm, x, y + arm), fill=colour)
    return np.asarray(picture, dtype=np.uint8)


def _write_caption(sheet: Image.Image, field: Field, count: str, left: int, top: int, width: int) -> None:
    font = load_font(_LETTERS)
    pen = ImageDraw.Draw(sheet)
    details = count if field.patient is None else f"{printable(field.patient)}, {count}"
    lines = ((printable(field.id), INK), (details, FAINT_INK))
    for number, (text, ink) in enumerate(lines):
        middle = top + 4 + _LINE_HEIGHT // 2 + number * _LINE_HEIGHT
        pen.text((left, middle), shorten_to_width(text, font, width), ink, font, anchor="lm")
