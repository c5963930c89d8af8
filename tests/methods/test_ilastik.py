"""The adapter to ilastik, with a script in its place that has ilastik's command line."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import write_simulated_dataset
from drepano.errors import DrepanoError
from drepano.methods import Budget, create_method
from drepano.methods.ilastik import EXECUTABLES, Ilastik, TrainedIlastik
from drepano.taxonomy import BINARY

# Gives every pixel its grey level / 255 as the probability of the last label.
SCRIPT = """#!{python}
import argparse, sys
import numpy as np
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("--headless", action="store_true", required=True)
parser.add_argument("--project", required=True)
parser.add_argument("--export_source", choices=["Probabilities", "Simple Segmentation"])
parser.add_argument("--output_format", choices=["hdf5", "numpy", "multipage tiff"])
parser.add_argument("--output_filename_format")
parser.add_argument("--output_axis_order")
parser.add_argument("--export_dtype", choices=["uint8", "float32"])
parser.add_argument("--pipeline_result_drange")
parser.add_argument("--export_drange")
parser.add_argument("--raw_data", nargs="+")
given = parser.parse_args()
assert (given.export_source, given.output_format) == ("Probabilities", "numpy")
assert given.output_axis_order == "cyx"
assert given.pipeline_result_drange == given.export_drange == "(0.0,1.0)" and given.export_dtype == "float32"
(image,) = map(Image.open, given.raw_data)
print("INFO ilastik.app: starting", file=sys.stderr)
grey = np.asarray(image.convert("L"), np.float32) / 255
probabilities = np.stack([1 - grey, grey])
path = given.output_filename_format
{body}
"""
WELL = "np.save(path, probabilities)"


@pytest.fixture
def project(tmp_path) -> Path:
    path = tmp_path / "smears.ilp"
    path.write_bytes(b"\x89HDF")
    return path


@pytest.fixture
def program(tmp_path):
    """Make a program that does `body` where ilastik would export."""

    def make(body: str = WELL) -> str:
        path = tmp_path / "run_ilastik.sh"
        path.write_text(SCRIPT.format(python=sys.executable, body=body))
        path.chmod(0o755)
        return str(path)

    return make


def fit(project, executable, training, tmp_path, taxonomy=BINARY) -> TrainedIlastik:
    return Ilastik(project, executable).fit(training, taxonomy, tmp_path, 0, lambda *_: None)


def grey_image(height=12, width=20) -> np.ndarray:
    grey = np.random.default_rng(0).integers(0, 256, (height, width, 1)).astype(np.uint8)
    return np.repeat(grey, 3, axis=2)


class TestSegment:
    def test_what_ilastik_exports_is_the_result(self, program, project, toy, tmp_path):
        image = grey_image()
        result = fit(project, program(), toy, tmp_path).segment(image)
        np.testing.assert_allclose(result.probabilities[1], image[..., 0] / 255, atol=1e-6)
        np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-6)
        np.testing.assert_array_equal(result.classes, image[..., 0] > 127)
        assert result.probabilities.dtype == np.float32
        assert (result.taxonomy, result.cell_diameter) == (BINARY, toy.cell_diameter)

    @pytest.mark.parametrize(("grey", "mode"), [(True, "L"), (False, "RGB")])
    def test_grey_images_are_handed_over_with_one_channel(self, program, project, toy, tmp_path, grey, mode):
        image = grey_image()
        if not grey:
            image[0, 0, 0] ^= 255
        body = f"assert image.mode == {mode!r}, image.mode\n{WELL}"
        fit(project, program(body), toy, tmp_path).segment(image)

    def test_the_project_is_found_from_any_folder(self, program, project, toy, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        body = f"import os\nos.chdir('/')\nopen(given.project).close()\n{WELL}"
        fit(Path("smears.ilp"), program(body), toy, tmp_path).segment(grey_image())

    def test_nothing_is_left_behind(self, program, project, toy, tmp_path, monkeypatch):
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(scratch))
        fit(project, program(), toy, tmp_path).segment(grey_image())
        assert not list(scratch.iterdir())


class TestRefusals:
    """One line that says what to do."""

    def assert_refused(self, trained: TrainedIlastik, *fragments: str) -> None:
        with pytest.raises(DrepanoError) as error:
            trained.segment(grey_image())
        assert "\n" not in str(error.value)
        for fragment in fragments:
            assert fragment in str(error.value)

    def test_ilastik_that_is_not_installed(self, project, toy, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
        with pytest.raises(
            DrepanoError, match=r"ilastik is not installed: no run_ilastik\.sh or ilastik can be run"
        ):
            fit(project, None, toy, tmp_path)

    def test_it_is_found_on_the_search_path(self, program, project, toy, tmp_path, monkeypatch):
        executable = program()
        monkeypatch.setenv("PATH", str(tmp_path))
        assert fit(project, None, toy, tmp_path).executable == executable

    def test_an_executable_that_is_not_there(self, project, toy, tmp_path):
        with pytest.raises(DrepanoError, match="no /opt/nowhere/ilastik can be run"):
            fit(project, "/opt/nowhere/ilastik", toy, tmp_path)

    def test_a_project_that_is_not_there(self, program, toy, tmp_path):
        with pytest.raises(DrepanoError, match=r"missing.ilp: no such ilastik project"):
            fit(tmp_path / "missing.ilp", program(), toy, tmp_path)

    def test_what_is_not_there_is_said_before_anything_is_trained(self, project, tmp_path, monkeypatch):
        with pytest.raises(DrepanoError, match=r"missing.ilp: no such ilastik project"):
            create_method("ilastik", Budget(), tmp_path / "missing.ilp")
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
        with pytest.raises(DrepanoError, match="ilastik is not installed"):
            create_method("ilastik", Budget(), project)

    def test_an_executable_that_is_no_program(self, project, toy, tmp_path):
        file = tmp_path / "ilastik"
        file.write_bytes(b"\x00\x01")
        file.chmod(0o755)
        self.assert_refused(fit(project, str(file), toy, tmp_path), "cannot be run")

    def test_a_failure_with_its_last_line(self, program, project, toy, tmp_path):
        trained = fit(project, program("raise RuntimeError('wrong\\nnumber of channels')"), toy, tmp_path)
        self.assert_refused(trained, str(project), "made no probabilities (number of channels)")

    def test_no_export_though_it_says_it_went_well(self, program, project, toy, tmp_path):
        self.assert_refused(fit(project, program("pass"), toy, tmp_path), "(INFO ilastik.app: starting)")

    def test_another_number_of_labels(self, program, project, toy, tmp_path):
        trained = fit(project, program(), toy, tmp_path, toy.taxonomy)
        self.assert_refused(trained, "has 2 labels, but there are 3 classes (background, dark, bright)")

    def test_another_shape(self, program, project, toy, tmp_path):
        trained = fit(project, program("np.save(path, probabilities[:, ::2])"), toy, tmp_path)
        self.assert_refused(trained, "shape (2, 6, 20), expected (2, 12, 20)")

    @pytest.mark.parametrize(
        "wrong", ["probabilities * 255", "probabilities - 0.5", "probabilities * np.nan"]
    )
    def test_numbers_that_are_no_probabilities(self, program, project, toy, tmp_path, wrong):
        trained = fit(project, program(f"np.save(path, {wrong})"), toy, tmp_path)
        self.assert_refused(trained, "does not add up to 1")

    def test_an_export_cut_short(self, program, project, toy, tmp_path):
        trained = fit(project, program("open(path, 'w').close()"), toy, tmp_path)
        self.assert_refused(trained, "no array of numbers")

    def test_a_pickle_is_refused_and_never_executed(self, program, project, toy, tmp_path):
        trace = tmp_path / "executed"

        class Payload:
            def __reduce__(self):
                return Path.touch, (trace,)

        pickled = pickle.dumps(np.array([Payload()], dtype=object))
        trained = fit(project, program(f"open(path, 'wb').write({pickled!r})"), toy, tmp_path)
        self.assert_refused(trained, "no array of numbers")
        assert not trace.exists()


def test_in_a_comparison_a_project_counts_by_what_it_holds_and_a_caution_stands_by(
    program, project, tmp_path, monkeypatch
):
    program()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    write_simulated_dataset(tmp_path / "data", fields=4, size=64, cells=3, seed=0)

    def compare(ilp):
        arguments = ["compare", tmp_path / "data", "--out", tmp_path / "out", "--methods", "ilastik"]
        arguments += ["--binary", "--folds", "2", "--ilastik-project", ilp]
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    assert compare(project).exit_code == 0
    assert "labelled on may be test fields" in (tmp_path / "out" / "tables.md").read_text()
    moved = project.rename(tmp_path / "elsewhere.ilp")
    again = compare(moved)
    assert again.exit_code == 0
    assert "2 jobs, 2 done already" in again.output
    moved.write_bytes(b"labelled further")
    refused = compare(moved)
    assert "was made with other settings of ilastik" in str(refused.exception)


def test_a_real_ilastik(tmp_path, toy):
    """DREPANO_ILASTIK_PROJECT names a project with two labels, trained on grey images."""
    project = os.environ.get("DREPANO_ILASTIK_PROJECT")
    if project is None or not any(map(shutil.which, EXECUTABLES)):
        pytest.skip("no ilastik on the search path, or no project in DREPANO_ILASTIK_PROJECT")
    result = fit(Path(project), None, toy, tmp_path).segment(grey_image(100, 120))
    assert result.probabilities.shape == (2, 100, 120)
