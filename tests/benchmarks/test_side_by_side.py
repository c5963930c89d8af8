"""``benchmarks/side_by_side.py`` against ``drepano compare``, on a CPU."""

from __future__ import annotations

import argparse
import json
import shutil

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import write_simulated_dataset
from drepano.errors import DrepanoError

METHODS = "unet,dunet"


@pytest.fixture(scope="module")
def side_by_side(benchmark_script):
    return benchmark_script("side_by_side")


@pytest.fixture(scope="module", params=["default", "paper"])
def runs(request, side_by_side, tmp_path_factory):
    """One experiment trained one by one, and side by side; with one thread, since weights depend on it."""
    folder = tmp_path_factory.mktemp("runs")
    threads, trainer = torch.get_num_threads(), side_by_side.fit.run_trainer
    torch.set_num_threads(1)
    write_simulated_dataset(folder / "data", fields=4, size=64, cells=3, seed=0)
    budget = ["--steps", "12", "--batch-size", "3", "--crop-size", "32", "--validate-every", "5"]
    budget += ["--preset", request.param]
    command = ["compare", folder / "data", "--out", folder / "one-by-one", "--methods", METHODS, "--folds", 2]
    result = CliRunner().invoke(app, [str(part) for part in [*command, *budget]])
    assert result.exit_code == 0, result.output
    shutil.copytree(folder / "one-by-one", folder / "side-by-side")
    shutil.rmtree(folder / "side-by-side" / "jobs")
    for split in ("fold-1", "fold-2"):
        side_by_side.train_and_measure(
            folder / "side-by-side", split, 0, METHODS.split(","), "cpu", crops=None
        )
    torch.set_num_threads(threads)
    side_by_side.fit.run_trainer = trainer
    return folder / "one-by-one", folder / "side-by-side"


@pytest.mark.parametrize("job", [f"{m}/fold-{f}/seed-0" for m in METHODS.split(",") for f in (1, 2)])
def test_weights_log_and_figures_are_those_of_compare(runs, job):
    there, here = (run / "jobs" / job for run in runs)
    expected, found = (load_file(folder / "training/model.safetensors") for folder in (there, here))
    assert expected.keys() == found.keys()
    assert all((expected[name] == found[name]).all() for name in expected)
    log, same = (pd.read_csv(folder / "training/logs/version_0/metrics.csv") for folder in (there, here))
    pd.testing.assert_frame_equal(same[log.columns], log, rtol=1e-5)
    first, second = (json.loads((folder / "result.json").read_text()) for folder in (there, here))
    assert second.pop("fit_seconds") is None
    del first["fit_seconds"]
    assert first == second


def test_what_is_done_is_not_trained_again_and_compare_finds_all_of_it(side_by_side, runs, capsys):
    given = argparse.Namespace(
        run=runs[1], methods=["unet"], seeds=[0], one_seed=[], crops=None, processes=1, device="cpu"
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
        if len(made) == 14:
            raise KeyboardInterrupt
        made.append(trainee)
        step(trainee, *batch)

    monkeypatch.setattr(side_by_side.Trainee, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        side_by_side.train(run, "fold-1", 0, METHODS.split(","), "cpu")
    made.clear()
    monkeypatch.setattr(side_by_side.Trainee, "step", lambda *of: (made.append(0), step(*of)))
    trained = side_by_side.train(run, "fold-1", 0, METHODS.split(","), "cpu")
    assert len(made) == 2 * (12 - 5)
    for method, (weights, rows) in trained.items():
        folder = runs[0] / f"jobs/{method}/fold-1/seed-0/training"
        whole = load_file(folder / "model.safetensors")
        assert all((whole[name] == weights[name]).all() for name in whole)
        log = pd.read_csv(folder / "logs/version_0/metrics.csv")
        pd.testing.assert_frame_equal(pd.DataFrame(rows)[log.columns], log, rtol=1e-5, check_dtype=False)


def test_methods_that_need_other_crops_are_refused(side_by_side, runs):
    with pytest.raises(
        (ValueError, DrepanoError), match=r"differ in augment|dunet-unaugmented: is dunet itself"
    ):
        side_by_side.train(runs[1], "fold-1", 0, ["dunet", "dunet-unaugmented"], "cpu")
