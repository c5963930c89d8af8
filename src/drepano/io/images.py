"""Microscope fields in: every image file, as RGB of 8 bits."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError
from drepano.io import microscope, pillow, tiff
from drepano.io.raster import IMAGE_SUFFIXES, Plane, Raster, check_file, pages_apart, refusals

_SQUARE_TOLERANCE = 0.01
_OVERSHOOT = 0.1
_FEWEST_LEVELS = 16
"""Floats that reach no further are no grey levels of 8 bits, but a field divided by its background, say."""


def to_rgb8(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Make an image RGB of 8 bits.

    Values of 8 bits stay as they are, and so do wider ones if none is outside 0 to 255. Floats within 0 to 1
    are multiplied by 255; where they reach beyond 1 by a tenth at most, as interpolation overshoots, they are
    clipped. All else (10 to 16 bits of a camera, floats whose largest is between 1.1 and 16) is mapped
    linearly: the image's own 0.1 percentile, over all channels, becomes 0 and its 99.9 percentile 255; what
    lies beyond is clipped. A constant image becomes black then.

    Parameters
    ----------
    array : (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array of bool, integers or floats
        Grey, RGB or RGBA. Transparent pixels are laid over white.

    Returns
    -------
    (H, W, 3) uint8 array
        A new array; three equal channels for a grey image.

    Raises
    ------
    DrepanoError
        If the shape or type is another, the image is empty, or a value is not finite.
    """
    array = np.asarray(array)
    _check_array(array)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    colours = _to_bytes(array[..., :3])
    if array.shape[2] == 4:
        colours = _over_white(colours, array[..., 3:])
    return np.array(np.broadcast_to(colours, (*colours.shape[:2], 3)), order="C")


def read_image(path: Path | str, page: int | None = None, channel: int = 0) -> NDArray[np.uint8]:
    """Read an image file as RGB of 8 bits, upright.

    Parameters
    ----------
    path : Path or str
        PNG, JPEG, BMP, GIF, WebP or TIFF, whose content decides how they are read; CZI, ND2 or LIF where
        the extra `microscopes` is installed. Values of more than 8 bits are mapped as `to_rgb8` says.
    page : int, optional
        Which image of a file that holds several, from 0.
    channel : int
        Which channel, from 0, of a file whose metadata tell channels apart (TIFF with those of OME or ImageJ,
        CZI, ND2, LIF); RGB is one channel.

    Returns
    -------
    (H, W, 3) uint8 array

    Raises
    ------
    DrepanoError
        If the file is missing, damaged, cut short, larger than `MAX_PIXELS`, of another type, has no
        such channel, or holds several images and `page` is not given.
    """
    raster = read_raster(path, page, channel)
    samples = raster.samples if raster.palette is None else raster.palette[raster.samples]
    try:
        image = to_rgb8(samples)
    except DrepanoError as error:
        raise DrepanoError(f"{path}: {error}") from error
    return 255 - image if raster.inverted else image


def read_raster(path: Path | str, page: int | None = None, channel: int = 0) -> Raster:
    """Read an image file as it is stored, with the refusals of `read_image`."""
    path = Path(path)
    with refusals(path):
        check_file(path)
        if microscope.is_microscope_file(path):
            return microscope.read_page(path, page, channel)
        if tiff.is_tiff(path):
            return tiff.read_page(path, page, channel)
        if channel != 0:
            raise DrepanoError(f"{path}: has no channel {channel + 1}; it has one channel only")
        return pillow.read_page(path, page)


def list_planes(path: Path | str) -> list[Plane]:
    """What every image of a file shows.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    list of Plane
        One an image, so one in all but stacks and animations; channels of one image count once. With the same
        place where the metadata of CZI, ND2, LIF, OME or ImageJ state other layers or times of it.

    Raises
    ------
    DrepanoError
        If the file cannot be read.
    """
    path = Path(path)
    with refusals(path):
        check_file(path)
        if microscope.is_microscope_file(path):
            return microscope.list_planes(path)
        if tiff.is_tiff(path):
            return tiff.list_planes(path)
        return pages_apart(pillow.count_pages(path))


def pixel_size(path: Path | str, page: int | None = None) -> float | None:
    """Side of a pixel in micrometres, or None if the file does not state it.

    Only what CZI, ND2, LIF and the ImageJ or OME metadata of a TIFF state counts: the dots per inch of other
    files are those of a screen, not of a microscope.

    Parameters
    ----------
    path : Path or str
    page : int, optional
        Which image of a file that holds several, from 0: each may have a size of its own.

    Raises
    ------
    DrepanoError
        If the file cannot be read, or its pixels are not square.
    """
    path = Path(path)
    with refusals(path):
        check_file(path)
        if microscope.is_microscope_file(path):
            sides = microscope.pixel_size(path, page)
        else:
            sides = tiff.pixel_size(path, page) if tiff.is_tiff(path) else None
    if sides is None or not all(0 < side < math.inf for side in sides):
        return None
    width, height = sides
    if abs(width / height - 1) > _SQUARE_TOLERANCE:
        raise DrepanoError(
            f"{path}: its pixels are {width:g} x {height:g} µm; make them square, or give the pixel size"
        )
    return width


