"""COCO JSON, as detection networks are trained with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drepano.exports.outlines import trace_outlines
from drepano.exports.result import FieldResult
from drepano.io import write_text


def write_coco(path: Path, result: FieldResult) -> None:
    """One field as a COCO data set: a polygon a cell (its outer ring); category 1 is the first class.

    An image has the key ``page``, from 1 as in the tables, where its file holds several.
    """
    height, width = result.instances.shape
    outlines = trace_outlines(result.instances)
    annotations = [
        {
            "id": int(row["cell"]),
            "image_id": 1,
            "category_id": result.taxonomy.index(row["class"]),
            "segmentation": [outlines[row["cell"]].outer.ravel().tolist()],
            "area": int(row["area_px"]),
            "bbox": [
                int(row["bbox_left_px"]),
                int(row["bbox_top_px"]),
                int(row["bbox_right_px"] - row["bbox_left_px"]),
                int(row["bbox_bottom_px"] - row["bbox_top_px"]),
            ],
            "iscrowd": 0,
            "score": float(row["class_probability"]),
        }
        for row in result.cells.to_dict("records")
    ]
    image = {"id": 1, "file_name": result.image_name, "height": height, "width": width}
    if result.page is not None:
        image["page"] = result.page + 1
    categories = [
        {"id": index, "name": name, "supercategory": "cell"}
        for index, name in enumerate(result.taxonomy.cell_classes, start=1)
    ]
    write_text(path, json.dumps({"images": [image], "annotations": annotations, "categories": categories}))


def merge_coco(path: Path, parts: Sequence[tuple[Path, str]]) -> None:
    """All fields of `parts`, written by `write_coco` with the same classes, as one data set.

    With every part the name of its image now, which may have moved since.
    """
    merged: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    for number, (part, image_name) in enumerate(parts, start=1):
        data = json.loads(part.read_text(encoding="utf-8"))
        merged["categories"] = data["categories"]
        merged["images"] += [{**image, "id": number, "file_name": image_name} for image in data["images"]]
        for annotation in data["annotations"]:
            place = {"id": len(merged["annotations"]) + 1, "image_id": number}
            merged["annotations"].append({**annotation, **place})
    write_text(path, json.dumps(merged))
