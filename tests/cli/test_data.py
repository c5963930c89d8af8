"""`drepano data`: check, show and simulate as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import open_dataset, simulate_field

runner = CliRunner()


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    folder = tmp_path / "simulated"
    result = runner.invoke(
        app, ["data", "simulate", "--out", str(folder), "--fields", "3", "--size", "96", "--cells", "3"]
    )
    assert result.exit_code == 0, result.output
    return folder


def test_simulated_fields_read_back_as_they_were(simulated: Path) -> None:
    dataset = open_dataset(simulated)
    assert len(dataset) == 3
    for seed, field in enumerate(dataset):
        expected = simulate_field(seed, size=(96, 96), cells=3)
        assert field.patient == expected.patient
        np.testing.assert_array_equal(field.image, expected.image)
        np.testing.assert_array_equal(field.classes, expected.classes)
        np.testing.assert_array_equal(field.instances, expected.instances)


def test_simulated_fields_of_two_seeds_have_none_in_common(tmp_path: Path) -> None:
    images = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        options = ["--fields", "3", "--size", "32", "--cells", "1", "--seed", str(seed)]
        assert runner.invoke(app, ["data", "simulate", "--out", str(folder), *options]).exit_code == 0
        images += [field.image.tobytes() for field in open_dataset(folder)]
    assert len(set(images)) == 6


def test_check_prints_the_fingerprint(simulated: Path) -> None:
    result = runner.invoke(app, ["data", "check", str(simulated)])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["fields"] == 3
    assert "no problems" in result.stderr


def test_check_fails_when_a_file_is_bad(simulated: Path) -> None:
    next((simulated / "images").iterdir()).write_bytes(b"")
    result = runner.invoke(app, ["data", "check", str(simulated)])
    assert result.exit_code == 1
    assert "problem: " in result.output
    assert "problems: 1" in result.output


def test_show_writes_a_picture(simulated: Path, tmp_path: Path) -> None:
    picture = tmp_path / "sheet.png"
    result = runner.invoke(app, ["data", "show", str(simulated), "--out", str(picture), "--fields", "2"])
    assert result.exit_code == 0, result.output
    assert "2 of 3 fields" in result.stdout
    assert np.asarray(Image.open(picture)).std() > 0
