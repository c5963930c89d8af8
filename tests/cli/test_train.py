"""``drepano train``: options become settings, the run ends in a weights file, mistakes are one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys

import pytest
import torch
from typer.testing import CliRunner

from drepano.cli.main import app, main
from drepano.datasets import simulate_field, write_dataset_config, write_field
from drepano.errors import DrepanoError
from drepano.models import read_card
from drepano.taxonomy import SCD
from drepano.training import make_config

QUICK = ["--width", "2", "--steps", "2", "--batch-size", "2", "--crop-size", "32", "--validate-every", "1"]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    for seed in range(5):
        field = simulate_field(seed, (48, 48), cells=2, cell_diameter=16)
        write_field(folder, field, SCD)
    write_dataset_config(folder, "simulated", SCD, "MIT", "simulated", 16.0, "^(simulated-[0-9])-")
    return folder


def train(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments), "--device", "cpu"])


def message_of(*arguments, monkeypatch, capsys):
    """What the program itself prints for a mistake, and its exit code."""
    monkeypatch.setattr(sys, "argv", ["drepano", "train", *map(str, arguments), "--device", "cpu"])
    with pytest.raises(SystemExit) as end:
        main()
    return capsys.readouterr().err.strip(), end.value.code


def test_a_run_ends_in_a_weights_file_and_says_where(data, tmp_path):
    run = tmp_path / "run"
    result = train(data, "--out", run, *QUICK, "--name", "mine", "--scope", "1.5", "--seed", "5")
    assert result.exit_code == 0, result.output
    assert f"wrote {run / 'model.safetensors'}" in result.stdout
    card = read_card(run / "model.safetensors")
    assert card.name == "mine"
    assert card.architecture == {"name": "dunet", "num_classes": 5, "width": 2, "scope": 1.5}
    assert (card.training["steps"], card.training["seed"], card.training["preset"]) == (2, 5, "default")


def test_every_option_reaches_the_configuration(data, tmp_path):
    options = [*QUICK, "--preset", "paper", "--network", "unet", "--learning-rate", "0.002"]
    options += ["--loss", "ce+dice", "--cell-diameter", "12", "--validation-share", "0.4", "--binary"]
    assert train(data, "--out", tmp_path, *options).exit_code == 0
    record = json.loads((tmp_path / "config.json").read_text())
    expected = make_config(
        "paper",
        network="unet",
        network_options={"width": 2},
        steps=2,
        batch_size=2,
        crop_size=32,
        validate_every=1,
        learning_rate=0.002,
        loss="ce+dice",
        cell_diameter=12.0,
        validation_share=0.4,
    ).model_dump()
    assert {key: record[key] for key in expected} == expected
    assert record["binary"] is True


def test_training_on_some_patients_leaves_the_others_out(data, tmp_path):
    patients = ["--patients", "simulated-1, simulated-3"]
    assert train(data, "--out", tmp_path, *QUICK, "--network", "unet", *patients).exit_code == 0
    assert read_card(tmp_path / "model.safetensors").data[0].patients == ["simulated-1", "simulated-3"]
    splits = json.loads((tmp_path / "splits.json").read_text())["simulated"]
    used = {*splits["training"], *splits["validation"]}
    assert used == {"simulated-1-000001", "simulated-3-000003"}


def without_patients(data, folder):
    shutil.copytree(data, folder)
    config = folder / "dataset.toml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("patient")))
    return folder


def test_patients_of_data_that_knows_none_are_not_passed_over(data, tmp_path, monkeypatch, capsys):
    unknown = without_patients(data, tmp_path / "unknown")
    message, code = message_of(
        unknown, "--out", tmp_path / "run", "--patients", "P1", monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 1 and "--patients: no data set knows its patients" in message
    options = ["--out", tmp_path / "run", *QUICK, "--network", "unet", "--patients", "simulated-1"]
    result = train(data, unknown, *options)
    assert result.exit_code == 0
    assert "does not know its patients, and is trained on whole" in result.output


@pytest.mark.parametrize(("share", "held_out"), [("0", 0), ("0.4", 2)])
def test_how_many_fields_only_watch_is_told(data, tmp_path, share, held_out):
    options = [*QUICK, "--network", "unet", "--validation-share", share]
    assert train(data, "--out", tmp_path, *options).exit_code == 0
    split = json.loads((tmp_path / "splits.json").read_text())["simulated"]
    assert (len(split["training"]), len(split["validation"])) == (5 - held_out, held_out)


def test_a_run_is_resumed_and_a_du_net_begins_from_a_u_net(data, tmp_path):
    unet = tmp_path / "unet"
    assert train(data, "--out", unet, *QUICK, "--network", "unet").exit_code == 0
    again = train(data, "--out", unet, *QUICK, "--network", "unet")
    assert isinstance(again.exception, DrepanoError) and "--resume" in str(again.exception)
    assert train(data, "--out", unet, *QUICK, "--network", "unet", "--resume").exit_code == 0
    start = ["--start-from", unet / "model.safetensors"]
    assert train(data, "--out", tmp_path / "dunet", *QUICK, *start).exit_code == 0


def test_an_interrupted_run_says_how_to_go_on(data, tmp_path, monkeypatch, capsys, interruptible):
    from drepano.training.module import SegmentationModule

    step = SegmentationModule.training_step

    def interrupted(self, batch, index):
        if self.global_step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, index)

    monkeypatch.setattr(SegmentationModule, "training_step", interrupted)
    options = ["--out", tmp_path, *QUICK, "--network", "unet"]
    message, code = message_of(data, *options, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 130 and "--resume" in message.splitlines()[-1]
    monkeypatch.setattr(SegmentationModule, "training_step", step)
    assert train(data, *options, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--preset", "best"], "preset 'best' is unknown; use one of paper, default"),
        (["--loss", "dice"], "loss='dice'"),
        (["--steps", "0"], "steps=0"),
        (["--network", "vnet"], "network 'vnet' is unknown"),
        (["--network", "unet", "--scope", "2"], "network 'unet'"),
        (["--patients", "P9"], "'P9' is not in data set simulated"),
        (["--patients", ","], "--patients ',': names no patient"),
        (["--start-from", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--resume"], "there is no checkpoint to resume from"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_exit_code_1(data, tmp_path, options, told, monkeypatch, capsys):
    message, code = message_of(
        data, "--out", tmp_path / "run", *options, monkeypatch=monkeypatch, capsys=capsys
    )
    last = message.splitlines()[-1]
    assert code == 1 and last.startswith("error: ") and told in last
    assert "Traceback" not in message


def test_a_folder_that_is_no_data_set_is_one_line(tmp_path, monkeypatch, capsys):
    message, code = message_of(tmp_path, "--out", tmp_path / "run", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1 and len(message.splitlines()) == 1 and "dataset.toml" in message


def test_the_run_folder_must_be_named(data):
    result = train(data)
    assert result.exit_code == 2 and "--out" in result.output
