"""LIF files (Leica), images of a colour camera too, which bioio_lif refuses.

Imported only where a LIF file is read: bioio_lif is an extra.
"""

from __future__ import annotations

import bioio_lif
import dask
import dask.array
import xarray
from bioio_base.types import PhysicalPixelSizes
from liffile import LifFile, LifImageABC  # what bioio_lif reads with
from numpy.typing import NDArray


class Reader(bioio_lif.Reader):  # type: ignore[misc]  # bioio_lif has no types
    """The reader of bioio_lif, for scenes in colour too: with the axes they have, red, green, blue last."""

    def _read_delayed(self) -> xarray.DataArray:
        scene = self.current_scene_index
        with LifFile(self._path) as file:
            image = file.images[scene]
            if "S" not in image.dims:
                return super()._read_delayed()
            self._physical_pixel_sizes = PhysicalPixelSizes(None, _side(image, "Y"), _side(image, "X"))
            pixels = dask.delayed(_read_scene)(self._path, scene)
            lazy = dask.array.from_delayed(pixels, image.shape, image.dtype)
            return xarray.DataArray(lazy, dims=image.dims)

    def _read_immediate(self) -> xarray.DataArray:
        return self._read_delayed().compute()


def _read_scene(path: str, scene: int) -> NDArray:
    with LifFile(path) as file:
        pixels: NDArray = file.images[scene].asarray()
        return pixels


def _side(image: LifImageABC, axis: str) -> float | None:
    """Of a pixel along an axis, in micrometres, where the file states it."""
    places = image.coords.get(axis)
    return float(places[1] - places[0]) * 1e6 if places is not None and len(places) > 1 else None
