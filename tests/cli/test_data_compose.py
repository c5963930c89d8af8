"""``drepano data compose``: crops in, a data set of composed fields out."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import open_dataset
from drepano.errors import DrepanoError


def compose(*arguments):
    return CliRunner().invoke(app, ["data", "compose", *map(str, arguments)])


def test_every_patient_gets_as_many_fields_as_asked_for(crops, tmp_path):
    result = compose(crops, "--out", tmp_path / "c", "--fields", 3, "--size", 80, "--cells", "2-4")
    assert result.exit_code == 0, result.output
    assert f"wrote 6 composed fields to {tmp_path / 'c'}" in result.stdout
    dataset = open_dataset(tmp_path / "c")
    assert dataset.patients == ("P1", "P2") and len(dataset) == 6
    field = dataset[0]
    assert field.image.shape == (80, 80, 3) and 1 <= field.instances.max() <= 4


def test_some_patients_only(crops, tmp_path):
    assert compose(crops, "--out", tmp_path, "--fields", 1, "--size", 64, "--patients", "P2").exit_code == 0
    assert open_dataset(tmp_path).patients == ("P2",)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(crops, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = ["--fields", 1, "--size", 64, "--cells", 3, "--seed", seed, "--patients", "P1"]
        assert compose(crops, "--out", tmp_path / name, *options).exit_code == 0
    a, b, c = (open_dataset(tmp_path / name)[0].image for name in "abc")
    assert (a == b).all() and (a != c).any()


def test_a_number_of_cells_is_a_range_of_one(crops, tmp_path):
    options = ["--fields", 4, "--size", 300, "--cells", "2", "--touching", 0, "--natural"]
    assert compose(crops, "--out", tmp_path, *options, "--patients", "P1").exit_code == 0
    assert max(field.instances.max() for field in open_dataset(tmp_path)) == 2


@pytest.mark.parametrize("cells", ["many", "-3", "2-x", ""])
def test_what_is_no_range_of_cells_is_refused_with_an_example(crops, tmp_path, cells):
    result = compose(crops, "--out", tmp_path / "c", f"--cells={cells}")
    assert result.exit_code == 2 and "10-60" in result.output
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cells", "9-3"], "cells 9 to 3"),
        (["--patients", ","], "--patients ',': names no patient"),
        (["--patients", "P9"], "'P9' is not in data set xu2017; its patients are P1, P2"),
        (["--touching", "2"], "share from 0 to 1"),
    ],
    ids=str,
)
def test_a_mistake_is_told_in_one_line(crops, tmp_path, options, told):
    result = compose(crops, "--out", tmp_path / "c", *options)
    assert isinstance(result.exception, DrepanoError)
    assert told in str(result.exception) and "\n" not in str(result.exception)


def test_composed_fields_cannot_be_composed_from(crops, tmp_path):
    assert compose(crops, "--out", tmp_path / "c", "--fields", 1, "--size", 64).exit_code == 0
    result = compose(tmp_path / "c", "--out", tmp_path / "d")
    assert "no crops of single cells" in str(result.exception)


def test_crops_of_real_cells(xu2017, tmp_path):
    options = ["--fields", 1, "--size", 200, "--cells", 8, "--patients", "JH18361915"]
    assert compose(xu2017, "--out", tmp_path, *options).exit_code == 0
    field = open_dataset(tmp_path)[0]
    assert field.patient == "JH18361915" and field.instances.max() >= 3
