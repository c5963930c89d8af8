"""``benchmarks/remeasure.py`` on a run whose results do not tell of the cells found."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.experiments.results import FOUND_CELLS, having


@pytest.fixture
def run(crops, tmp_path):
    def call(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output

    call("data", "compose", crops, "--out", tmp_path / "data", "--fields", 1, "--size", 96, "--cells", "2-4")
    options = ["--binary", "--folds", 2, "--methods", "region-growing"]
    call("compare", tmp_path / "data", "--out", tmp_path / "run", *options)
    return tmp_path / "run"


def test_results_of_before_tell_of_found_cells_as_new_ones_do(run, benchmark_script, capsys):
    paths = sorted(run.glob("jobs/*/*/*/result.json"))
    new = [json.loads(path.read_text()) for path in paths]
    assert len(having(FOUND_CELLS, new)) == len(new)
    for path, result in zip(paths, new, strict=True):
        kept = {"found_cell_errors", "f1", "panoptic_quality"}
        fields = [{name: row[name] for name in row if name not in kept} for row in result["fields"]]
        path.write_text(json.dumps({**result, "fields": fields, "cell_recall": [0.0]}))
    benchmark_script("remeasure").main([run])
    for path, result in zip(paths, new, strict=True):
        remeasured = json.loads(path.read_text())
        assert remeasured.pop("cells_versions") == result["versions"]
        assert remeasured == result
    assert not capsys.readouterr().out


def test_jobs_without_maps_stay_as_they_are_and_are_named(run, benchmark_script, capsys):
    (path, *_) = sorted(run.glob("jobs/*/fold-1/*/result.json"))
    before = path.read_bytes()
    (path.parent / "maps").rename(path.parent / "away")
    benchmark_script("remeasure").main([run])
    assert path.read_bytes() == before
    assert capsys.readouterr().out == f"{path.parent}: has no maps\n"
