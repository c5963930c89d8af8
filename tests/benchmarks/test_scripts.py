"""That every script of ``benchmarks/`` finds what it uses of the package, and runs where it is quick."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_it_can_be_loaded(name, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", sorted(path.stem for path in (BENCHMARKS / "speed").glob("[!_]*.py")))
def test_that_of_speed_can_be_loaded(name, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS.parent)
    assert importlib.import_module(f"benchmarks.speed.{name}").__doc__


def test_the_time_after_the_network_is_that_of_todays_predict(benchmark_script, tmp_path, monkeypatch):
    script = benchmark_script("postprocessing")
    monkeypatch.setattr(script, "REPEATS", 1)
    monkeypatch.setattr(script, "SIMULATED", {"small": ("rbc", (96, 96), 2, 45.0)})
    script.main(tmp_path / "out.json", [])
    (figures,) = json.loads((tmp_path / "out.json").read_text())["fields"].values()
    assert figures["found"] >= 1
    assert np.isfinite(figures["rest of drepano predict"])
