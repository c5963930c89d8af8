"""A trained network plus preprocessing and tiling: an image in, its segmentation out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from drepano.cell_size import estimate_cell_diameter
from drepano.cells import find_cells, typical_diameter
from drepano.devices import check_precision, resolve_device
from drepano.errors import DrepanoError
from drepano.field import Segmentation
from drepano.io import MAX_PIXELS, read_image, to_rgb8
from drepano.models import ModelCard, find_weights, for_inference, load_network
from drepano.models.unet import STRIDE
from drepano.preprocessing import measure_light, normalise, scale_image, scaled_size

TILE = 768
"""Side in px of the part of a tile that is kept; a multiple of the networks' stride."""
_SMALLEST_DIAMETER, _LARGEST_DIAMETER = 1, 5000

CellDiameter = float | Literal["auto"] | None
"""Of a typical cell in an image, px: given, to be estimated, or the one that the network knows."""

_ESTIMATE_TOLERANCES = 0.03, 0.03, 0.1
"""Where cells found differ more than this from the estimate, the first, second and third time, the field is
segmented again at their size, and in the end as it is: sizes that do not settle are mostly those of noise."""
_SMALLEST_SCALE, _LARGEST_SCALE = 1 / 6, 12.0
"""Cells so many times as large as those that the network knows are no cells."""

WIDEST_MARGIN = 256
"""Border in px for networks that look at the whole image, as PSPNet does; no border is exact for them."""


def load_model(model: str | Path = "scd", device: str = "auto", precision: str = "float32") -> Segmenter:
    """A shipped network by name, or a ``.safetensors`` file that ``drepano train`` wrote.

    Parameters
    ----------
    model : str or Path
        "scd" (five classes, unstained), "rbc" (cell or background, stained or not), or a path.
    device : {"auto", "cpu", "cuda"}
        "auto" takes the GPU where PyTorch sees one.
    precision : {"float32", "bfloat16"}
        What plain convolutions compute in. bfloat16 is for CPUs and GPUs that have it; at least 99.9 % of
        pixels keep their class on the fields measured (benchmarks/results/bfloat16.json).

    Raises
    ------
    DrepanoError
        If there is no such model, the file cannot be used, the device is not there, or it does not have
        the precision.

    Examples
    --------
    >>> import drepano, numpy
    >>> result = drepano.load_model("scd").segment(numpy.full((64, 64), 160, dtype=numpy.uint8))
    >>> result.classes.shape, result.probabilities.shape
    ((64, 64), (5, 64, 64))
    """
    resolved = resolve_device(device)
    check_precision(precision, resolved)
    network, card = load_network(find_weights(model))
    return Segmenter(network, card, torch.device(resolved), precision)


