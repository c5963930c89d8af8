"""When fields are doubted: python benchmarks/quality.py OUT.json NAME=MODEL:DATASET...

For fields of each data set, as they are, and for noise and a flat image: unlikeness and share with a warning.
Fields whose classes the network knows are blurred too, with Dice over the classes of cells beside warnings.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from drepano import load_model
from drepano.cells import count_debris, find_cells, measure_cells
from drepano.datasets import open_dataset
from drepano.io import write_json
from drepano.metrics.pixel import dice_per_class
from drepano.quality import check_quality

MOST_FIELDS = 12
BLURS = (2, 3, 4)  # px where cells are 45 px across


def main(out: Path, sets: list[str]) -> None:
    figures = {}
    for given in sets:
        name, place = given.split("=", 1)
        model, folder = place.split(":", 1)
        segmenter, dataset = load_model(model), open_dataset(Path(folder))
        chosen = np.linspace(0, len(dataset) - 1, min(MOST_FIELDS, len(dataset))).astype(int)
        fields = [dataset[index] for index in chosen]
        figures[f"{model}, {name}"] = judge(
            segmenter, [field.image for field in fields], dataset.cell_diameter
        )
        if dataset.taxonomy == segmenter.card.class_taxonomy:
            for blur in BLURS:
                pixels = blur * dataset.cell_diameter / 45
                images = [ndimage.gaussian_filter(field.image, (pixels, pixels, 0)) for field in fields]
                figures[f"{model}, {name}, blurred by {blur} px"] = judge(
                    segmenter, images, dataset.cell_diameter, [field.classes for field in fields]
                )
        rng = np.random.default_rng(0)
        noise = [
            rng.normal(150, deviation, (512, 512, 3)).clip(0, 255).astype(np.uint8)
            for deviation in (5, 20, 60)
        ]
        figures[f"{model}, noise"] = judge(segmenter, noise, segmenter.card.cell_diameter)
        flat = [np.full((512, 512, 3), level, np.uint8) for level in (0, 150, 255)]
        figures[f"{model}, flat"] = judge(segmenter, flat, segmenter.card.cell_diameter)
        write_json(out, figures)


def judge(segmenter, images, diameter, truths=None) -> dict[str, object]:
    card, judged, dice = segmenter.card, [], []
    for index, image in enumerate(images):
        segmentation = segmenter.segment(image, diameter)
        instances = find_cells(segmentation)
        judged.append(
            check_quality(
                image,
                segmentation.seen,
                measure_cells(segmentation, instances, image),
                count_debris(segmentation, instances),
                diameter,
                card.cell_diameter,
                card.appearance,
            )
        )
        if truths is not None:
            per_class = dice_per_class(truths[index], segmentation.classes, len(card.class_taxonomy))
            dice.append(np.nanmean(per_class[1:]))
    unlikeness = [quality.unlikeness for quality in judged]
    figures = {
        "fields": len(images),
        "unlikeness": {
            "least": round(float(np.min(unlikeness)), 2),
            "median": round(float(np.median(unlikeness)), 2),
            "most": round(float(np.max(unlikeness)), 2),
        },
        "median_edge_width_px": round(float(np.median([quality.edge_width_px for quality in judged])), 2),
        "share_out_of_focus": share(judged, "out of focus"),
        "share_unlike": share(judged, "unlike the fields"),
        "share_with_a_warning": share(judged, ""),
    }
    return figures if not dice else figures | {"mean_dice_of_cell_classes": round(float(np.mean(dice)), 3)}


def share(judged, words: str) -> float:
    return round(float(np.mean([any(words in said for said in quality.warnings) for quality in judged])), 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
