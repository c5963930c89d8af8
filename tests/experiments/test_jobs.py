"""How far several jobs at a time are, and one of them that fails; more in ``test_compare.py``."""

from __future__ import annotations

import json
import time
from ctypes import c_int64
from multiprocessing import active_children, get_context

import pytest
from filelock import FileLock

from drepano.datasets import open_dataset, write_simulated_dataset
from drepano.errors import DrepanoError
from drepano.experiments import jobs
from drepano.experiments.begin import begin_experiment
from drepano.experiments.jobs import run_jobs
from drepano.experiments.plan import RESULT, Job
from drepano.experiments.splits import cross_validation
from drepano.methods import Budget
from drepano.taxonomy import BINARY


@pytest.fixture
def trained(monkeypatch):
    """What processes have trained, of two jobs."""
    steps = (c_int64 * 2)()
    monkeypatch.setattr(jobs, "_trained", steps, raising=False)
    return steps


def attempt(monkeypatch, tmp_path, method, *told):
    """A job that tells its progress, fails, and is the second of two; a network's training has 9 steps."""

    def fail(experiment, job, options):
        for stage, done in told:
            options["progress"](stage, done, 9, 0.5)
        return "no luck"

    monkeypatch.setattr(jobs, "_attempt", fail)
    return jobs._attempt_and_count(tmp_path, Job(method, "fold-1", 0), {}, number=1, steps=9)


def test_steps_of_training_are_counted_and_other_stages_are_not(trained, monkeypatch, tmp_path):
    attempt(monkeypatch, tmp_path, "pixel-forest", ("training", 4), ("measuring", 7))
    assert list(trained) == [0, 4]


@pytest.mark.parametrize("told", [(), (("training", 4),)])
def test_a_network_that_ended_early_has_no_steps_left(trained, monkeypatch, tmp_path, told):
    assert attempt(monkeypatch, tmp_path, "unet", *told) == "no luck"
    assert list(trained) == [0, 9]


def test_a_method_without_a_network_has_no_steps(trained, monkeypatch, tmp_path):
    attempt(monkeypatch, tmp_path, "region-growing")
    assert list(trained) == [0, 0]


@pytest.fixture
def run(tmp_path):
    """An experiment of two folds, two steps a network."""
    write_simulated_dataset(tmp_path / "data", fields=4, size=64, cells=3, seed=0)
    dataset, run = open_dataset(tmp_path / "data"), tmp_path / "run"
    begin_experiment(
        run,
        "compare",
        dataset,
        BINARY,
        Budget(2, 2, 32, 1),
        lambda infos, classes: cross_validation(infos, 2, "field", classes, seed=0),
    )
    return run


def test_what_another_run_has_done_meanwhile_is_not_done_again(run):
    ours, theirs = Job("unet", "fold-1", 0), Job("unet", "fold-2", 0)
    result, written = theirs.folder(run) / RESULT, []

    def done(job, reason):
        assert reason is None
        if job == ours:
            assert run_jobs(run, [theirs], 1, lambda *_: None) == []
        written.append(result.stat().st_mtime_ns)

    assert run_jobs(run, [ours, theirs], 1, done) == []
    assert written[0] == written[1]


def test_what_another_run_has_done_with_other_settings_is_no_job_of_ours(run):
    ours, theirs = Job("unet", "fold-1", 0), Job("unet", "fold-2", 0)

    def done(job, reason):
        if job == ours:
            assert run_jobs(run, [theirs], 1, lambda *_: None) == []
            path = theirs.folder(run) / RESULT
            result = json.loads(path.read_text())
            result["settings"]["config"]["learning_rate"] = 1.0
            path.write_text(json.dumps(result))

    with pytest.raises(DrepanoError, match=r"of unet \(config.learning_rate was 1.0, now 0.004\)"):
        run_jobs(run, [ours, theirs], 1, done)


def test_steps_of_what_another_run_is_at_are_not_counted(run):
    theirs, ours = Job("unet", "fold-1", 0), Job("unet", "fold-2", 0)
    theirs.folder(run).mkdir(parents=True)
    shown = []
    with FileLock(theirs.folder(run) / jobs.JOB_LOCK):
        assert run_jobs(run, [theirs, ours], 2, lambda *_: None, progress=lambda *p: shown.append(p)) == []
    assert shown[-1][:3] == ("training", 2, 2)


def test_what_another_run_was_at_and_has_done_by_the_end_is_done(run):
    theirs, ours = Job("unet", "fold-1", 0), Job("unet", "fold-2", 0)
    theirs.folder(run).mkdir(parents=True)
    lock, ended = FileLock(theirs.folder(run) / jobs.JOB_LOCK).acquire(), []

    def done(job, reason):
        ended.append((job, reason))
        if job == ours:
            lock.lock.release()
            assert run_jobs(run, [theirs], 1, lambda *_: None) == []

    assert run_jobs(run, [theirs, ours], 1, done) == []
    assert theirs.is_done(run)
    assert ended == [(theirs, jobs.ELSEWHERE), (ours, None)]


def test_of_two_at_a_time_one_that_fails_does_not_stop_the_other(run):
    good, bad = Job("unet", "fold-1", 0), Job("unet", "no-such-fold", 0)
    ended, shown = {}, []
    failed = run_jobs(
        run,
        [bad, good],
        2,
        lambda job, reason: ended.update({job: reason}),
        progress=lambda *p: shown.append(p),
    )
    assert failed == [bad]
    assert ended[good] is None
    assert "no-such-fold" in ended[bad]
    assert shown[-1][:3] == ("training", 4, 4)


def test_of_two_at_a_time_those_that_are_killed_fail_and_the_next_go_on(run):
    first, *others, last = (Job("unet", "fold-1", seed) for seed in range(4))
    ended, killed = {}, []

    def done(job, reason):
        if ended and not killed:
            for process in active_children():
                process.kill()
                killed.append(process)
        ended[job] = reason

    failed = run_jobs(run, [first, *others, last], 2, done)
    assert len(failed) == len(killed) == 1
    assert failed[0] in others
    assert "killed" in ended[failed[0]]
    assert all(job.is_done(run) for job in ended if job not in failed)
    assert len(ended) == 4


def test_an_interrupt_ends_the_processes_of_jobs_and_no_others(run):
    """A program that calls `run_jobs` may have children of its own."""
    foreign = get_context("spawn").Process(target=time.sleep, args=(100,))
    foreign.start()
    children = []

    def interrupt(*_):
        children.extend(child for child in active_children() if child is not foreign)
        raise KeyboardInterrupt

    bad, good = Job("unet", "no-such-fold", 0), Job("unet", "fold-1", 0)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_jobs(run, [bad, good], 2, interrupt)
        for child in children:
            child.join(20)
        assert children
        assert not any(child.is_alive() for child in children)
        assert foreign.is_alive()
    finally:
        foreign.kill()


def test_a_process_that_cannot_be_begun_is_a_failure_of_its_job_alone(run, monkeypatch):
    first, second = Job("unet", "fold-1", 0), Job("unet", "fold-1", 1)
    submit = jobs.ProcessPoolExecutor.submit

    def without_memory(pool, function, experiment, job, *more):
        if job == first:
            raise OSError(12, "Cannot allocate memory")
        return submit(pool, function, experiment, job, *more)

    monkeypatch.setattr(jobs.ProcessPoolExecutor, "submit", without_memory)
    ended = {}
    assert run_jobs(run, [first, second], 2, lambda job, reason: ended.update({job: reason})) == [first]
    assert "not begun" in ended[first]
    assert second.is_done(run)
