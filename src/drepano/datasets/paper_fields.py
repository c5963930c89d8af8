"""The paper's full fields, for whoever has them (section IV.A, "Data Description")."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from skimage.transform import resize

from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.margins import blank_margins
from drepano.preprocessing import nearest

SIZE = 512


def prepare_paper_field(field: Field) -> Field:
    """`field` without blank left and right margins, resized to 512 x 512 with its maps.

    Raises
    ------
    DrepanoError
        If the whole image is blank.
    """
    left, right = blank_margins(field.image)
    width = field.image.shape[1]
    if left == width:
        raise DrepanoError(f"{field.id}: is blank from left to right; remove it from the data set")
    columns = slice(left, width - right)
    image = resize(field.image[:, columns], (SIZE, SIZE, 3), order=1, anti_aliasing=True, preserve_range=True)
    return replace(
        field,
        image=np.rint(image).astype(np.uint8),
        classes=None if field.classes is None else nearest(field.classes[:, columns], (SIZE, SIZE)),
        instances=None if field.instances is None else nearest(field.instances[:, columns], (SIZE, SIZE)),
        pixel_size=None,
        margins=(left, right),
    )
