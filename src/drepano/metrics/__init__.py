"""Metrics on class maps, instance maps and probabilities."""

from drepano.metrics.cell_errors import CellErrors, cell_errors
from drepano.metrics.curves import PixelCurves, Roc
from drepano.metrics.detection import (
    Detection,
    cell_confusion,
    cell_recall,
    match_cells,
    mean_count_error,
)
from drepano.metrics.pixel import confusion_matrix, dice_per_class, jaccard_per_class
from drepano.metrics.surface import (
    SurfaceDistances,
    surface_distances,
    surface_distances_per_class,
)

__all__ = [
    "CellErrors",
    "Detection",
    "PixelCurves",
    "Roc",
    "SurfaceDistances",
    "cell_confusion",
    "cell_errors",
    "cell_recall",
    "confusion_matrix",
    "dice_per_class",
    "jaccard_per_class",
    "match_cells",
    "mean_count_error",
    "surface_distances",
    "surface_distances_per_class",
]
