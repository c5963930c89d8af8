"""``drepano predict`` as a user meets it: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from drepano.cells import cell_columns
from drepano.cli.main import main
from drepano.models import ModelCard, create, save_model, shipped_models
from drepano.taxonomy import BINARY

OF_ALL_FIELDS = [
    "cells.csv",
    "differences.csv",
    "failures.csv",
    "patients.csv",
    "report.html",
    "summary.csv",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A binary U-Net whose weights are set by hand: what is darker than the background is a cell."""
    network = create("unet", num_classes=2, width=1)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if tensor.dim() == 4 or "bias" in name:
                tensor.zero_()
        network.encoder1[0].weight[0, 0, 1, 1] = -1
        network.encoder1[3].weight[0, 0, 1, 1] = 1
        network.decoder1[0].weight[0, 1, 1, 1] = 1
        network.decoder1[3].weight[1, 0, 1, 1] = 20
        network.decoder1[3].bias[1] = -10
    card = ModelCard(
        name="by hand",
        architecture={"name": "unet", "num_classes": 2, "width": 1},
        taxonomy="rbc",
        classes=["background", "cell"],
        cell_diameter=20.0,
        training={},
        data=[],
        version="0.1.0",
    )
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, network, card)
    return path


def save_field(path: Path, *centres: tuple[int, int]) -> Path:
    y, x = np.mgrid[:80, :120]
    image = np.full((80, 120), 180, np.uint8)
    for row, column in centres:
        image[(y - row) ** 2 + (x - column) ** 2 <= 100] = 60
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


@pytest.fixture
def fields(tmp_path) -> Path:
    save_field(tmp_path / "fields" / "a.png", (20, 30), (50, 80))
    save_field(tmp_path / "fields" / "b.png", (40, 40))
    return tmp_path / "fields"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the program in this process; gives its exit code, what it printed, and its messages."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["drepano", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return (code, *capsys.readouterr())

    return run


def results(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if path.is_file())


def assert_refused(answer, *fragments):
    """One line of error on the error stream, exit code 1."""
    code, output, messages = answer
    assert code == 1
    assert output == ""
    (line,) = messages.strip().splitlines()
    assert line.startswith("error: ")
    for fragment in fragments:
        assert str(fragment) in line


class TestSuccess:
    def test_every_field_is_told_and_the_report_named(self, run, fields, model, out):
        code, output, messages = run("predict", fields, "--out", out, "--model", model, "--device", "cpu")
        assert code == 0
        assert messages == ""
        first, second, last = output.splitlines()
        assert first.startswith(f"{fields / 'a.png'}: cells: 2, ")
        assert second.startswith(f"{fields / 'b.png'}: cells: 1, ")
        assert last == f"2 fields done, 0 failed; report: {out / 'report.html'}"

    def test_a_folder_may_be_called_anything(self, run, fields, model, tmp_path):
        folder = tmp_path / "results[old] [" / "]"
        code, output, _ = run("predict", fields, "--out", folder, "--model", model)
        assert code == 0
        assert str(folder / "report.html") in output

    def test_it_leaves_what_it_promises(self, run, fields, model, out):
        run("predict", fields, "--out", out, "--model", model)
        maps = ["a.classes.png", "a.overlay.png", "b.classes.png", "b.overlay.png"]
        assert results(out) == [*maps, *OF_ALL_FIELDS]
        cells = pd.read_csv(out / "cells.csv")
        assert list(cells.columns) == ["field", "patient", *(column.name for column in cell_columns(BINARY))]
        assert cells["field"].tolist() == ["a", "a", "b"]
        assert set(cells["class"]) == {"cell"}

    def test_files_and_folders_may_be_mixed(self, run, fields, model, out, tmp_path):
        single = save_field(tmp_path / "c.png", (40, 40))
        code, output, _ = run("predict", single, fields, "--out", out, "--model", model)
        assert code == 0
        assert [line.partition(":")[0] for line in output.splitlines()[:3]] == [
            str(single),
            str(fields / "a.png"),
            str(fields / "b.png"),
        ]

    def test_a_second_run_does_nothing_again_unless_told_to(self, run, fields, model, out):
        command = ("predict", fields, "--out", out, "--model", model)
        run(*command)
        written = (out / "a.classes.png").stat().st_mtime_ns
        assert "a.png: cells: 2, done before" in run(*command)[1]
        assert (out / "a.classes.png").stat().st_mtime_ns == written
        assert "done before" not in run(*command, "--overwrite")[1]
        assert (out / "a.classes.png").stat().st_mtime_ns > written

    def test_the_cell_diameter_is_a_setting_of_its_own(self, run, fields, model, out):
        command = ("predict", fields, "--out", out, "--model", model)
        run(*command)
        code, output, _ = run(*command, "--cell-diameter", 25)
        assert code == 0
        assert "done before" not in output
        assert "25 px" in (out / "report.html").read_text()

    def test_warnings_are_told_with_the_field(self, run, model, out, tmp_path):
        path = save_field(tmp_path / "empty [1].png")
        code, output, messages = run("predict", path, "--out", out, "--model", model)
        assert code == 0
        assert messages == f"warning: {path}: no cells found\n"
        assert "empty [1].png: cells: 0" in output

    def test_the_shipped_network_is_the_default(self, run, fields, out):
        if "scd" not in shipped_models():
            pytest.skip("scd is not shipped yet")
        code, _, _ = run("predict", fields, "--out", out, "--cell-diameter", 20)
        assert code == 0
        assert "El+Sk fraction" in pd.read_csv(out / "summary.csv").columns


