"""`drepano models`: cards as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from drepano import load_model
from drepano.cli.main import app
from drepano.errors import DrepanoError
from drepano.models import create, read_card, save_model, shipped_models

runner = CliRunner()


@pytest.fixture
def weights(tmp_path: Path, make_card) -> Path:
    architecture = {"name": "unet", "num_classes": 2, "width": 2}
    path = tmp_path / "small.safetensors"
    save_model(path, create(**architecture), make_card(architecture))
    return path


def test_list_names_the_shipped_networks() -> None:
    result = runner.invoke(app, ["models", "list"])
    assert result.exit_code == 0
    for name in shipped_models():
        assert f"{name}: " in result.stdout


def test_show_prints_the_card_as_json(weights: Path) -> None:
    result = runner.invoke(app, ["models", "show", str(weights)])
    assert json.loads(result.stdout)["classes"] == ["background", "cell"]


def test_publish_adds_figures_and_keeps_the_weights(weights: Path, tmp_path: Path) -> None:
    metrics, target = tmp_path / "metrics.json", tmp_path / "published.safetensors"
    metrics.write_text(json.dumps([{"name": "Dice", "value": 0.9, "conditions": "ten fields"}]))
    arguments = ["models", "publish", str(weights), "--out", str(target), "--name", "new"]
    result = runner.invoke(app, [*arguments, "--metrics", str(metrics), "--notes", "for thick smears"])
    assert result.exit_code == 0, result.output
    card = read_card(target)
    assert (card.name, card.metrics[0].value, card.notes) == ("new", 0.9, "for thick smears")


def test_publish_puts_figures_in_place_of_those_there_and_keeps_the_notes(weights, tmp_path) -> None:
    metrics, source = tmp_path / "metrics.json", weights
    for number in (1, 2):
        metrics.write_text(json.dumps([{"name": "Dice", "value": number / 10, "conditions": "ten fields"}]))
        target = tmp_path / f"{number}.safetensors"
        arguments = ["models", "publish", str(source), "--out", str(target), "--name", f"version {number}"]
        notes = ["--notes", "for thick smears"] if number == 1 else []
        assert runner.invoke(app, [*arguments, "--metrics", str(metrics), *notes]).exit_code == 0
        source = target
    card = read_card(target)
    assert ([metric.value for metric in card.metrics], card.notes) == ([0.2], "for thick smears")


def test_publish_can_set_how_narrow_a_neck_parts_cells(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("[]")
    target = tmp_path / "published.safetensors"
    arguments = ["models", "publish", str(weights), "--out", str(target), "--name", "new"]
    arguments += ["--metrics", str(tmp_path / "metrics.json")]
    for given, neck in (([], 0.85), (["--neck", "0.7"], 0.7)):
        assert runner.invoke(app, [*arguments, *given]).exit_code == 0
        assert read_card(target).neck == neck
    assert load_model(target).segment(np.zeros((64, 64), np.uint8)).neck == 0.7


def test_publish_adds_confusion_matrices_of_the_right_size(weights: Path, tmp_path: Path) -> None:
    metrics, confusion, target = (
        tmp_path / name for name in ("metrics.json", "confusion.json", "new.safetensors")
    )
    metrics.write_text("[]")
    arguments = ["models", "publish", str(weights), "--out", str(target), "--name", "new"]
    arguments += ["--metrics", str(metrics), "--confusion", str(confusion)]
    confusion.write_text("[[[12]], [[0]]]")
    assert runner.invoke(app, arguments).exit_code == 0
    assert read_card(target).cell_confusion == [[[12]], [[0]]]
    for wrong in ("[[[1, 2], [3, 4]]]", "[[[0]]]", "[[[-1]]]", "[[1]]", "[]", "{}", "[[1"):
        confusion.write_text(wrong)
        result = runner.invoke(app, arguments)
        assert isinstance(result.exception, DrepanoError)
        assert str(confusion) in str(result.exception)


def test_shipped_networks_are_small_and_say_what_they_were_trained_on() -> None:
    from drepano.models import find_weights

    assert set(shipped_models()) == {"rbc", "scd"}
    for name in shipped_models():
        path = find_weights(name)
        card = read_card(path)
        assert path.stat().st_size < 1.5e6
        assert card.name == name
        assert card.data and all(use.licence and use.origin for use in card.data)
        assert card.metrics and all(metric.conditions for metric in card.metrics)
        assert card.appearance


@pytest.mark.parametrize(("file_format", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_export_says_what_it_wrote_and_how_it_differs(
    weights: Path, tmp_path: Path, file_format: str, suffix: str
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    pytest.importorskip("openvino", reason="the extra export is not installed")
    target = tmp_path / f"exported{suffix}"
    result = runner.invoke(
        app, ["models", "export", str(weights), "--format", file_format, "--out", str(target)]
    )
    assert result.exit_code == 0, result.output
    assert target.is_file()
    words = " ".join(result.stdout.split())
    assert "on field.jpg: logits up to" in words
    assert "of pixels have the same class" in words


def test_export_of_an_unknown_format_is_one_line(weights: Path, tmp_path: Path) -> None:
    target = tmp_path / "exported.bin"
    result = runner.invoke(app, ["models", "export", str(weights), "--format", "caffe", "--out", str(target)])
    assert isinstance(result.exception, DrepanoError)
    assert "choose one of onnx, openvino" in str(result.exception)
    assert not target.exists()
