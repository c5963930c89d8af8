"""Files of microscopes: CZI (Zeiss), ND2 (Nikon) and LIF (Leica), by the readers of bioio."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from drepano.errors import DrepanoError
from drepano.io.raster import Plane, Raster, check_size, choose_page, planes_of

READERS = {".czi": "bioio_czi", ".nd2": "bioio_nd2", ".lif": "drepano.io.leica"}
"""Suffix and module; the extra `microscopes` installs all of them."""


def is_microscope_file(path: Path) -> bool:
    """Whether the file's name says that it is one of these types."""
    return path.suffix.lower() in READERS


def list_planes(path: Path) -> list[Plane]:
    """What every image of the file shows: layers and times of a scene show the same place."""
    file = _open(path)
    pages = _pages(path, file)
    return planes_of(pages, channels=any(_channels(file, scene) > 1 for scene in range(len(file.scenes))))


def read_page(path: Path, page: int | None, channel: int) -> Raster:
    """Read one image of the file; `page` may be None if there is only one."""
    file = _open(path)
    pages = _pages(path, file)
    scene, place = pages[choose_page(path, page, len(pages))]
    channels = _channels(file, scene)
    check_size(path, file.dims.Y, file.dims.X)
    if not 0 <= channel < channels:
        raise DrepanoError(f"{path}: has no channel {channel + 1}; its channels are 1 to {channels}")
    if "S" not in file.dims.order:
        return Raster(file.get_image_dask_data("YX", C=channel, **place).compute())
    # Not lazily: of lazy colours bioio_czi 3.0 repeats the first.
    colours = file.get_image_data("YXS", C=channel, **place)
    return Raster(colours[..., ::-1] if _is_blue_first(path) else colours)


def pixel_size(path: Path, page: int | None) -> tuple[float, float] | None:
    """Width and height of a pixel in micrometres, where the file states them."""
    file = _open(path)
    if path.suffix.lower() == ".nd2" and not _is_calibrated(path):
        return None
    file.set_scene(_pages(path, file)[page or 0][0])
    sizes = file.physical_pixel_sizes
    return (sizes.X, sizes.Y or sizes.X) if sizes.X else None


def _is_blue_first(path: Path) -> bool:
    """Whether colours are stored as blue, green, red, and the reader leaves them so.

    Of ND2 all but the old JPEG 2000 files: so say nis2pyr of VIB, which compared nd2's arrays with what
    Nikon's NIS Viewer shows, and Bio-Formats (pull request 4321).
    """
    if path.suffix.lower() == ".nd2":
        with import_module("nd2").ND2File(path) as file:
            return not file.is_legacy
    return path.suffix.lower() == ".czi"


def _is_calibrated(path: Path) -> bool:
    """Whether an ND2 file states the size of its pixels; bioio_nd2 takes 1 um where it does not."""
    with import_module("nd2").ND2File(path) as file:
        channels = getattr(file.metadata, "channels", None)  # of old files it is a dict
        return bool(channels and channels[0].volume.axesCalibrated[0])


def _open(path: Path) -> Any:
    module = READERS[path.suffix.lower()]
    try:
        return import_module(module).Reader(path)
    except ModuleNotFoundError as error:
        raise DrepanoError(
            f"{path}: files of this type need {error.name}; pip install 'drepano[microscopes]', "
            "or export the image as TIFF"
        ) from error


def _channels(file: Any, scene: int) -> int:
    """Number of channels of a scene, which is the file's current one afterwards."""
    file.set_scene(scene)
    return int(file.dims.C) if "C" in file.dims.order else 1


def _pages(path: Path, file: Any) -> list[tuple[int, dict[str, int]]]:
    """Scene and place along all axes but those of a picture and its channels, of every image in order."""
    pages = []
    for scene in range(len(file.scenes)):
        file.set_scene(scene)
        lengths = {axis: file.dims[axis][0] for axis in file.dims.order if axis not in "CYXS"}
        places = np.ndindex(*lengths.values())
        pages += [(scene, dict(zip(lengths, place, strict=True))) for place in places]
    return pages
