"""One job of an experiment: a method trained on a split's training fields and measured on its test fields."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drepano.changes import first_change
from drepano.datasets import open_dataset
from drepano.errors import DrepanoError
from drepano.experiments.crops import evaluate_crops
from drepano.experiments.measure import measure_method
from drepano.experiments.plan import FIELDS, RESULT, Job, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.working_copy import open_working_copy
from drepano.io import ensure_writable_folder, file_digest, write_class_map, write_text
from drepano.methods import Method, TrainedMethod, create_method
from drepano.progress import Progress
from drepano.training import TrainingConfig, can_resume, versions, versions_of_run

TRAINING = "training"
MAPS = "maps"
FAILURE = "failure.txt"
"""Where a job leaves the traceback of an error that nobody foresaw."""


def run_job(
    experiment: Path,
    job: Job,
    crops: Path | None = None,
    ilastik_project: Path | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """Train, segment the test fields, measure, and write ``result.json`` when all is done.

    Parameters
    ----------
    experiment : Path
        Folder with a plan and the fields at one scale.
    job : Job
    crops : Path, optional
        Folder of xu2017, whose single crops of the test patients are classified too.
    ilastik_project : Path, optional
        For the method "ilastik".
    progress : callable

    Raises
    ------
    DrepanoError
        If the method cannot do it.
    """
    plan, folder = read_plan(experiment), job.folder(experiment) / TRAINING
    method = create_method(job.method, plan.budget, ilastik_project)
    resumed = can_resume(folder)
    begin = time.perf_counter()
    fields = open_working_copy(experiment / FIELDS, plan.patients).with_ids(plan.split(job.split).training)
    trained = method.fit(fields, plan.class_taxonomy, folder, job.training_seed, progress)
    seconds = None if resumed else time.perf_counter() - begin
    measure_job(experiment, job, method, trained, seconds, crops, progress)


def measure_job(
    experiment: Path,
    job: Job,
    method: Method,
    trained: TrainedMethod,
    fit_seconds: float | None,
    crops: Path | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """The second part of `run_job`: segment the test fields with what `method` gave when it was `trained`.

    ``result.json`` gets ``job``, ``settings`` of the method, ``versions`` and ``training_versions`` (what it
    was measured and trained with), ``fit_seconds``, all of `Measured.figures` and, with `crops`, of every
    single crop what `evaluate_crops` tells but its probability. Class maps of the test fields lie beside it.

    Parameters
    ----------
    experiment : Path
    job : Job
    method : Method
    trained : TrainedMethod
    fit_seconds : float or None
        What the training took; None where it was not all done at once.
    crops : Path, optional
        Folder of xu2017; the test patients' single crops are classified too.
    progress : callable
    """
    plan = read_plan(experiment)
    taxonomy, folder = plan.class_taxonomy, job.folder(experiment)
    test = open_working_copy(experiment / FIELDS, plan.patients).with_ids(plan.split(job.split).test)
    measured = measure_method(trained, test, taxonomy, progress)
    result: dict[str, Any] = {
        "job": asdict(job),
        "settings": _settings(method),
        "versions": versions(),
        "training_versions": versions_of_run(folder / TRAINING) or versions(),
        "fit_seconds": fit_seconds,
        **measured.figures,
    }
    if crops is not None:
        singles = open_dataset(crops)
        table = evaluate_crops(trained.segment, singles.of_patients(test.patients))
        result["crops"] = table.drop(columns="probability").to_dict("records")
    ensure_writable_folder(folder / MAPS)
    for field, classes in measured.maps.items():
        write_class_map(folder / MAPS / f"{field}.png", classes, taxonomy)
    write_text(folder / RESULT, json.dumps(result))
    (folder / FAILURE).unlink(missing_ok=True)


def check_settings(experiment: Path, jobs: Sequence[Job], ilastik_project: Path | None) -> None:
    """Raises DrepanoError where the method of a finished job had other settings than it would have now."""
    budget = read_plan(experiment).budget
    for job in jobs:
        stored = read_result(job.folder(experiment) / RESULT)["settings"]
        change = first_change(stored, _settings(create_method(job.method, budget, ilastik_project)))
        if change is not None:
            raise DrepanoError(
                f"{job.folder(experiment)}: was made with other settings of {job.method} ({change}); name "
                "another folder for the experiment, or delete this one"
            )


def _settings(method: Any) -> dict[str, Any]:
    """All settings of a method, as JSON can hold them: of a file what it holds, not where it lies."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return file_digest(value)
        return value.model_dump() if isinstance(value, TrainingConfig) else str(value)

    settings: dict[str, Any] = json.loads(json.dumps(asdict(method), default=plain))
    return settings
