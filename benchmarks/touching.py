"""How well touching cells are counted: python benchmarks/touching.py OUT.json MODEL=DATASET=PATIENT...

Cells found against true ones in fields of PATIENT, whom MODEL should not have seen, by the share of the cells
found that touch others: from where on a warning is due. The fields: `drepano data compose xu2017 --fields 6
--size 320 --seed 5` with each of `--touching` 0, 0.4, 0.8 and 1 and of `--cells` 18-36 and 40-60.
"""

import sys
from pathlib import Path

import pandas as pd

from drepano import load_model
from drepano.cells import find_cells, measure_cells
from drepano.datasets import open_dataset
from drepano.io import write_json
from drepano.metrics.detection import Detection, match_cells, mean_count_error

SHARES = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1)


def main(out: Path, places: list[str]) -> None:
    rows = []
    for place in places:
        model, folder, patient = place.split("=")
        segmenter, dataset = load_model(model), open_dataset(Path(folder))
        for field in dataset:
            if field.patient == patient:
                segmentation = segmenter.segment(field.image, dataset.cell_diameter)
                cells = find_cells(segmentation)
                touching = measure_cells(segmentation, cells)["touches_cell"].mean()
                rows.append((touching, match_cells(field.instances, cells)))
    table = pd.DataFrame(rows, columns=["touching", "match"]).dropna()
    parts = table.groupby(pd.cut(table["touching"], SHARES, include_lowest=True), observed=True)
    write_json(
        out,
        [
            {
                "share_touching": [max(0.0, part.left), part.right],
                "fields": len(fields),
                "f1": round(sum(fields["match"], Detection()).f1, 4),
                "mean_count_error": round(
                    mean_count_error(
                        [one.predicted_cells for one in fields["match"]],
                        [one.true_cells for one in fields["match"]],
                    ),
                    4,
                ),
            }
            for part, fields in parts
        ],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
