"""Find the dU-Net that does best on new patients: python benchmarks/search.py RUN DATA XU2017 [--help]

DATA has composed fields of four patients, XU2017 their single real cells. Every variant is trained on each
pair of patients and tested on the other two, so that the choice for a patient can be made without them: what
counts is how the variant did on the others, when it was trained without both. RUN/search.json has all figures
and all choices. What is done already is not done again.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drepano.datasets import open_dataset
from drepano.experiments.evaluation import summarise_crops
from drepano.experiments.jobs import run_jobs
from drepano.experiments.plan import FIELDS, RESULT, Job, Plan, keep_plan, make_plan
from drepano.experiments.results import read_result
from drepano.experiments.splits import Split, Splits
from drepano.experiments.working_copy import survey, write_working_copy
from drepano.io import write_json
from drepano.methods import Budget

VARIANTS = (
    "dunet",
    "dunet-scope-4",
    "dunet-width-16",
    "dunet-cross-entropy",
    "dunet-unaugmented",
    "dunet-contrast-kept",
    "dunet-touching-20",
)


def main(given: argparse.Namespace) -> int:
    plan = plan_search(given.data, given.xu2017, Budget(given.steps, 4, 128, given.validate_every))
    keep_plan(given.run, plan)
    write_working_copy(open_dataset(given.data), given.run / FIELDS, lambda *_: None)
    jobs = plan.jobs(given.methods.split(","), range(given.seeds), ())
    failed = run_jobs(given.run, jobs, given.jobs, tell, crops=given.xu2017)
    if failed:
        sys.stderr.write(
            f"{len(failed)} trainings failed: nothing is chosen; run it again to try them again\n"
        )
        return 1
    write_json(given.run / "search.json", {"plan": conditions(plan), **choose(read_results(given.run, jobs))})
    return 0


def plan_search(data: Path, xu2017: Path, budget: Budget) -> Plan:
    """Six splits of four patients: trained on two, tested on the others."""
    dataset, singles = open_dataset(data), open_dataset(xu2017)
    _, fingerprint = survey(dataset, dataset.taxonomy, lambda *_: None)
    of_patient = {source.id: source.patient for source in dataset.sources}
    splits = []
    for held_out in combinations(sorted(set(of_patient.values())), 2):
        test = tuple(id for id, patient in of_patient.items() if patient in held_out)
        training = tuple(id for id in of_patient if id not in set(test))
        splits.append(Split(f"without-{'-'.join(held_out)}", training, test))
    crops = f"{singles.name}, {len(singles)} crops"
    return make_plan(
        "compare", dataset, dataset.taxonomy, fingerprint, budget, Splits(tuple(splits), "patient", ()), crops
    )


def conditions(plan: Plan) -> dict[str, Any]:
    return {
        "command": f"python benchmarks/search.py {' '.join(sys.argv[1:])}",
        "data": plan.data,
        "steps": plan.budget.steps,
        "splits": [split.name for split in plan.splits],
    }


def tell(job: Job, reason: str | None) -> None:
    sys.stdout.write(f"{job.method}, {job.split}, seed {job.seed}: {reason or 'done'}\n")


def read_results(run: Path, jobs: list[Job]) -> pd.DataFrame:
    """How a training did on each of its two test patients; a row each."""
    rows = []
    for job in jobs:
        result = read_result(job.folder(run) / RESULT)
        crops = pd.DataFrame(result["crops"])
        for patient, of_patient in crops.groupby("patient"):
            dice = [field["dice"] for field in result["fields"] if field["patient"] == patient]
            figures = summarise_crops(of_patient)
            (other,) = set(crops["patient"]) - {patient}
            rows.append(
                {
                    "method": job.method,
                    "seed": job.seed,
                    "patient": patient,
                    "also_without": other,
                    # A class that map and truth lack is None, and says nothing.
                    "dice": float(np.nanmean(np.nanmean(np.array(dice, float), axis=0))),
                    "crops_right": figures["right"],
                    "mean_recall": figures["mean_recall"],
                }
            )
    table = pd.DataFrame(rows)
    return table.assign(score=(table["dice"] + table["mean_recall"]) / 2)


def choose(results: pd.DataFrame) -> dict[str, Any]:
    """The variant with the highest mean score: over all patients, and for each patient over the others."""
    figures = ["dice", "crops_right", "mean_recall", "score"]
    chosen = {
        patient: results[results["also_without"] == patient].groupby("method")["score"].mean()
        for patient in sorted(results["patient"].unique())
    }
    overall = results.groupby("method")[figures].mean().sort_values("score", ascending=False)
    return {
        "variants": {
            str(method): {
                **{figure: round(float(value), 4) for figure, value in row.items()},
                "trainings": int((results["method"] == method).sum() // 2),
            }
            for method, row in overall.iterrows()
        },
        "chosen": str(overall.index[0]),
        "chosen_without": {
            patient: {"variant": str(scores.idxmax()), "scores": scores.round(4).to_dict()}
            for patient, scores in chosen.items()
        },
        "results": results.round(4).to_dict("records"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("xu2017", type=Path)
    parser.add_argument("--methods", default=",".join(VARIANTS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--validate-every", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    sys.exit(main(parser.parse_args()))
