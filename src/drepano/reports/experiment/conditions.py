"""What readers of an experiment's tables must know, in sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from drepano.experiments.plan import Job, Plan
from drepano.experiments.working_copy import CELL_DIAMETER
from drepano.methods import METHODS
from drepano.reports.wording import plural


def conditions(plan: Plan, ran: Mapping[str, Mapping[str, Any]], jobs: Sequence[Job]) -> list[str]:
    """What readers of the tables must know, a sentence each; `ran` has the `provenance` of every method that
    has a result, `jobs` are all that were asked for."""
    sizes = [len(split.training) for split in plan.splits], [len(split.test) for split in plan.splits]
    training, test = (
        f"{min(side)} to {max(side)}" if min(side) < max(side) else str(min(side)) for side in sizes
    )
    patients = len({patient for patient in plan.patients.values() if patient is not None})
    of_patients = plural(patients, "patient") if patients else "patients unknown"
    return [
        f"Data: {plan.data['name']}, {len(plan.patients)} fields, {of_patients}; {plan.data['origin']}.",
        f"Splits: {len(plan.splits)}, by {plan.group}; {training} training and {test} test fields.",
        *_tested_patients(plan),
        *plan.notes,
        *_unfinished(plan, ran, jobs),
        *_trainings(plan, ran),
        *_labelled_elsewhere(ran),
        *_versions(ran),
    ]


def _unfinished(plan: Plan, ran: Mapping[str, Mapping[str, Any]], jobs: Sequence[Job]) -> list[str]:
    """Methods some of whose jobs failed, or were not run yet."""
    missing = []
    for name in dict.fromkeys(job.method for job in jobs):
        done, seeds = (ran[name]["jobs"], ran[name]["seeds"]) if name in ran else (0, [])
        wanted = len(plan.splits) * len({*seeds, *(job.seed for job in jobs if job.method == name)})
        if done < wanted:
            missing.append(f"{METHODS[name]} ({done} of {wanted} jobs)")
    if not missing:
        return []
    return [
        f"Not finished: {'; '.join(missing)}. Means are of the finished ones, whose splits may be easier or "
        "harder than other methods'. Comparisons in pairs are on the fields of both."
    ]


def _tested_patients(plan: Plan) -> list[str]:
    if plan.group != "patient":
        return []
    tested = {split.fold: sorted({str(plan.patients[id_]) for id_ in split.test}) for split in plan.splits}
    in_words = (f"{fold} {', '.join(patients)}" for fold, patients in tested.items())
    return [f"Tested on, and not trained on: {'; '.join(in_words)}."]


def _trainings(plan: Plan, ran: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Budget and settings of networks, and of each what it does not share with the others."""
    configs = {
        name: method["settings"]["config"] for name, method in ran.items() if "config" in method["settings"]
    }
    if not configs:
        return []
    budget = plan.budget
    names = (
        "learning_rate",
        "offset_learning_rate",
        "schedule",
        "loss",
        "touching_weight",
        "normalisation",
        "augment",
    )
    settings = {name: {method: config[name] for method, config in configs.items()} for name in names}
    usual = {name: Counter(values.values()).most_common(1)[0][0] for name, values in settings.items()}
    others = [
        f"{METHODS[method]} {name} {value}"
        for name, values in settings.items()
        for method, value in values.items()
        if value != usual[name]
    ]
    but = f"; but {'; '.join(others)}" if others else ""
    fewest = min(len(split.training) for split in plan.splits)
    held_out = "a tenth of the training fields" + (", at least one of two or more," if fewest < 5 else "")
    return [
        f"Every network: {budget.steps} steps of {budget.batch_size} crops of {budget.crop_size} px, preset "
        f"{budget.preset}, last step; cells of {CELL_DIAMETER:g} px; {held_out} is held out to watch, not to "
        "choose.",
        f"Settings of training: {', '.join(f'{name} {value}' for name, value in usual.items())}{but}.",
    ]


def _labelled_elsewhere(ran: Mapping[str, Any]) -> list[str]:
    if "ilastik" not in ran:
        return []
    return [
        "ilastik: one project of the user's for all splits; fields that it was labelled on may be test "
        "fields, so it may look better here than on new ones."
    ]


def _versions(ran: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for every machine and version that jobs ran with; of training where it began with others."""
    methods_of: dict[str, list[str]] = defaultdict(list)
    for name, method in ran.items():
        for versions in method["versions"]:
            line = measured = _listed(versions["measured"])
            if versions["trained"] != versions["measured"]:
                line = f"training begun with {_listed(versions['trained'])}; measured with {measured}"
            if versions["cells"] != versions["measured"]:
                line += f"; cells found again with drepano {versions['cells']['drepano']}"
            methods_of[line].append(METHODS[name])
    return [f"Versions of {'; '.join(methods)}: {line}." for line, methods in methods_of.items()]


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())
