"""A field for a web page: the image with the cells' outlines as a drawing that can be switched and zoomed."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_JPEG_QUALITY = 82
_CROP_SIDE = 76  # px, of a cell in the gallery
_CROP_MARGIN = 0.35  # of the cell's longer side, on each side


@dataclass(frozen=True)
class OutlinedCell:
    """One cell as the page shows it.

    Parameters
    ----------
    number : int
    class_name : str
    probability : float
    uncertain : bool
    whole : bool
        Whether the border does not cut it.
    ring : tuple of int
        Corners of its outline, x and y in turn, px.
    """

    number: int
    class_name: str
    probability: float
    uncertain: bool
    whole: bool
    ring: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ReportedField:
    """One field that was segmented.

    Parameters
    ----------
    name : str
        Its name in the summary.
    source : str
        The file it was read from.
    image : callable
        Reads the field, (H, W, 3) uint8.
    cells : sequence of OutlinedCell
    warnings : tuple of str
        What the reader should know before trusting its counts.
    seconds : float
        How long it took, s.
    """

    name: str
    source: str
    image: Callable[[], NDArray[np.uint8]]
    cells: Sequence[OutlinedCell]
    warnings: tuple[str, ...]
    seconds: float


def field_svg(field: ReportedField, class_names: Sequence[str], label: str, longest_side: int) -> str:
    """The field as an ``<svg>`` element in pixels of the image.

    Outlines of the n-th class of cells have the CSS class ``k<n>``, uncertain ones also ``uncertain``.

    Parameters
    ----------
    field : ReportedField
    class_names : sequence of str
        Of cells.
    label : str
        What is to be seen, for readers who cannot.
    longest_side : int
        Of the embedded picture, px.
    """
    image = field.image()
    height, width = image.shape[:2]
    pieces = [
        f'<svg class="field" viewBox="0 0 {width} {height}" role="img" tabindex="0" '
        f'aria-label="{escape(label)}">',
        f'<image width="{width}" height="{height}" href="{jpeg_uri(image, longest_side)}"/>',
    ]
    for cell in field.cells:
        kinds = f"k{class_names.index(cell.class_name) + 1}" + (" uncertain" if cell.uncertain else "")
        title = f"{cell.number}: {escape(cell.class_name)}, {cell.probability:.2f}"
        pieces.append(f'<path class="{kinds}" d="{_path(cell.ring)}"><title>{title}</title></path>')
    return "".join([*pieces, "</svg>"])


def _path(ring: tuple[int, ...]) -> str:
    """The ring as SVG path data with relative steps, which are shorter."""
    points = np.array(ring).reshape(-1, 2)
    steps = " ".join(f"{x},{y}" for x, y in np.diff(points, axis=0).tolist())
    return f"M{points[0, 0]},{points[0, 1]}l{steps}z"


def cell_uri(image: NDArray[np.uint8], cell: OutlinedCell) -> str:
    """A square around the cell as a data URI; what lies outside the image is its edge repeated."""
    points = np.array(cell.ring).reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    half = int(np.ceil((high - low).max() * (0.5 + _CROP_MARGIN)))
    centre_x, centre_y = ((low + high) // 2).tolist()
    height, width = image.shape[:2]
    rows = np.clip(np.arange(centre_y - half, centre_y + half), 0, height - 1)
    columns = np.clip(np.arange(centre_x - half, centre_x + half), 0, width - 1)
    return jpeg_uri(image[rows[:, None], columns], _CROP_SIDE)


def jpeg_uri(image: NDArray[np.uint8], longest_side: int) -> str:
    """An image (H, W, 3) uint8 as a JPEG inside a URI, at most that large."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")
