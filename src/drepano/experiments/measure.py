"""Everything that is measured on the test fields of one job."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.cells import find_cells, part_cells
from drepano.datasets import FieldDataset
from drepano.experiments.results import AUC, FOUND_CELLS, PIECES
from drepano.experiments.working_copy import CELL_DIAMETER
from drepano.field import Field, Segmentation
from drepano.io import without_nan
from drepano.methods import TrainedMethod
from drepano.metrics import (
    Detection,
    PixelCurves,
    cell_confusion,
    cell_errors,
    cell_recall,
    confusion_matrix,
    dice_per_class,
    jaccard_per_class,
    match_cells,
    surface_distances_per_class,
)
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy

_ROC_POINTS = 400


@dataclass(frozen=True)
class Measured:
    """What came out on the test fields.

    Parameters
    ----------
    figures : dict
        As JSON can hold it, None where a figure is not defined: ``fields`` (a dict a field), ``detection``,
        ``confusion`` (pixels), ``cell_confusion``, ``cell_recall`` (a number a class of cells), ``roc`` (a
        dict a class) and ``calibration``.
    maps : dict
        Predicted class map (H, W) uint8 of every field.
    """

    figures: dict[str, Any]
    maps: dict[str, NDArray[np.uint8]]


class CellCounts:
    """Cells found in the maps of many fields, touching ones parted, against the true ones.

    Parameters
    ----------
    taxonomy : Taxonomy
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._detection = Detection()
        self._confusion = np.zeros((len(taxonomy), len(taxonomy)), np.int64)

    def add(self, field: Field, predicted: NDArray[np.uint8], cells: NDArray[np.int32]) -> dict[str, Any]:
        """What is told of one field, whose instance map is known.

        Parameters
        ----------
        field : Field
        predicted : (H, W) uint8 array
            Class map.
        cells : (H, W) int32 array
            Those found in it, numbered from 1.

        Returns
        -------
        dict
            ``cells``, how many are found, ``found_cell_errors`` (`CellErrors` of these, not of the map's
            pieces), ``f1`` and ``panoptic_quality``.
        """
        assert field.instances is not None  # the working copy has them
        classes = field.class_map(self._taxonomy)
        detection = match_cells(field.instances, cells)
        self._detection += detection
        self._confusion += cell_confusion(field.instances, cells, classes, predicted, len(self._taxonomy))
        return {
            "cells": int(cells.max(initial=0)),
            FOUND_CELLS: asdict(cell_errors(field.instances, predicted, cells)),
            "f1": detection.f1,
            "panoptic_quality": detection.panoptic_quality,
        }

    def figures(self) -> dict[str, Any]:
        """``detection``, ``cell_confusion`` and ``cell_recall`` of all fields; see `Measured`."""
        return {
            "detection": {
                **asdict(self._detection),
                "f1": self._detection.f1,
                "panoptic_quality": self._detection.panoptic_quality,
            },
            "cell_confusion": self._confusion.tolist(),
            "cell_recall": cell_recall(self._confusion).tolist(),
        }


def measure_method(
    trained: TrainedMethod, fields: FieldDataset, taxonomy: Taxonomy, progress: Progress
) -> Measured:
    """Segment all fields and compare them with their truth, by the metrics of `drepano.metrics`."""
    rows, maps = [], {}
    curves = PixelCurves(len(taxonomy))
    counts = CellCounts(taxonomy)
    confusion = np.zeros((len(taxonomy), len(taxonomy)), np.int64)
    for number, field in enumerate(fields, start=1):
        segmentation = trained.segment(field.image)
        assert field.instances is not None  # the working copy has them
        classes, instances = field.class_map(taxonomy), field.instances
        confusion += confusion_matrix(classes, segmentation.classes, len(taxonomy))
        own_curves = PixelCurves(len(taxonomy))
        own_curves.add(classes, segmentation.probabilities)
        curves += own_curves
        rows.append(
            {
                "field": field.id,
                "patient": field.patient,
                **counts.add(field, segmentation.classes, find_cells(segmentation)),
                **_measure_field(classes, instances, segmentation),
                AUC: [curve.auc for curve in own_curves.roc()],
            }
        )
        maps[field.id] = segmentation.classes
        progress("measuring", number, len(fields))
    error, bins = curves.calibration()
    figures = {
        "fields": rows,
        **counts.figures(),
        "confusion": confusion.tolist(),
        "roc": [
            {
                "false_positive_rate": _thinned(curve.false_positive_rate),
                "true_positive_rate": _thinned(curve.true_positive_rate),
                "auc": curve.auc,
            }
            for curve in curves.roc()
        ],
        "calibration": {
            "error": error,
            **dict(zip(("pixels", "confidence", "right"), bins.tolist(), strict=True)),
        },
    }
    return Measured(without_nan(figures), maps)


def measure_truth(fields: FieldDataset, taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Cell errors that the true class map itself makes against the true cells: no method need make fewer.

    Returns
    -------
    list of dict
        Of every field ``field``, ``cell_errors`` and ``found_cell_errors``.
    """
    rows = []
    for field in fields:
        assert field.instances is not None  # the working copy has them
        classes = field.class_map(taxonomy)
        cells = part_cells(classes > 0, CELL_DIAMETER)
        rows.append(
            {
                "field": field.id,
                PIECES: asdict(cell_errors(field.instances, classes)),
                FOUND_CELLS: asdict(cell_errors(field.instances, classes, cells)),
            }
        )
    return rows


def _measure_field(
    classes: NDArray[np.uint8], instances: NDArray[np.int32], segmentation: Segmentation
) -> dict[str, Any]:
    count, predicted = len(segmentation.taxonomy), segmentation.classes
    distances = surface_distances_per_class(classes, predicted, count)
    return {
        "dice": dice_per_class(classes, predicted, count).tolist(),
        "jaccard": jaccard_per_class(classes, predicted, count).tolist(),
        "hausdorff": [distance.hausdorff for distance in distances],
        "hausdorff95": [distance.hausdorff95 for distance in distances],
        "surface_dice": [distance.surface_dice for distance in distances],
        PIECES: asdict(cell_errors(instances, predicted)),
    }


def _thinned(rates: NDArray[np.float64]) -> list[float]:
    """At most 400 of the points, the ends among them."""
    places = np.unique(np.linspace(0, len(rates) - 1, min(_ROC_POINTS, len(rates))).astype(int))
    return [round(rate, 6) for rate in rates[places].tolist()]
