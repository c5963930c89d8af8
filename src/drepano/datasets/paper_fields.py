"""The paper's full fields, for whoever has them (section IV.A, "Data Description")."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.preprocessing import nearest

SIZE = 512
_BLANK_SPREAD = 2.0


def prepare_paper_field(field: Field) -> Field:
    """`field` without blank left and right margins, resized to 512 x 512 with its maps.

    Raises
    ------
    DrepanoError
        If the whole image is blank.
    """
    columns = content_columns(field.image, field.id)

    image = resize(field.image[:, columns], (SIZE, SIZE, 3), order=1, anti_aliasing=True, preserve_range=True)
    return replace(
        field,
        image=np.rint(image).astype(np.uint8),
        classes=None if field.classes is None else nearest(field.classes[:, columns], (SIZE, SIZE)),
        instances=None if field.instances is None else nearest(field.instances[:, columns], (SIZE, SIZE)),
        pixel_size=None,
    )


def content_columns(image: NDArray[np.uint8], name: str = "image") -> slice:
    """Columns between the blank margins on the left and on the right of an image (H, W, 3) uint8.

    A column is blank when its grey levels hardly differ from one another, as in a black or white bar.

    Raises
    ------
    DrepanoError
        If every column is blank.
    """
    spread = image.astype(np.float32).std(axis=0).max(axis=-1)
    content = np.flatnonzero(spread > _BLANK_SPREAD)
    if content.size == 0:
        raise DrepanoError(f"{name}: is blank from left to right; remove it from the data set")
    return slice(int(content[0]), int(content[-1]) + 1)
