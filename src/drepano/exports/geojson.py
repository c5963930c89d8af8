"""GeoJSON for QuPath: a detection a cell, with its class and measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from drepano.exports.outlines import Outline, Ring, trace_outlines
from drepano.exports.result import FieldResult
from drepano.io import write_text

_FLAGS = ("uncertain", "touches_border", "touches_cell")
_ALL_CHANNELS = -1  # QuPath's
_NOT_MEASURED = ("cell", "class", "centroid_x_px", "centroid_y_px", *_FLAGS)
"""QuPath has centroids of its own, counted from the image's corner, not the middle of its first pixel."""


def write_geojson(path: Path, result: FieldResult) -> None:
    """Cells as QuPath reads them (File > Import objects from file); the origin is the upper left corner."""
    outlines = trace_outlines(result.instances)
    features = [_feature(row, outlines[row["cell"]], result) for row in result.cells.to_dict("records")]
    write_text(path, json.dumps({"type": "FeatureCollection", "features": features}))


def _feature(row: dict[Any, Any], outline: Outline, result: FieldResult) -> dict[str, Any]:
    colour = result.taxonomy.colours[result.taxonomy.index(row["class"])]
    measured = {name: value for name, value in row.items() if name not in _NOT_MEASURED}
    return {
        "type": "Feature",
        "geometry": {
            "type": "Polygon",
            "coordinates": [_closed(ring) for ring in (outline.outer, *outline.holes)],
            "plane": {"c": _ALL_CHANNELS, "z": result.plane.layer, "t": result.plane.time},
        },
        "properties": {
            "objectType": "detection",
            "name": str(row["cell"]),
            "classification": {"name": row["class"], "color": list(colour)},
            "measurements": {name: float(value) for name, value in measured.items() if np.isfinite(value)},
            "metadata": {name: str(row[name]).lower() for name in _FLAGS},
        },
    }


def _closed(ring: Ring) -> list[list[int]]:
    return [*ring.tolist(), ring[0].tolist()]
