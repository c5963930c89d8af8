"""PNG, JPEG, BMP, GIF and WebP, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as ExifTag
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from drepano.errors import DrepanoError
from drepano.io.raster import Raster, check_size, choose_page, upright

# Chosen here rather than by Image.open, which has a limit of its own on the size, warns about it, and takes
# the preview in a telephone's JPEG for a second page.
_READERS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"BM": BmpImageFile,
    b"GIF8": GifImageFile,
    b"RIFF": WebPImageFile,
}


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """The file with its header read and its size checked, its pixels not yet unpacked."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        for signature, reader in _READERS.items():
            if start.startswith(signature):
                image = reader(file, str(path))
                check_size(path, image.height, image.width)
                yield image
                return
    raise DrepanoError(
        f"{path}: its content is not an image of a known format, whatever its name says; export it again"
    )


def count_pages(path: Path) -> int:
    """Number of images in the file."""
    with _opened(path) as image:
        return int(getattr(image, "n_frames", 1))


def read_page(path: Path, page: int | None) -> Raster:
    """Read one image of the file; `page` may be None if there is only one."""
    with _opened(path) as image:
        chosen = choose_page(path, page, getattr(image, "n_frames", 1))
        if chosen > 0:
            image.seek(chosen)
        samples = _deep_colours(path) if _is_deep_colour_png(path) else _samples(image)
        orientation = image.getexif().get(ExifTag.Orientation, 1)
        palette = _palette(image) if image.mode == "P" else None
    return Raster(upright(samples, orientation), palette)


def _samples(image: ImageFile) -> NDArray[Any]:
    """Values of the image as (H, W), (H, W, 3) or (H, W, 4)."""
    if image.mode in ("1", "L", "LA", "RGB") and image.has_transparency_data:
        return np.asarray(image.convert("RGBA"))
    if image.mode == "CMYK":
        return np.asarray(image.convert("RGB"))
    return np.asarray(image)


def _palette(image: ImageFile) -> NDArray[np.uint8]:
    """RGBA colours of all 256 indices; those that the file leaves out are black."""
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    stored = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(stored), :3] = stored
    transparency = image.info.get("transparency")
    if isinstance(transparency, bytes):
        colours[: len(transparency), 3] = list(transparency)
    elif transparency is not None:
        colours[transparency, 3] = 0
    return colours


def _is_deep_colour_png(path: Path) -> bool:
    """Whether it is a PNG with 16 bits a sample and several samples a pixel."""
    with path.open("rb") as file:
        header = file.read(26)
    grey = 0
    return header.startswith(b"\x89PNG") and header[24] == 16 and header[25] != grey


def _deep_colours(path: Path) -> NDArray[np.uint16]:
    """All 16 bits of a colour PNG, of which Pillow keeps the upper 8."""
    samples: NDArray[np.uint16] = imagecodecs.png_decode(path.read_bytes())
    return samples[..., [0, 0, 0, 1]] if samples.shape[2] == 2 else samples
