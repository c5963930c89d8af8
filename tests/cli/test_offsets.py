"""`drepano offsets`: figures and JSON of one pixel, and one line for what cannot be drawn."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.errors import DrepanoError
from drepano.models import create, save_model

runner = CliRunner()
FILES = {"offsets.json", "magnitudes.npz", "tables.md", "report.html"}
FILES |= {"sampling.png", "layers.png", "magnitude.png"}


def save(path: Path, name: str, make_card) -> Path:
    torch.manual_seed(0)
    architecture = {"name": name, "num_classes": 2, "width": 2}
    network = create(**architecture)
    for module in network.modules():
        if hasattr(module, "offset"):
            torch.nn.init.normal_(module.offset.weight)
    save_model(path, network, make_card(architecture))
    return path


@pytest.fixture
def dunet(tmp_path: Path, make_card) -> Path:
    return save(tmp_path / "dunet.safetensors", "dunet", make_card)


@pytest.fixture
def field(tmp_path: Path) -> Path:
    path = tmp_path / "field.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
    return path


def run(field: Path, at: str, model: Path | str, folder: Path, *options: str):
    return runner.invoke(
        app, ["offsets", str(field), "--at", at, "--model", str(model), "--out", str(folder), *options]
    )


def test_it_writes_three_figures_and_what_they_show_of_fourteen_layers(
    field: Path, dunet: Path, tmp_path: Path
) -> None:
    result = run(field, "20,30", dunet, tmp_path / "new" / "out")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "new" / "out"
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(f"wrote {folder / name}" in result.stdout for name in FILES)
    summary = json.loads((folder / "offsets.json").read_text())
    assert (summary["model"], summary["image"], summary["pixel"]) == ("small", "field.png", [20, 30])
    assert len(summary["layers"]) == 14
    assert summary["weights_sha256"] == hashlib.sha256(dunet.read_bytes()).hexdigest()
    assert "torch" in summary["versions"]
    for layer in summary["layers"]:
        assert np.array(layer["positions"]).shape == (9, 2)
        assert layer["positions_in_image"] != layer["grid_in_image"]
        assert layer["mean_magnitude"] > 0
    assert "| B.2 | 8 | 16 to 8 |" in (folder / "tables.md").read_text()
    assert (folder / "report.html").read_text().count("data:image/png") == 3


def test_the_map_of_magnitudes_can_be_read_back(field: Path, dunet: Path, tmp_path: Path) -> None:
    run(field, "20,30", dunet, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "offsets.json").read_text())
    with np.load(tmp_path / "out" / "magnitudes.npz", allow_pickle=False) as magnitudes:
        assert list(magnitudes) == [layer["name"] for layer in summary["layers"]]
        for layer in summary["layers"]:
            of_layer = magnitudes[layer["name"]]
            assert of_layer.shape == (-(-60 // layer["stride"]), -(-80 // layer["stride"]))
            assert of_layer.mean() == pytest.approx(layer["mean_magnitude"], rel=1e-5)


def test_of_a_unet_the_regular_grid_is_drawn(field: Path, tmp_path: Path, make_card) -> None:
    result = run(field, "20, 30", save(tmp_path / "unet.safetensors", "unet", make_card), tmp_path / "out")
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "offsets.json").read_text())
    assert summary["network"] == "unet"
    assert all(layer["positions_in_image"] == layer["grid_in_image"] for layer in summary["layers"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_cells_of_another_size_have_the_image_scaled(field: Path, dunet: Path, tmp_path: Path) -> None:
    result = run(field, "20,30", dunet, tmp_path / "out", "--cell-diameter", "90")
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "offsets.json").read_text())
    assert summary["image_px_per_network_px"] == [2.0, 2.0]
    assert summary["cell_diameter"] == 90


def test_without_a_model_it_is_the_shipped_one_and_without_a_folder_one_called_offsets(
    field: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["offsets", str(field), "--at", "20,30"])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "offsets" / "offsets.json").read_text())["model"] == "scd"


@pytest.mark.parametrize("at", ["20", "20,30,1", "a,b", "1.5,3", "", "20;30"])
def test_a_pixel_is_two_whole_numbers(at: str, field: Path, dunet: Path, tmp_path: Path) -> None:
    result = run(field, at, dunet, tmp_path / "out")
    assert isinstance(result.exception, DrepanoError)
    assert f"--at {at}: give row and column of a pixel as two whole numbers" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("at", ["60,0", "0,80", "-1,0"])
def test_a_pixel_lies_inside_the_image(at: str, field: Path, dunet: Path, tmp_path: Path) -> None:
    result = run(field, at, dunet, tmp_path / "out")
    assert isinstance(result.exception, DrepanoError)
    assert f"pixel {at} (Y,X): the image has rows 0 to 59 and columns 0 to 79" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_nothing_of_something_else_is_written_over(field: Path, dunet: Path, tmp_path: Path) -> None:
    page = tmp_path / "out" / "report.html"
    page.parent.mkdir()
    page.write_text("of a comparison")
    result = run(field, "20,30", dunet, page.parent)
    assert isinstance(result.exception, DrepanoError)
    assert f"{page}: is of something else than drepano offsets" in str(result.exception)
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    assert page.read_text() == "of a comparison"
    assert run(field, "20,30", dunet, tmp_path / "own").exit_code == 0
    assert run(field, "20,31", dunet, tmp_path / "own").exit_code == 0


def test_an_unreadable_image_is_named(dunet: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    result = run(tmp_path / "broken.png", "0,0", dunet, tmp_path / "out")
    assert isinstance(result.exception, DrepanoError)
    assert "broken.png" in str(result.exception)


def test_an_unknown_model_is_named(field: Path, tmp_path: Path) -> None:
    result = run(field, "0,0", "nothing", tmp_path / "out")
    assert isinstance(result.exception, DrepanoError)
    assert "model 'nothing'" in str(result.exception)