class Segmenter:
    """Segments images with one network; `load_model` makes one.

    Parameters
    ----------
    network : torch.nn.Module
    card : ModelCard
    device : torch.device
    precision : {"float32", "bfloat16"}
    """

    def __init__(
        self, network: nn.Module, card: ModelCard, device: torch.device, precision: str = "float32"
    ) -> None:
        self.card = card
        self.precision = precision
        self._taxonomy = card.class_taxonomy
        self._device = device
        self._weights_digest = _digest(network)
        self._network = for_inference(network).to(device)

    def segment(self, image: str | Path | NDArray, cell_diameter: CellDiameter = None) -> Segmentation:
        """The class of every pixel.

        Parameters
        ----------
        image : path or array
            File, or (H, W), (H, W, 3) or (H, W, 4) array of 8 or 16 bit; see `drepano.io.to_rgb8`.
        cell_diameter : float or "auto", optional
            Diameter in px of a typical cell in `image`, which is then scaled to the size that the network
            knows; "auto" estimates it from the image, running the network up to four times until the cells
            found have it; where no cells of a size are seen the image is taken as it is. Without a diameter
            it is so too: its cells should be about as large as ``card.cell_diameter``.

        Returns
        -------
        Segmentation
            Maps in the image's own size.

        Raises
        ------
        DrepanoError
            If the image cannot be read, or the diameter is not positive or makes the image too large.
        """
        pixels = read_image(Path(image)) if isinstance(image, str | Path) else to_rgb8(image)
        if cell_diameter != "auto":
            return self._segment(pixels, self.diameter_or_known(cell_diameter))
        return self._segment_at_found_size(pixels)

    def _segment_at_found_size(self, pixels: NDArray[np.uint8]) -> Segmentation:
        """At the size estimated from the image, or that of the cells found; as it is where these disagree."""
        known = self.card.cell_diameter
        diameter = estimate_cell_diameter(pixels)
        for tolerance in _ESTIMATE_TOLERANCES:
            if diameter is None or not _SMALLEST_SCALE < diameter / known < _LARGEST_SCALE:
                break
            segmentation = self._segment(pixels, diameter)
            found = typical_diameter(find_cells(segmentation))
            if found is not None and abs(found / diameter - 1) < tolerance:
                return segmentation
            diameter = found
        return replace(self._segment(pixels, known), size_unknown=True)

    def _segment(self, pixels: NDArray[np.uint8], diameter: float) -> Segmentation:
        factor, size = scale_for(self.card, diameter, pixels.shape[:2])
        seen = scale_image(pixels, factor)
        probabilities = self._probabilities(seen)
        if size != pixels.shape[:2]:
            probabilities = _resize(probabilities, pixels.shape[:2])
        return Segmentation(
            classes=_most_probable(probabilities),
            probabilities=probabilities,
            taxonomy=self._taxonomy,
            cell_diameter=diameter,
            seen=seen,
            neck=self.card.neck,
        )

    def diameter_or_known(self, cell_diameter: float | None) -> float:
        """`cell_diameter` in px, or the one that the network knows where it is None.

        Raises
        ------
        DrepanoError
            If no cell can have it.
        """
        return diameter_or_known(self.card, cell_diameter)

    @property
    def fingerprint(self) -> str:
        """Sixteen digits of the SHA-256 of card and weights: networks with the same give the same results."""
        card = self.card.model_dump_json().encode()
        return hashlib.sha256(card + self._weights_digest).hexdigest()[:16]

    @torch.inference_mode()
    def _probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W, 3) to (K, H, W), tile by tile."""
        height, width = image.shape[:2]
        light = measure_light(image, self.card.normalisation)
        probabilities = np.empty((len(self._taxonomy), height, width), np.float32)
        margin = margin_of(self._network)
        for rows, seen_rows in _tiles(height, margin):
            for columns, seen_columns in _tiles(width, margin):
                window = torch.from_numpy(normalise(image[seen_rows, seen_columns], light))
                batch = window[None].to(self._device, memory_format=torch.channels_last)
                logits = self._logits(batch)
                kept = (
                    slice(rows.start - seen_rows.start, rows.stop - seen_rows.start),
                    slice(columns.start - seen_columns.start, columns.stop - seen_columns.start),
                )
                probabilities[:, rows, columns] = logits.float().softmax(1)[0][:, *kept].cpu().numpy()
        return probabilities

    def _logits(self, batch: Tensor) -> Tensor:
        """PyTorch has a RuntimeError of its own for memory that is not there: MemoryError is Python's."""
        try:
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                logits: Tensor = self._network(batch)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise MemoryError from error
            raise
        return logits


def diameter_or_known(card: ModelCard, cell_diameter: float | None) -> float:
    """`cell_diameter` in px, or that of the card where it is None; see `Segmenter.diameter_or_known`."""
    diameter = card.cell_diameter if cell_diameter is None else float(cell_diameter)
    if not (_SMALLEST_DIAMETER <= diameter <= _LARGEST_DIAMETER):
        raise DrepanoError(
            f"cell diameter {cell_diameter}: give a number of pixels from {_SMALLEST_DIAMETER} "
            f"to {_LARGEST_DIAMETER}"
        )
    return diameter


def scale_for(card: ModelCard, diameter: float, size: tuple[int, ...]) -> tuple[float, tuple[int, int]]:
    """What to enlarge an image by so that cells of `diameter` px have the network's size, and its new size.

    Raises
    ------
    DrepanoError
        If the image becomes too large.
    """
    factor = card.cell_diameter / diameter
    height, width = scaled_size(size, factor)
    if height * width > MAX_PIXELS:
        raise DrepanoError(
            f"cell diameter {diameter:g} px: scaling to the network's {card.cell_diameter:g} px makes the "
            f"image {width} x {height}; check the diameter, or cut the image into fields"
        )
    return factor, (height, width)


def _digest(network: nn.Module) -> bytes:
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.digest()


def margin_of(network: nn.Module) -> int:
    """Border in px around the kept part of a tile which `network` sees and which is then dropped.

    As wide as the network's pixels reach, so that a tiled map is the map of the whole field; a multiple of
    the stride, so that all tiles pool the same pixels together.
    """
    reach = getattr(network, "reach", None)
    return WIDEST_MARGIN if reach is None else -(-reach // STRIDE) * STRIDE


def _tiles(length: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """What is kept of every tile along one side of an image, and what the network sees for it."""
    if length <= TILE + 2 * margin:
        yield slice(0, length), slice(0, length)
        return
    for start in range(0, length, TILE):
        stop = min(start + TILE, length)
        yield slice(start, stop), slice(max(0, start - margin), min(length, stop + margin))


def _most_probable(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(K, H, W) to (H, W); a band of rows at a time, since argmax makes 8 bytes of every pixel."""
    classes = np.empty(probabilities.shape[1:], np.uint8)
    for top in range(0, len(classes), TILE):
        classes[top : top + TILE] = probabilities[:, top : top + TILE].argmax(axis=0)
    return classes


def _resize(probabilities: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Bilinear; probabilities still sum to 1."""
    maps = torch.from_numpy(probabilities)[None]
    resized: NDArray[np.float32] = F.interpolate(maps, size=size, mode="bilinear")[0].numpy()
    return resized
