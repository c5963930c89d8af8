"""Find the dU-Net that does best on new patients: python benchmarks/search.py RUN DATA XU2017 [--help]

DATA has composed fields of four patients, XU2017 their single real cells. Every variant is trained on two
patients and tested on the other two. Its score is the mean of the Dice of background and the classes that a
patient has and of the mean recall of their single cells. What is good for a patient is told by the score on
the other one, of trainings without both, so that no cell of theirs has a say.

To save time, all variants are trained on the first and the last split only, which hold out every patient
once. On the others the default goes on, and what is good for a patient held out: no more than `MARGIN` behind
the best on the patient who was held out together with them. Another dU-Net than the default is chosen only
where it is better by more than chance; the three tests a patient can show large leads only. Scopes 1 and 7
and the weighted cross-entropy were asked for when that was done: they are trained on the other splits only,
compared with the default, and cannot be chosen. The unweighted one goes on there, for the weighted one to be
compared with.

RUN/search.json has all figures after every training, and the choice when all is done. What RUN has is not
trained again. Another machine's search.json can be given as `--begun`: splits where it has all variants that
are wanted there today are taken from it. No split is mixed by it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.datasets import open_dataset
from drepano.errors import DrepanoError
from drepano.experiments.begin import begin_experiment
from drepano.experiments.crops import summarise_crops
from drepano.experiments.jobs import run_jobs
from drepano.experiments.plan import RESULT, Job, Plan, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.splits import FieldInfo, Split, Splits
from drepano.experiments.statistics import BETTER, paired_difference, verdict
from drepano.io import write_json
from drepano.methods import Budget

DEFAULT = "dunet"
UNWEIGHTED, WEIGHTED = "dunet-cross-entropy", "dunet-weighted-cross-entropy"
VARIANTS = (
    DEFAULT,
    "dunet-width-16",
    "dunet-contrast-kept",
    "dunet-touching-20",
    UNWEIGHTED,
    "dunet-scope-4",
    "dunet-unaugmented",
)
LATER = ("dunet-scope-1", "dunet-scope-7", UNWEIGHTED, WEIGHTED)
MARGIN = 0.01
FIGURES = ["dice", "crops_right", "mean_recall", "score"]


def main(given: argparse.Namespace) -> int:
    plan = begin_search(
        given.run, given.data, given.xu2017, Budget(given.steps, 4, 128, given.validate_every)
    )
    begun = [] if given.begun is None else read_begun(given.begun, plan)
    elsewhere = {row["split"] for row in begun}
    methods = list(dict.fromkeys([*VARIANTS, *LATER]))
    jobs = [job for job in plan.jobs(methods, [0], ()) if job.split not in elsewhere]

    def keep() -> dict[str, Any]:
        rows = [row for job in jobs if job.is_done(given.run) for row in rows_of(given.run, job)]
        summary = {
            "plan": conditions(plan),
            "splits_begun_elsewhere": sorted(elsewhere),
            **sum_up([*begun, *rows], plan),
        }
        write_json(given.run / "search.json", summary)
        return summary

    def done(job: Job, reason: str | None) -> None:
        sys.stdout.write(f"{job.method}, {job.split}: {reason or 'done'}\n")
        if reason is None:
            keep()

    def train(wanted: dict[str, list[str]]) -> dict[str, Any]:
        """Train what is wanted in each split, and sum up all there is."""
        missing = [job for job in jobs if job.method in wanted[job.split]]
        failed = run_jobs(given.run, missing, given.jobs, done, crops=given.xu2017)
        if failed:
            raise SystemExit(f"{len(failed)} trainings failed; run it again to try them again")
        return keep()

    summary = train(wanted_variants(plan, {}))
    train(wanted_variants(plan, summary["good_without"]))
    return 0


def begin_search(run: Path, data: Path, xu2017: Path, budget: Budget) -> Plan:
    dataset, singles = open_dataset(data), open_dataset(xu2017)
    return begin_experiment(run, "compare", dataset, dataset.taxonomy, budget, pairs_held_out, singles)


def pairs_held_out(fields: Sequence[FieldInfo], classes: Sequence[str]) -> Splits:
    """Six splits of four patients: trained on two, tested on the others."""
    splits = []
    for held_out in combinations(sorted({str(field.patient) for field in fields}), 2):
        test = tuple(field.id for field in fields if field.patient in held_out)
        training = tuple(field.id for field in fields if field.patient not in held_out)
        splits.append(Split(f"without-{'-'.join(held_out)}", training, test))
    return Splits(tuple(splits), "patient", ())


def wanted_variants(
    plan: Plan, good: dict[str, list[str]], later: Sequence[str] = LATER
) -> dict[str, list[str]]:
    """Of each split what is to be trained: all in the first round, then the default, what is good, `later`.

    `good` is what `good_without` says after the first round, and empty before.
    """
    wanted = {}
    for split in plan.splits:
        held_out = {str(plan.patients[field]) for field in split.test}
        going_on = {DEFAULT, *later}.union(*(good[patient] for patient in held_out)) if good else set()
        wanted[split.name] = list(VARIANTS) if split.name in first_round(plan) else sorted(going_on)
    return wanted


def first_round(plan: Plan) -> list[str]:
    """Two splits that hold out every patient once: the first pair of patients, and the last, all others."""
    return [plan.splits[0].name, plan.splits[-1].name]


def conditions(plan: Plan) -> dict[str, Any]:
    return {
        "command": " ".join(["python benchmarks/search.py", *(Path(part).name for part in sys.argv[1:])]),
        "data": plan.data,
        "crops": plan.crops,
        "budget": asdict(plan.budget),
        "splits": [split.name for split in plan.splits],
    }


def read_begun(path: Path, plan: Plan) -> list[dict[str, Any]]:
    """The rows of the splits that a search.json has of all variants wanted there."""
    try:
        stored = json.loads(path.read_text())
        budget = asdict(Budget(**stored["plan"]["budget"]))
        same = {**stored["plan"], "budget": budget, "command": ""} == {**conditions(plan), "command": ""}
        rows = pd.DataFrame(stored["results"])
        wanted = wanted_variants(plan, stored["good_without"])
        methods = {str(split): set(table["method"]) for split, table in rows.groupby("split")}
        whole = [split for split in methods if wanted[split] and methods[split] >= set(wanted[split])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path}: cannot be read ({error}); give another search.json, or none") from error
    if not same:
        raise SystemExit(f"{path}: is of other data or another budget; give another search.json, or none")
    return [row for row in stored["results"] if row["split"] in whole]


def rows_of(run: Path, job: Job) -> list[dict[str, Any]]:
    """How a training did on each of its two test patients."""
    result = read_result(job.folder(run) / RESULT)
    classes = read_plan(run).classes
    crops = pd.DataFrame(result["crops"])
    rows = []
    for patient, of_patient in crops.groupby("patient"):
        dice = pd.DataFrame(
            [field["dice"] for field in result["fields"] if field["patient"] == patient], columns=classes
        )
        present = [classes[0], *sorted(set(of_patient["true"]))]
        figures = summarise_crops(of_patient)
        (other,) = set(crops["patient"]) - {patient}
        values = {
            "dice": float(dice[present].mean().mean()),
            "crops_right": figures["right"],
            "mean_recall": figures["mean_recall"],
        }
        values["score"] = (values["dice"] + values["mean_recall"]) / 2
        rows.append(
            {
                "method": job.method,
                "split": job.split,
                "patient": patient,
                "also_without": other,
                **{figure: round(value, 4) for figure, value in values.items()},
                "fit_seconds": result["fit_seconds"],
            }
        )
    return rows


def sum_up(rows: Sequence[dict[str, Any]], plan: Plan) -> dict[str, Any]:
    """What is good after the first round and, when all is done, best: without each patient, and by all."""
    results = pd.DataFrame(rows)
    first = results[results["split"].isin(first_round(plan))]
    means = first.groupby("method")[FIGURES].mean().sort_values("score", ascending=False)
    good = good_without(first) if len(first) == 4 * len(VARIANTS) else {}
    there = {split: set(table["method"]) for split, table in results.groupby("split")}
    wanted = wanted_variants(plan, good)
    finished = bool(good) and all(there.get(split, set()) >= set(wanted[split]) for split in wanted)
    everywhere = sorted(set.intersection(*map(set, wanted_variants(plan, good, later=()).values())))
    return {
        "first_round": means.round(4).to_dict("index"),
        "good_without": good,
        "ahead_of_default": ahead_of(DEFAULT, results, sorted(results["method"].unique())),
        "ahead_of_unweighted": ahead_of(UNWEIGHTED, results, [WEIGHTED]),
        "chosen_without": {patient: choose_without(patient, good[patient], results) for patient in good}
        if finished
        else None,
        "chosen_by_all_and_tested_on_none": best(ahead_of(DEFAULT, results, everywhere))
        if finished
        else None,
        "results": rows,
    }


def good_without(first_round: pd.DataFrame) -> dict[str, list[str]]:
    """For each patient the variants that do well on the patient who was held out together with them."""
    good = {}
    for patient, others in first_round.groupby("also_without"):
        scores = others.set_index("method")["score"]
        good[str(patient)] = sorted(scores.index[scores >= scores.max() - MARGIN])
    return good


def choose_without(patient: str, good: Sequence[str], results: pd.DataFrame) -> dict[str, Any]:
    """The variant chosen without a patient, and how far it is ahead of the default on that patient."""
    variant = best(ahead_of(DEFAULT, results[results["also_without"] == patient], good))
    scores = results[results["patient"] == patient].groupby("method")["score"].mean()
    return {"variant": variant, "ahead_on_patient": round(float(scores[variant] - scores[DEFAULT]), 4)}


def ahead_of(one: str, results: pd.DataFrame, variants: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How much higher than that of `one` a variant's score is, on what both were trained and tested on."""
    names = results["patient"] + " " + results["split"]
    patients = dict(zip(names, results["patient"], strict=True))
    splits = dict(zip(names, results["split"], strict=True))

    def scores(method: str) -> dict[str, NDArray[np.float64]]:
        rows = results["method"] == method
        return {
            name: np.array([score]) for name, score in zip(names[rows], results["score"][rows], strict=True)
        }

    compared, differences = scores(one), {}
    for variant in variants:
        own = scores(variant)
        if variant == one or not own.keys() & compared.keys():
            continue
        difference = paired_difference(own, compared, patients, splits)
        differences[variant] = {
            **{name: round(getattr(difference, name), 4) for name in ("mean", "low", "high")},
            "tests": difference.fields,
            "verdict": verdict(difference, larger_is_better=True),
        }
    return differences


def best(differences: dict[str, dict[str, Any]]) -> str:
    """The variant furthest ahead of the default by more than chance; the default where none is."""
    leads = {variant: value["mean"] for variant, value in differences.items() if value["verdict"] == BETTER}
    leads[DEFAULT] = 0.0
    return max(leads, key=lambda variant: leads[variant])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("xu2017", type=Path)
    parser.add_argument("--begun", type=Path, help="search.json of another machine")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--validate-every", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    try:
        sys.exit(main(parser.parse_args()))
    except DrepanoError as error:
        sys.exit(f"error: {error}")
