"""Everything that is measured on the test fields of one job."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drepano.cells import find_cells
from drepano.datasets import FieldDataset
from drepano.field import Segmentation
from drepano.io import without_nan
from drepano.methods import TrainedMethod
from drepano.metrics import (
    CellErrors,
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
from drepano.taxonomy import Taxonomy
from drepano.training.trainer import Progress

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
        Predicted class map of every field, as PNG.
    """

    figures: dict[str, Any]
    maps: dict[str, bytes]


def measure_method(
    trained: TrainedMethod, fields: FieldDataset, taxonomy: Taxonomy, progress: Progress
) -> Measured:
    """Segment all fields and compare them with their truth, by the metrics of `drepano.metrics`."""
    rows, maps = [], {}
    curves = PixelCurves(len(taxonomy))
    detection = Detection()
    confusion, cell_counts = np.zeros((2, len(taxonomy), len(taxonomy)), np.int64)
    for number, field in enumerate(fields, start=1):
        segmentation = trained.segment(field.image)
        assert field.instances is not None  # the working copy has them
        classes, instances = field.class_map(taxonomy), field.instances
        cells = find_cells(segmentation)
        detection += match_cells(instances, cells)
        cell_counts += cell_confusion(instances, cells, classes, segmentation.classes, len(taxonomy))
        confusion += confusion_matrix(classes, segmentation.classes, len(taxonomy))
        curves.add(classes, segmentation.probabilities)
        row = _measure_field(classes, instances, segmentation)
        rows.append({"field": field.id, "patient": field.patient, "cells": int(cells.max(initial=0)), **row})
        maps[field.id] = _as_png(segmentation.classes)
        progress("measuring", number, len(fields), float("nan"))
    error, bins = curves.calibration()
    figures = {
        "fields": rows,
        "detection": {
            **asdict(detection),
            "f1": detection.f1,
            "panoptic_quality": detection.panoptic_quality,
        },
        "confusion": confusion.tolist(),
        "cell_confusion": cell_counts.tolist(),
        "cell_recall": cell_recall(cell_counts).tolist(),
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


def _measure_field(
    classes: NDArray[np.uint8], instances: NDArray[np.int32], segmentation: Segmentation
) -> dict[str, Any]:
    count, predicted = len(segmentation.taxonomy), segmentation.classes
    distances = surface_distances_per_class(classes, predicted, count)
    errors: CellErrors = cell_errors(instances, predicted)
    return {
        "dice": dice_per_class(classes, predicted, count).tolist(),
        "jaccard": jaccard_per_class(classes, predicted, count).tolist(),
        "hausdorff": [distance.hausdorff for distance in distances],
        "hausdorff95": [distance.hausdorff95 for distance in distances],
        "surface_dice": [distance.surface_dice for distance in distances],
        "cell_errors": asdict(errors),
    }


def _thinned(rates: NDArray[np.float64]) -> list[float]:
    """At most 400 of the points, the ends among them."""
    places = np.unique(np.linspace(0, len(rates) - 1, min(_ROC_POINTS, len(rates))).astype(int))
    return [round(rate, 6) for rate in rates[places].tolist()]


def _as_png(classes: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(classes).save(buffer, "PNG")
    return buffer.getvalue()
