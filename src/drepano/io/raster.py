"""What an image file holds before it is taken for a picture or for labels, and what every reader refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".czi", ".nd2", ".lif")
"""Suffixes of the files that can be read, in lower case."""

_BYTES = re.compile(r"\s*\bb(['\"]).*")
"""A file's own bytes in a message, and what follows them."""

MAX_PIXELS = 150_000_000
"""Largest image that is read, in pixels: a guard against files that unpack to more than the memory."""


@dataclass(frozen=True, eq=False)
class Raster:
    """One page of an image file, upright, its values as stored.

    Parameters
    ----------
    samples : (H, W), (H, W, 3) or (H, W, 4) array
        Grey values or palette indices, RGB, or RGBA.
    palette : (256, 4) uint8 array, optional
        RGBA colour of every index, if the samples are indices.
    inverted : bool
        Whether 0 stands for white ("min is white" of TIFF).
    """

    samples: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    inverted: bool = False


class Plane(NamedTuple):
    """What one page of a file shows: a place, in a layer (z) of it, at a time; all numbered from 0.

    Two pages of one place show the same cells. Where the file does not say what its pages show nothing is
    `stated`, and every page is taken for a place; layer and time are then where Bio-Formats shows it. `stack`
    says whether the pages of the file are the slices of one stack for ImageJ: it has neither channels nor
    scenes, and not both layers and times.
    """

    place: int = 0
    layer: int = 0
    time: int = 0
    stated: bool = True
    stack: bool = True


def pages_apart(pages: int) -> list[Plane]:
    """The planes of a file that does not say what its pages show."""
    return [Plane(number, time=number, stated=pages == 1) for number in range(pages)]


SLICE = "slice"
"""An axis that has layers of one place or places: the file does not say which."""


def planes_of(pages: Sequence[tuple[int, Mapping[str, int]]], channels: bool) -> list[Plane]:
    """The planes of pages of which the scene and the number along every axis but a picture's are known.

    `channels` says whether the file has more than one.
    """
    places = [
        (scene, *(number for axis, number in numbers.items() if axis not in "ZT")) for scene, numbers in pages
    ]
    order = {place: number for number, place in enumerate(dict.fromkeys(places))}
    axes = {axis for _, numbers in pages for axis, number in numbers.items() if number}
    stack = not channels and len({scene for scene, _ in pages}) == 1 and len(axes) <= 1
    return [
        Plane(
            order[place],
            layer=numbers.get("Z", numbers.get(SLICE, 0)),
            time=numbers.get("T", 0),
            stated=SLICE not in numbers,
            stack=stack,
        )
        for place, (_, numbers) in zip(places, pages, strict=True)
    ]


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn `samples` (H, W, ...) as the EXIF or TIFF `orientation` (1 to 8) says; others leave it."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def choose_page(path: Path, page: int | None, pages: int) -> int:
    """Index of the page to read of a file that holds `pages`.

    Raises
    ------
    DrepanoError
        If none is named where there are several, or the file has no such page.
    """
    if page is None and pages > 1:
        raise DrepanoError(
            f"{path}: holds {pages} pages, and one image is needed; save the one that is meant as a file of "
            f"its own (in Python: drepano.io.read_image with page=0 to page={pages - 1})"
        )
    chosen = page or 0
    if not 0 <= chosen < pages:
        raise DrepanoError(f"{path}: has no page={chosen}; its pages are page=0 to page={pages - 1}")
    return chosen


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse an image of more than `MAX_PIXELS` by what its header says, before it is unpacked.

    Raises
    ------
    DrepanoError
        If the image is larger.
    """
    if height * width > MAX_PIXELS:
        raise DrepanoError(
            f"{path}: {width} x {height} pixels are more than the limit of {MAX_PIXELS:,}; cut it into fields"
        )


def check_file(path: Path) -> None:
    """Refuse what is not an ordinary, non-empty file with the suffix of an image.

    Raises
    ------
    DrepanoError
        If it is not.
    """
    if not path.exists():
        raise DrepanoError(f"{path}: does not exist; check the name")
    if path.is_dir():
        raise DrepanoError(f"{path}: is a folder; give the name of an image file in it")
    if not path.is_file():
        raise DrepanoError(f"{path}: is not an ordinary file; give the name of an image file")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DrepanoError(
            f"{path}: files of type {path.suffix or 'without suffix'!r} cannot be read; "
            f"save it as one of {', '.join(IMAGE_SUFFIXES)}"
        )
    if path.stat().st_size == 0:
        raise DrepanoError(f"{path}: the file is empty; copy or export it again")


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn whatever the reading of `path` raises into one line about that file.

    A damaged file can make a decoder raise nearly anything, so every exception counts as the file's fault.

    Raises
    ------
    DrepanoError
        If the ``with`` raises an exception; a `MemoryError` passes.
    """
    try:
        yield
    except (DrepanoError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise DrepanoError(
                f"{path}: cannot be read ({error.strerror}); check its name, its permissions and its disk"
            ) from error
        in_words = _BYTES.sub("", " ".join(str(error).split()))
        reason = in_words[:120] or type(error).__name__
        raise DrepanoError(
            f"{path}: damaged, cut short or not an image that can be read ({reason}); copy or export it again"
        ) from error