def _raise(folder: Path, error: DrepanoError) -> None:
    raise error


def find_images(paths: Sequence[Path], failed: Callable[[Path, DrepanoError], None] = _raise) -> list[Path]:
    """Image files among `paths` and in the folders among them.

    Parameters
    ----------
    paths : sequence of Path
        Files, taken as they are, and folders, searched with all folders in them but the hidden ones.
    failed : callable
        Told of every folder and file in them that cannot be read, and why; without it that is raised.

    Returns
    -------
    list of Path
        In the order of `paths`, sorted within a folder, each path once. Links are among them, also those that
        lead to a file that is there or nowhere: reading these tells what is wrong.

    Raises
    ------
    DrepanoError
        If a path does not exist, or a folder holds no image or cannot be read.
    """
    found: dict[str, Path] = {}
    for path in paths:
        with refusals(path):
            if not path.exists():
                raise DrepanoError(f"{path}: does not exist; check the name")
            for image in _images_in(path, failed) if path.is_dir() else [path]:
                found.setdefault(os.path.abspath(image), image)  # noqa: PTH100  # links are kept
    return list(found.values())


def _images_in(folder: Path, failed: Callable[[Path, DrepanoError], None]) -> Iterable[Path]:
    refused: list[tuple[Path, str]] = []

    def refuse(error: OSError) -> None:
        refused.append((Path(error.filename), str(error.strerror)))

    images = []
    for file in sorted(_files_in(folder, refuse)):
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        try:
            file.resolve()
            if file.is_file() or not file.exists():
                images.append(file)
        except OSError as error:
            refuse(error)
        except RuntimeError:
            refused.append((file, "a link that leads to itself"))
    if not images and not refused:
        raise DrepanoError(f"{folder}: no image in this folder; looked for {', '.join(IMAGE_SUFFIXES)}")
    for path, reason in refused:
        failed(path, DrepanoError(f"{path}: cannot be read ({reason}); check it and its permissions"))
    return images


def _files_in(folder: Path, refused: Callable[[OSError], None]) -> Iterable[Path]:
    """All files that are not hidden; each folder is looked into once, by a link where it has to be."""
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        links: list[Path] = []
        for place, folders, files in os.walk(waiting.pop(0), onerror=refused):
            where = Path(place)
            if where.resolve() in seen:
                folders.clear()
                continue
            seen.add(where.resolve())
            visible = sorted(name for name in folders if not name.startswith("."))
            links += [where / name for name in visible if (where / name).is_symlink()]
            folders[:] = [name for name in visible if not (where / name).is_symlink()]
            yield from (where / name for name in files if not name.startswith("."))
        waiting += sorted(links)


def _check_array(array: NDArray[Any]) -> None:
    if array.dtype.kind not in "buif":
        raise DrepanoError(f"the image is of type {array.dtype}; expected are integers, floats or bool")
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        raise DrepanoError(
            f"the image has shape {array.shape}, its channels first; put them last: np.moveaxis(image, 0, -1)"
        )
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (1, 3, 4)):
        raise DrepanoError(
            f"the image has shape {array.shape}; expected is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    if array.size == 0:
        raise DrepanoError(f"the image has shape {array.shape}, so no pixel; expected is at least one")
    if not np.isfinite(array).all():
        raise DrepanoError("the image has values that are NaN or infinite; replace them by finite ones")


def _to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    lowest, highest = values.min(), values.max()
    if values.dtype == np.bool_:
        return _rounded(values * 255.0)
    is_float = values.dtype.kind == "f"
    fractions = lowest >= 0 and highest <= 1
    overshot = lowest >= -_OVERSHOOT and 1 <= highest <= 1 + _OVERSHOOT
    if is_float and (fractions or overshot):
        return _rounded((values * 255.0).clip(0, 255))
    if lowest >= 0 and highest <= 255 and not (is_float and highest < _FEWEST_LEVELS):
        return _rounded(values)
    low, high = (float(percentile) for percentile in np.percentile(values, (0.1, 99.9)))
    precision = np.float32 if values.dtype.itemsize <= 2 else np.float64
    scaled = np.subtract(values, low, dtype=precision) * (255 / ((high - low) or 1.0))
    return _rounded(scaled.clip(0, 255))


def _over_white(colours: NDArray[np.uint8], alpha: NDArray[Any]) -> NDArray[np.uint8]:
    highest = alpha.max()
    opaque = 1 if highest <= 1 else 255 if highest <= 255 else 65535
    opacity = (alpha / np.float32(opaque)).clip(0, 1)
    if (opacity == 1).all():
        return colours
    return _rounded(255 - (255 - colours) * opacity)


def _rounded(values: NDArray[Any]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(values).astype(np.uint8)
    return rounded
