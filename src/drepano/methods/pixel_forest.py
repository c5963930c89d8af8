"""Pixel classification as ilastik does it: a random forest on local features, trained from a few scribbles.

Berg et al., "ilastik: interactive machine learning for (bio)image analysis", Nature Methods 16, 2019. Ilastik
is a program for a person; here the person's scribbles are simulated from the true classes, and the forest is
scikit-learn's with ilastik's settings: 100 trees grown to the end, each split chosen among the square root of
the number of features. `drepano.methods.ilastik` runs the program itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drepano.datasets import FieldDataset
from drepano.field import Segmentation
from drepano.io import ensure_writable_folder, write_text
from drepano.methods.pixel_features import feature_reach, pixel_features
from drepano.methods.scribbles import UNMARKED, draw_scribbles
from drepano.methods.training_fields import random_order
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy
from drepano.training.samples import part_touching_cells

RECORD = "pixel_forest.json"

_BLOCK = 256
"""Side in px of the part of an image that is in work: its features take 4 bytes x 147 a pixel in colour."""


@dataclass(frozen=True)
class PixelForest:
    """A random forest on ilastik's features.

    Parameters
    ----------
    fields : int
        How many training fields are scribbled in, drawn at random. Where a class is in none of them, the
        first further field that has it is scribbled in too, as a user would look for one.
    strokes : int
        In each class of each of these fields; every second one runs along a border.
    length : int
        Of a stroke, px.
    trees : int
    """

    fields: int = 5
    strokes: int = 4
    length: int = 20
    trees: int = 100

    def fit(
        self, training: FieldDataset, taxonomy: Taxonomy, folder: Path, seed: int, progress: Progress
    ) -> TrainedPixelForest:
        """Scribble and train; ``pixel_forest.json`` in `folder` says what was scribbled.

        Raises
        ------
        DrepanoError
            If there are no fields, or one without class map.
        """
        from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

        ensure_writable_folder(folder)
        scribbled = self._scribble(training, taxonomy, seed, progress)
        channels = max(_channels_of(image) for image, _ in scribbled.values())
        features, classes = [], []
        for image, marked in scribbled.values():
            for block, window in _blocks(_with_channels(image, channels)):
                marks = marked[block]
                features.append(window[marks != UNMARKED])
                classes.append(marks[marks != UNMARKED])
        forest = RandomForestClassifier(self.trees, random_state=seed, n_jobs=torch.get_num_threads())
        forest.fit(np.concatenate(features), np.concatenate(classes))
        progress("training the forest", 1, 1)

        marked_pixels = np.bincount(np.concatenate(classes), minlength=len(taxonomy))
        pixels = sum(marked.size for _, marked in scribbled.values())
        record = {
            **asdict(self),
            "fields": list(scribbled),
            "pixels": dict(zip(taxonomy.classes, marked_pixels.tolist(), strict=True)),
            "share_of_pixels": float(marked_pixels.sum() / pixels),
            "features": int(forest.n_features_in_),
            "seed": seed,
        }
        write_text(folder / RECORD, json.dumps(record, indent=2))
        return TrainedPixelForest(forest, channels, taxonomy, training.cell_diameter)

    def _scribble(
        self, training: FieldDataset, taxonomy: Taxonomy, seed: int, progress: Progress
    ) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int16]]]:
        """Image and scribbles of the fields scribbled in, by id."""
        order = random_order(training, seed)
        wanted = min(self.fields, len(order))
        missing = set(range(len(taxonomy)))
        scribbled = {}
        for number, index in enumerate(order):
            if number >= wanted and not missing:
                break
            field = training[index]
            classes = field.class_map(taxonomy)
            if field.instances is not None:
                classes = part_touching_cells(classes, field.instances)
            here = set(np.unique(classes).tolist())
            if number < wanted or missing & here:
                rng = np.random.default_rng([seed, index])
                scribbled[field.id] = field.image, draw_scribbles(classes, self.strokes, self.length, rng)
                missing -= here
            if number < wanted:
                progress("scribbling", number + 1, wanted)
        return scribbled


class TrainedPixelForest:
    """A trained forest; it lives in memory only, since a forest in a file is a pickle.

    Parameters
    ----------
    forest : sklearn.ensemble.RandomForestClassifier
        Its classes are indices into `taxonomy`, perhaps not all of them.
    channels : int
        Of the images that it was trained on: 1 where all were grey, else 3.
    taxonomy : Taxonomy
    cell_diameter : float
        Of a typical cell in the images to come, px.
    """

    def __init__(self, forest: Any, channels: int, taxonomy: Taxonomy, cell_diameter: float) -> None:
        self._forest = forest
        self._channels = channels
        self._taxonomy = taxonomy
        self._cell_diameter = cell_diameter

    def segment(self, image: NDArray[np.uint8]) -> Segmentation:
        """The share of the trees' votes for every class; 0 for a class that was never scribbled in.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
        """
        height, width = image.shape[:2]
        probabilities = np.zeros((len(self._taxonomy), height, width), np.float32)
        for (rows, columns), features in _blocks(_with_channels(image, self._channels)):
            votes = self._forest.predict_proba(features.reshape(-1, features.shape[-1]))
            maps = votes.T.reshape(-1, *features.shape[:2])
            for value, shares in zip(self._forest.classes_, maps, strict=True):
                probabilities[value, rows, columns] = shares
        return Segmentation(
            classes=probabilities.argmax(0).astype(np.uint8),
            probabilities=probabilities,
            taxonomy=self._taxonomy,
            cell_diameter=self._cell_diameter,
        )


def _channels_of(image: NDArray[np.uint8]) -> int:
    """1 for a grey image, whose channels are equal."""
    return 1 if (image == image[..., :1]).all() else image.shape[-1]


def _with_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """The image, or its mean over the channels where only one is wanted."""
    if channels == image.shape[-1]:
        return image
    return np.rint(image.mean(-1, keepdims=True)).astype(np.uint8)


def _blocks(
    image: NDArray[np.uint8],
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32]]]:
    """Features (h, w, F) of the image block by block, the same as those of the whole image."""
    reach = feature_reach()
    height, width = image.shape[:2]
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            rows = slice(top, min(top + _BLOCK, height))
            columns = slice(left, min(left + _BLOCK, width))
            above, before = max(0, top - reach), max(0, left - reach)
            window = image[above : rows.stop + reach, before : columns.stop + reach]
            features = pixel_features(window)
            yield (
                (rows, columns),
                features[top - above :, left - before :][: rows.stop - top, : columns.stop - left],
            )
