"""From what size a piece is parted at wider necks: python benchmarks/large_pieces.py OUT.json EXPERIMENT VAL

EXPERIMENT is a whole folder of `drepano compare` on BBBC041Seg with its dU-Nets (`binary-touching` of
experiments.sh), VAL the data set's folder val. Every field but those of VAL, on which `rbc` is measured, is
segmented by the networks that were not trained on it; some of VAL were trained on, none is counted here.
"""

import sys
from pathlib import Path

from inner_validation import count

from drepano import load_model
from drepano.datasets import open_dataset
from drepano.experiments.plan import FIELDS, JOBS, RESULT, read_plan
from drepano.experiments.working_copy import CELL_DIAMETER, open_working_copy
from drepano.io import write_json

NECKS_FOR_ALL, NECK = (0.75, 0.85, 0.9, 0.925, 0.95), 0.75
SHARES, NECKS_OF_LARGE = (1.3, 1.4, 1.5, 1.6, 1.8), (0.85, 0.9, 0.925, 0.95)
NOTHING = float("inf")


def main(out: Path, experiment: Path, val: Path) -> None:
    plan = read_plan(experiment)
    left_out = {source.id for source in open_dataset(val).sources}
    fields = open_working_copy(experiment / FIELDS, plan.patients)
    figures = {}
    for seed in sorted({path.parent.name for path in (experiment / JOBS / "dunet").glob(f"*/*/{RESULT}")}):
        segmented = []
        for split in plan.splits:
            run = experiment / JOBS / "dunet" / split.name / seed / "training"
            network = load_model(run / "model.safetensors")
            for field in fields.with_ids(set(split.test) - left_out):
                segmented.append((field, network.segment(field.image, CELL_DIAMETER)))
        figures[seed] = {"fields": len(segmented)}
        for neck in NECKS_FOR_ALL:
            figures[seed][f"neck {neck}"] = {
                "for all": count(segmented, neck, large_share=NOTHING),
                **{
                    f"{wide} for what is larger than {share} median cells": count(
                        segmented, neck, large_share=share, neck_of_large=wide
                    )
                    for share in SHARES
                    for wide in NECKS_OF_LARGE
                    if neck == NECK
                },
            }
            write_json(out, figures)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