class TestBrokenFields:
    @pytest.fixture
    def broken(self, fields) -> Path:
        path = fields / "aa [old].png"
        path.write_bytes((fields / "a.png").read_bytes()[:60])
        return path

    def test_the_others_are_done_and_the_exit_code_is_1(self, run, fields, broken, model, out):
        code, output, messages = run("predict", fields, "--out", out, "--model", model)
        assert code == 1
        assert messages.startswith(f"failed: {broken}: ")
        assert len(messages.splitlines()) == 1
        assert "2 fields done, 1 failed" in output
        assert pd.read_csv(out / "summary.csv")["field"].tolist() == ["a", "b"]
        assert broken.name in (out / "report.html").read_text()
        assert not [name for name in results(out) if "old" in name or name.startswith(".")]

    def test_where_all_are_broken_the_report_still_says_why(self, run, broken, model, out):
        code, output, _ = run("predict", broken, "--out", out, "--model", model)
        assert code == 1
        assert "0 fields done, 1 failed" in output
        assert results(out) == OF_ALL_FIELDS


class TestRefusals:
    def test_a_folder_without_images(self, run, model, tmp_path, out):
        (tmp_path / "none").mkdir()
        assert_refused(
            run("predict", tmp_path / "none", "--out", out, "--model", model), "no image", tmp_path / "none"
        )
        assert not out.exists()

    def test_a_file_that_is_not_there(self, run, model, tmp_path, out):
        missing = tmp_path / "missing.png"
        assert_refused(run("predict", missing, "--out", out, "--model", model), missing, "does not exist")

    def test_an_output_folder_that_is_a_file(self, run, fields, model, tmp_path):
        target = tmp_path / "out"
        target.write_text("mine")
        assert_refused(run("predict", fields, "--out", target, "--model", model), target)
        assert target.read_text() == "mine"

    def test_a_sheet_that_a_result_would_be_written_over(self, run, fields, model, out):
        """After an earlier run, when the program's own sheet of that name stood there."""
        assert run("predict", fields, "--out", out, "--model", model)[0] == 0
        sheet = out / "patients.csv"
        sheet.write_text("file,patient\na.png,P\nb.png,P\n")
        answer = run("predict", fields, "--out", out, "--model", model, "--samples", sheet)
        assert_refused(answer, sheet, "would be written over it")
        assert sheet.read_text().startswith("file,patient\na.png")

    def test_an_unknown_model(self, run, fields, out):
        assert_refused(
            run("predict", fields, "--out", out, "--model", "sdc"), "model 'sdc'", "check the name"
        )

    def test_a_model_that_is_none(self, run, fields, out, tmp_path):
        pickled = tmp_path / "model.pt"
        torch.save({"weight": torch.zeros(2)}, pickled)
        assert_refused(
            run("predict", fields, "--out", out, "--model", pickled), pickled, "not a safetensors file"
        )

    def test_an_unknown_device(self, run, fields, model, out):
        assert_refused(
            run("predict", fields, "--out", out, "--model", model, "--device", "gpu"), "auto, cpu, cuda"
        )

    @pytest.mark.parametrize("diameter", ["0", "-3", "nan"])
    def test_a_cell_diameter_that_is_no_length(self, run, fields, model, out, diameter):
        answer = run("predict", fields, "--out", out, "--model", model, "--cell-diameter", diameter)
        assert_refused(answer, "give a number of pixels from 1 to 5000")

    @pytest.mark.parametrize(
        "arguments", [(), ("--out", "x"), ("a.png",), ("a.png", "--out", "x", "--cell-diameter", "wide")]
    )
    def test_a_command_that_cannot_be_understood_ends_with_2(self, run, arguments):
        assert run("predict", *arguments)[0] == 2


class TestInterruption:
    def test_it_says_how_to_go_on_and_a_rerun_does(self, run, fields, model, out, monkeypatch):
        command = ("predict", fields, "--out", out, "--model", model)

        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("drepano.prediction.tables.write_report", interrupt)
            code, output, messages = run(*command)
        assert code == 130
        assert "interrupted; run the same command again to go on" in messages
        assert "report" not in output

        code, output, _ = run(*command)
        assert code == 0
        assert output.count("done before") == 2
        assert (out / "report.html").is_file()


class TestProgram:
    """The installed program, in a process of its own."""

    @staticmethod
    def drepano(*arguments):
        code = "from drepano.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    def test_a_broken_field_among_good_ones_ends_with_1(self, fields, model, out):
        (fields / "broken.tif").write_bytes(b"II*\0")
        result = self.drepano("predict", fields, "--out", out, "--model", model, "--device", "cpu")
        assert result.returncode == 1
        assert "2 fields done, 1 failed" in result.stdout
        assert "Traceback" not in result.stderr
        assert (out / "a.classes.png").is_file()

    def test_what_the_user_got_wrong_is_one_line_without_a_traceback(self, fields, out):
        result = self.drepano("predict", fields, "--out", out, "--model", "sdc")
        assert result.returncode == 1
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
