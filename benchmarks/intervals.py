"""How often intervals of a share hold the true one: python benchmarks/intervals.py RESULTS

Simulated patients: every field has a share of its own, drawn from a beta distribution around the patient's
with the intraclass correlation given, and 60 to 140 cells. Writes intervals.json into RESULTS.
"""

import json
import sys
from pathlib import Path

import numpy as np

from drepano.cells.shares import binomial_interval, field_interval
from drepano.io import write_text

PATIENTS = 1000


def main(results: Path) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for fields in (3, 5, 10, 20):
        for share, correlation in ((0.1, 0.05), (0.3, 0.02), (0.02, 0.02)):
            strength = 1 / correlation - 1
            held = np.zeros((PATIENTS, 2), bool)
            for patient in range(PATIENTS):
                cells = rng.integers(60, 140, fields)
                hits = rng.binomial(cells, rng.beta(share * strength, (1 - share) * strength, fields))
                intervals = field_interval(hits, cells, patient), binomial_interval(hits.sum(), cells.sum())
                held[patient] = [interval.low <= share <= interval.high for interval in intervals]
            over_fields, binomial = held.mean(axis=0).round(3).tolist()
            rows.append(
                {
                    "fields": fields,
                    "share": share,
                    "intraclass_correlation": correlation,
                    "held_by_interval_over_fields": over_fields,
                    "held_by_binomial_interval": binomial,
                }
            )
    conditions = f"{PATIENTS} simulated patients a row, 60 to 140 cells a field, 95 % intervals"
    write_text(results / "intervals.json", json.dumps({"conditions": conditions, "rows": rows}, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
