"""``benchmarks/side_by_side.py`` against ``drepano compare``, on a CPU."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import write_simulated_dataset
from drepano.errors import DrepanoError
from drepano.experiments.jobs import JOB_LOCK

METHODS = ["unet", "dunet", "dunet-weighted-cross-entropy"]
BUDGET = ["--steps", "12", "--batch-size", "3", "--crop-size", "32", "--validate-every", "5", "--folds", "2"]
BUDGET += ["--methods", ",".join(METHODS)]


@pytest.fixture(scope="module")
def side_by_side(benchmark_script):
    return benchmark_script("side_by_side")


@pytest.fixture(scope="module")
def trained_twice(side_by_side, tmp_path_factory):
    """Of a preset one experiment trained one by one, and side by side.

    With one thread, since weights depend on it.
    """

    @cache
    def train(preset):
        folder = tmp_path_factory.mktemp(preset)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        write_simulated_dataset(folder / "data", fields=4, size=64, cells=3, seed=0)
        command = ["compare", folder / "data", "--out", folder / "one-by-one", "--preset", preset, *BUDGET]
        result = CliRunner().invoke(app, [str(part) for part in command])
        assert result.exit_code == 0, result.output
        shutil.copytree(folder / "one-by-one", folder / "side-by-side")
        shutil.rmtree(folder / "side-by-side" / "jobs")
        for split in ("fold-1", "fold-2"):
            side_by_side.train_and_measure(folder / "side-by-side", split, 0, METHODS, "cpu", crops=None)
        torch.set_num_threads(threads)
        return folder / "one-by-one", folder / "side-by-side"

    return train


@pytest.fixture
def runs(trained_twice):
    return trained_twice("default")


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("job", [f"{m}/fold-{f}/seed-0" for m in METHODS for f in (1, 2)])
def test_weights_log_and_figures_are_those_of_compare(trained_twice, preset, job):
    there, here = (run / "jobs" / job for run in trained_twice(preset))
    expected, found = (load_file(folder / "training/model.safetensors") for folder in (there, here))
    assert expected.keys() == found.keys()
    assert all((expected[name] == found[name]).all() for name in expected)
    log, same = (pd.read_csv(folder / "training/logs/version_0/metrics.csv") for folder in (there, here))
    pd.testing.assert_frame_equal(same[log.columns], log, rtol=1e-5)
    first, second = (json.loads((folder / "result.json").read_text()) for folder in (there, here))
    assert second.pop("fit_seconds") is None
    del first["fit_seconds"]
    assert first == second


def test_what_is_done_is_not_trained_again(side_by_side, runs):
    given = argparse.Namespace(
        run=runs[1],
        methods=["unet"],
        seeds=[0],
        one_seed=[],
        measure_later=[],
        crops=None,
        processes=1,
        device="cpu",
    )
    before = [path.stat().st_mtime_ns for path in sorted(runs[1].glob("jobs/*/*/*/result.json"))]
    assert side_by_side.main(given) == 0
    assert before == [path.stat().st_mtime_ns for path in sorted(runs[1].glob("jobs/*/*/*/result.json"))]


def test_where_it_was_killed_it_goes_on(side_by_side, runs, tmp_path, monkeypatch, one_thread):
    """Killed after the look at step 5 of 12, seen by what it does then: no step before is made again."""
    run = tmp_path / "run"
    shutil.copytree(runs[1], run, ignore=shutil.ignore_patterns("jobs", "side-by-side"))
    step, made = side_by_side.Trainee.step, []

    def killed(trainee, *batch):
        if len(made) == 7 * len(METHODS):
            raise KeyboardInterrupt
        made.append(trainee)
        step(trainee, *batch)

    monkeypatch.setattr(side_by_side.Trainee, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        side_by_side.train(run, "fold-1", 0, METHODS, "cpu")
    made.clear()
    monkeypatch.setattr(side_by_side.Trainee, "step", lambda *of: (made.append(0), step(*of)))
    trained = side_by_side.train(run, "fold-1", 0, METHODS, "cpu")
    assert len(made) == len(METHODS) * (12 - 5)
    for method, trainee in trained.items():
        folder = runs[0] / f"jobs/{method}/fold-1/seed-0/training"
        whole, weights = load_file(folder / "model.safetensors"), trainee.network.state_dict()
        assert all((whole[name] == weights[name]).all() for name in whole)
        log, same = pd.read_csv(folder / "logs/version_0/metrics.csv"), pd.DataFrame(trainee.rows)
        pd.testing.assert_frame_equal(same[log.columns], log, rtol=1e-5, check_dtype=False)


def test_what_was_trained_elsewhere_is_measured_here_and_says_so(side_by_side, runs, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(runs[1], run, ignore=shutil.ignore_patterns("jobs"))
    there = {**side_by_side.training_run.versions(), "torch": "2.0 of another machine"}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(side_by_side.training_run, "versions", lambda: there)
        side_by_side.train(run, "fold-1", 0, ["unet"], "cpu")
    monkeypatch.setattr(side_by_side.Trainee, "step", None)
    side_by_side.train_and_measure(run, "fold-1", 0, ["unet"], "cpu", None)
    result = json.loads((run / "jobs/unet/fold-1/seed-0/result.json").read_text())
    assert result["training_versions"] == there
    assert result["versions"] == side_by_side.training_run.versions()
    assert not side_by_side.unfinished_file(run, "fold-1", 0).exists(), (
        "or a job deleted would not be trained"
    )


def test_a_job_that_another_run_is_at_is_left_to_it_and_what_was_learned_is_kept(
    side_by_side, runs, tmp_path, one_thread
):
    run = tmp_path / "run"
    shutil.copytree(runs[1], run, ignore=shutil.ignore_patterns("jobs", "side-by-side"))
    folder = run / "jobs/unet/fold-1/seed-0"
    folder.mkdir(parents=True)
    with FileLock(folder / JOB_LOCK):
        told = side_by_side.train_and_measure(run, "fold-1", 0, METHODS, "cpu", None)
    assert told.endswith(", not measured: unet")
    assert not (folder / "result.json").exists()
    assert (run / "jobs/dunet/fold-1/seed-0/result.json").is_file()
    assert side_by_side.unfinished_file(run, "fold-1", 0).is_file()


def test_what_is_to_be_measured_later_is_kept_and_measured_as_if_at_once(
    side_by_side, runs, tmp_path, monkeypatch, one_thread
):
    run = tmp_path / "run"
    shutil.copytree(runs[1], run, ignore=shutil.ignore_patterns("jobs", "side-by-side"))
    side_by_side.train_and_measure(run, "fold-1", 0, METHODS, "cpu", None, later=["unet", "dunet"])
    assert [path.parts[-4] for path in run.glob("jobs/*/*/*/result.json")] == METHODS[2:]
    with pytest.raises(DrepanoError, match="keeps what unet, dunet learned; have these measured first"):
        side_by_side.train(run, "fold-1", 0, ["unet", "dunet-scope-4"], "cpu")
    monkeypatch.setattr(side_by_side.Trainee, "step", None)
    side_by_side.train_and_measure(run, "fold-1", 0, ["unet", "dunet"], "cpu", None)
    for method in METHODS:
        job = f"jobs/{method}/fold-1/seed-0/result.json"
        assert json.loads((run / job).read_text()) == json.loads((runs[1] / job).read_text())
    assert not side_by_side.unfinished_file(run, "fold-1", 0).exists()


def test_only_methods_that_are_trained_can_be_measured_later(side_by_side, runs):
    given = argparse.Namespace(run=runs[1], methods=["unet"], measure_later=["unett"])
    with pytest.raises(DrepanoError, match="--measure-later unett: is not among --methods"):
        side_by_side.main(given)


def test_a_damaged_state_is_named(side_by_side, runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs[1], run, ignore=shutil.ignore_patterns("jobs"))
    damaged = side_by_side.unfinished_file(run, "fold-1", 0)
    damaged.write_bytes(b"damaged")
    with pytest.raises(DrepanoError, match=r"fold-1-seed-0\.pt: cannot be gone on from; delete it"):
        side_by_side.train(run, "fold-1", 0, ["unet"], "cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes run")
def test_killed_it_leaves_no_process_behind(runs, tmp_path, wait_until, is_running):
    run = tmp_path / "run"
    shutil.copytree(runs[1], run, ignore=shutil.ignore_patterns("jobs"))
    plan = json.loads((run / "plan.json").read_text())
    plan["budget"]["steps"] = 100_000
    (run / "plan.json").write_text(json.dumps(plan))
    script = Path(__file__).parents[2] / "benchmarks/side_by_side.py"
    options = ["--methods", "unet", "--device", "cpu", "--processes", "1"]
    unfinished = run / "side-by-side/fold-1-seed-0.pt"
    unfinished.unlink(missing_ok=True)
    program = subprocess.Popen([sys.executable, str(script), str(run), *options], start_new_session=True)
    try:
        wait_until(lambda: unfinished.is_file() or program.poll() is not None)
        assert program.poll() is None, "it ended before anybody wanted it to"
        program.kill()
        program.wait(60)
        wait_until(lambda: not is_running(program.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)


def test_methods_that_need_other_crops_are_refused(side_by_side, runs):
    with pytest.raises(ValueError, match="dunet, dunet-unaugmented differ in augment"):
        side_by_side.train(runs[1], "fold-1", 0, ["dunet", "dunet-unaugmented"], "cpu")
