"""``drepano evaluate``: a shipped network on simulated fields."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import write_simulated_dataset
from drepano.errors import DrepanoError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "data"
    write_simulated_dataset(folder, fields=2, size=128, cells=4, seed=0)
    return folder


def evaluate(data, out, *more):
    result = CliRunner().invoke(app, ["evaluate", "rbc", str(data), "--out", str(out), *map(str, more)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_figures_are_written_as_json_and_a_row_a_field_as_csv(data, tmp_path):
    result = evaluate(data, tmp_path / "figures.json")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    table = pd.read_csv(tmp_path / "figures.csv")
    assert figures["model"] == "rbc"
    assert len(table) == 2
    assert table["true_cells"].tolist() == [4, 4]
    assert json.loads(result.stdout) == figures
    assert "note" not in result.stderr


def test_only_some_patients(data, tmp_path):
    patient = pd.read_csv(all_fields(data, tmp_path))["patient"][1]
    assert evaluate(data, tmp_path / "one.json", "--patients", f" {patient}").exit_code == 0
    assert pd.read_csv(tmp_path / "one.csv")["patient"].tolist() == [patient]
    with pytest.raises(DrepanoError, match="'P9' is not in data set simulated"):
        evaluate(data, tmp_path / "none.json", "--patients", "P9")


def all_fields(data, folder):
    assert evaluate(data, folder / "all.json").exit_code == 0
    return folder / "all.csv"


def test_without_instance_maps_it_is_said_what_true_cells_are(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/instances")
    config = tmp_path / "data/dataset.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("instances")]
    config.write_text("\n".join(lines))
    result = evaluate(tmp_path / "data", tmp_path / "figures.json")
    assert "2 of 2 fields have no instance maps" in result.stderr


def test_fields_that_the_network_may_have_learned_from_are_told(data, tmp_path):
    weights = train(data, tmp_path / "run")
    other = tmp_path / "other"
    write_simulated_dataset(other, fields=2, size=128, cells=4, seed=1)
    for measured, told in ((data, True), (other, False)):
        command = ["evaluate", weights, measured, "--out", tmp_path / "figures.json"]
        result = CliRunner().invoke(app, [str(part) for part in command])
        assert result.exit_code == 0, result.output
        caution = "was trained on a data set called simulated, patients"
        assert (caution in " ".join(result.stderr.split())) == told
    fingerprints = [
        json.loads((tmp_path / name).read_text())["model fingerprint"]
        for name in ("figures.json", all_fields(data, tmp_path).with_suffix(".json").name)
    ]
    assert fingerprints[0] != fingerprints[1]


def test_single_cells_of_which_the_fields_of_training_were_composed_are_told(crops, tmp_path):
    options = ["--fields", "2", "--size", "80", "--cells", "2-4", "--patients", "P1"]
    command = ["data", "compose", crops, "--out", tmp_path / "composed", *options]
    assert CliRunner().invoke(app, [str(part) for part in command]).exit_code == 0
    weights = train(tmp_path / "composed", tmp_path / "run")
    for patient, told in (("P1", True), ("P2", False)):
        command = ["evaluate", weights, crops, "--out", tmp_path / "figures.json", "--patients", patient]
        result = CliRunner().invoke(app, [str(part) for part in command])
        assert result.exit_code == 0, result.output
        assert ("trained on a data set called composed from xu2017, patients P1" in result.stderr) == told


def train(data, run):
    command = ["train", data, "--out", run, "--network", "unet", "--steps", 2, "--crop-size", 32]
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    return run / "model.safetensors"


def test_a_table_of_somebody_else_is_not_written_over(data, tmp_path):
    (tmp_path / "samples.csv").write_text("file,patient\n")
    with pytest.raises(DrepanoError, match=r"samples\.csv: would be written over"):
        evaluate(data, tmp_path / "samples.json")
    assert (tmp_path / "samples.csv").read_text() == "file,patient\n"


@pytest.mark.parametrize("content", ['{"mine": 1}', "[]", "1", "mine"])
def test_nor_is_json_of_somebody_else_but_its_own_is(data, tmp_path, content):
    (tmp_path / "notes.json").write_text(content)
    with pytest.raises(DrepanoError, match=r"notes\.json: would be written over"):
        evaluate(data, tmp_path / "notes.json")
    assert (tmp_path / "notes.json").read_text() == content
    (tmp_path / "notes.json").unlink()
    for _ in range(2):
        assert evaluate(data, tmp_path / "notes.json").exit_code == 0


def test_a_bad_field_is_told_before_anything_is_segmented(data, tmp_path, monkeypatch):
    shutil.copytree(data, tmp_path / "data")
    last = max((tmp_path / "data/labels").iterdir())
    last.write_bytes(b"")
    monkeypatch.setattr("drepano.experiments.evaluate_fields", lambda *_: pytest.fail("segmented"))
    with pytest.raises(DrepanoError, match=last.name):
        evaluate(tmp_path / "data", tmp_path / "figures.json")


def test_fields_without_cells_and_specks_are_told(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    for kind in ("labels", "instances"):
        empty, other = sorted((tmp_path / "data" / kind).iterdir())
        changed = Image.open(empty)
        changed.paste(0, (0, 0, *changed.size))
        changed.save(empty)
        changed = Image.open(other)
        changed.putpixel((64, 64), 1 if kind == "labels" else 9)
        changed.paste(0, (50, 50, 64, 64))
        changed.save(other)
    stderr = " ".join(evaluate(tmp_path / "data", tmp_path / "figures.json").stderr.split())
    assert "1 of 2 fields have no labelled cell" in stderr
    assert "true cells are smaller than 20 px" in stderr


def test_maps_that_contradict_each_other_are_told(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    for path in sorted((tmp_path / "data" / "instances").iterdir()):
        ImageOps.mirror(Image.open(path)).save(path)
    stderr = " ".join(evaluate(tmp_path / "data", tmp_path / "figures.json").stderr.split())
    assert "2 of 2 fields have maps that cannot be right" in stderr


def test_figures_that_are_no_json_are_refused(data, tmp_path):
    with pytest.raises(DrepanoError, match="written as JSON"):
        evaluate(data, tmp_path / "figures.txt")
