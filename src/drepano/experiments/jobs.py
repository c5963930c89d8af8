"""Run the jobs of an experiment, one by one or several at a time; what is done already is not done again.

A job is locked while it runs, so that several commands, on machines that see the same folder, share jobs out.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import Array, c_int64
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from drepano.errors import DrepanoError
from drepano.experiments.job import FAILURE, check_settings, run_job
from drepano.experiments.plan import Job, read_plan
from drepano.io import ensure_writable_folder, hold, write_text
from drepano.methods import is_network
from drepano.progress import Progress
from drepano.training.trainer import STAGE, import_lightning

JOB_LOCK = "lock"
"""In a job's folder, held by the process that it runs in."""
ELSEWHERE = "another run of the same experiment is at it"
"""Why a job was left to a process that holds its lock."""
_LOOK_EVERY = 1.0
"""Seconds between looks at how far several jobs are."""


def run_jobs(
    experiment: Path,
    jobs: Sequence[Job],
    processes: int,
    done: Callable[[Job, str | None], None],
    crops: Path | None = None,
    ilastik_project: Path | None = None,
    progress: Progress = lambda *_: None,
) -> list[Job]:
    """Run those jobs that have no result yet; a failed one does not stop the others.

    Parameters
    ----------
    experiment : Path
        Folder with the plan.
    jobs : sequence of Job
    processes : int
        How many run at a time; of several each in a process of its own with its share of the threads.
    done : callable
        Called with every job that ended, and with the reason where it failed.
    crops, ilastik_project : Path, optional
        See `run_job`.
    progress : callable
        Of the job that runs; of several at a time, the steps that all networks have been trained.

    Returns
    -------
    list of Job
        Those that failed. Those that another run is at are not done either, but have not failed.

    Raises
    ------
    DrepanoError
        If a finished job's method had other settings than it would have now, or cannot be made (see
        `create_method`).
    """
    waiting = [job for job in jobs if not job.is_done(experiment)]
    check_settings(experiment, [job for job in jobs if job not in waiting], ilastik_project)
    failed = []
    options = {"crops": crops, "ilastik_project": ilastik_project}
    steps = read_plan(experiment).budget.steps
    if processes == 1:
        ended = _run_in_turn(experiment, waiting, options, progress)
    else:
        ended = _run_side_by_side(experiment, waiting, processes, steps, options, progress)
    for job, reason in ended:
        if reason not in (None, ELSEWHERE):
            failed.append(job)
        done(job, reason)
    # Other runs of the same experiment may have done some of them.
    check_settings(experiment, [job for job in waiting if job.is_done(experiment)], ilastik_project)
    return failed


def _run_in_turn(
    experiment: Path, jobs: Sequence[Job], options: dict[str, Any], progress: Progress
) -> Iterator[tuple[Job, str | None]]:
    """Jobs as they end, each with the reason where it failed."""
    for job in jobs:
        yield job, _attempt(experiment, job, {**options, "progress": progress})


def _run_side_by_side(
    experiment: Path,
    jobs: Sequence[Job],
    processes: int,
    steps: int,
    options: dict[str, Any],
    progress: Progress,
) -> Iterator[tuple[Job, str | None]]:
    """The same, each in a process of its own; `steps` are those of a network's training."""
    context = get_context("spawn")
    trained = context.RawArray(c_int64, len(jobs))
    threads = max(1, torch.get_num_threads() // processes)
    wanted, shown = steps * sum(is_network(job.method) for job in jobs), 0
    waiting = iter(enumerate(jobs))
    running: dict[Future[str | None], tuple[Job, ProcessPoolExecutor]] = {}
    others = active_children()

    def begin(count: int) -> None:
        for number, job in islice(waiting, count):
            process = ProcessPoolExecutor(1, context, _begin_process, (threads, trained))
            future: Future[str | None]
            try:
                future = process.submit(_attempt_and_count, experiment, job, options, number, steps)
            except OSError as error:
                future = Future()
                future.set_exception(BrokenProcessPool(str(error)))
            running[future] = job, process

    try:
        begin(processes)
        while running:
            ended = wait(running, _LOOK_EVERY, FIRST_COMPLETED).done
            if sum(trained) > shown:
                shown = sum(trained)
                progress(STAGE, shown, wanted)
            for future in ended:
                job, process = running.pop(future)
                try:
                    reason = future.result()
                except BrokenProcessPool:
                    reason = "its process was killed or not begun, perhaps for memory; use fewer --jobs"
                process.shutdown()
                if reason == ELSEWHERE and is_network(job.method):
                    wanted -= steps
                    progress(STAGE, shown, wanted)
                yield job, reason
                begin(1)
    except BaseException:  # Ctrl+C: what is trained now is not waited for, and nothing else is begun
        for child in active_children():
            if child not in others:
                child.kill()
        raise


_trained: Array[c_int64]
"""Of a process for jobs: the steps that each job, its own and others', has trained."""


def _begin_process(threads: int, trained: Array[c_int64]) -> None:
    """Of a process for jobs: its share of the cores, and an end with the process that began it."""
    global _trained
    _trained = trained
    torch.set_num_threads(threads)
    import_lightning()  # which takes seconds, and is no job's time of training
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end as soon as the one that began it has, killed or not."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _attempt_and_count(
    experiment: Path, job: Job, options: dict[str, Any], number: int, steps: int
) -> str | None:
    """`_attempt` in a process for jobs; of a network that was tried all steps count in the end."""

    def count(stage: str, done: int, *_: object) -> None:
        if stage == STAGE:
            _trained[number] = done

    reason = _attempt(experiment, job, {**options, "progress": count})
    if is_network(job.method) and reason != ELSEWHERE:
        _trained[number] = steps
    return reason


def _attempt(experiment: Path, job: Job, options: dict[str, Any]) -> str | None:
    """The reason why `job` failed, or was left to another run; None where it is done."""
    folder = job.folder(experiment)
    try:
        ensure_writable_folder(folder)
        with hold(folder / JOB_LOCK, wait=False) as held:
            if not held:
                return ELSEWHERE
            if not job.is_done(experiment):  # by another run, since this one began
                _run_and_keep_failure(experiment, job, options)
    except DrepanoError as error:
        return str(error)
    return None


def _run_and_keep_failure(experiment: Path, job: Job, options: dict[str, Any]) -> None:
    """One job's defect must not cost the others their results."""
    try:
        run_job(experiment, job, **options)
    except DrepanoError:
        raise
    except Exception as error:
        failure = job.folder(experiment) / FAILURE
        write_text(failure, traceback.format_exc())
        raise DrepanoError(f"{type(error).__name__}: {error} ({failure} has more)") from error
