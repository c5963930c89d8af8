"""``drepano compare`` and ``drepano learning-curve``, whole, on simulated fields and tiny networks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image, ImageOps
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets import simulate_field, write_field, write_simulated_dataset
from drepano.errors import DrepanoError
from drepano.experiments import jobs
from drepano.experiments.plan import Job, read_plan
from drepano.methods import Budget, create_method
from drepano.reports.experiment import figures, write_comparison
from drepano.taxonomy import SCD

BUDGET = ["--steps", "2", "--batch-size", "2", "--crop-size", "32", "--validate-every", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "data"
    write_simulated_dataset(folder, fields=4, size=64, cells=3, seed=0)
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def compare(data, out, *more, methods="unet,dunet"):
    return run("compare", data, "--out", out, "--methods", methods, "--folds", 2, *BUDGET, *more)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "out"
    result = compare(data, out, "--seeds", "0,1", "--one-seed", "unet")
    assert result.exit_code == 0, result.output
    return out


def summary(out):
    return json.loads((out / "summary.json").read_text())


class TestCompare:
    def test_every_method_is_trained_on_every_fold(self, finished):
        methods = summary(finished)["methods"]
        assert {name: (m["jobs"], m["seeds"]) for name, m in methods.items()} == {
            "unet": (2, [0]),
            "dunet": (4, [0, 1]),
        }

    def test_networks_see_the_training_fields_of_their_fold_and_no_others(self, finished):
        plan = json.loads((finished / "plan.json").read_text())
        for split in plan["splits"]:
            run_folder = finished / f"jobs/dunet/{split['name']}/seed-0/training"
            (sides,) = json.loads((run_folder / "splits.json").read_text()).values()
            assert sorted(sides["training"] + sides["validation"]) == sorted(split["training"])

    def test_pages_hold_nothing_of_methods_asked_for_before(self, data, tmp_path):
        figures = [tmp_path / "out" / name for name in ("validation.png", "differences.png")]
        assert compare(data, tmp_path / "out", "--binary", methods="unet,region-growing").exit_code == 0
        assert all(figure.is_file() for figure in figures)
        assert compare(data, tmp_path / "out", "--binary", methods="region-growing").exit_code == 0
        assert not any(figure.exists() for figure in figures)

    def test_without_instance_maps_it_is_said_what_true_cells_are(self, data, tmp_path):
        shutil.copytree(data, tmp_path / "data")
        shutil.rmtree(tmp_path / "data/instances")
        config = tmp_path / "data/dataset.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("instances")]
        config.write_text("\n".join(lines))
        result = compare(tmp_path / "data", tmp_path / "out", "--binary", methods="region-growing")
        note = "4 of 4 fields have no instance maps: what touches and has one class"
        assert note in result.stderr
        assert note in (tmp_path / "out/tables.md").read_text()

    def test_blank_margins_are_told(self, data, tmp_path):
        shutil.copytree(data, tmp_path / "data")
        for path in (tmp_path / "data/images").iterdir():
            image = np.array(Image.open(path))
            image[:, :8] = 0
            Image.fromarray(image).save(path)
        result = compare(tmp_path / "data", tmp_path / "out", "--binary", methods="region-growing")
        assert "4 of 4 fields have blank margins, 8 px on the left" in " ".join(result.stderr.split())
        assert "4 of 4 fields have blank margins" in (tmp_path / "out/tables.md").read_text()

    def test_fields_without_a_cell_are_told(self, data, tmp_path):
        shutil.copytree(data, tmp_path / "data")
        blank = sorted((tmp_path / "data/labels").iterdir())[0].stem
        path = tmp_path / f"data/labels/{blank}.png"
        Image.fromarray(np.zeros_like(np.array(Image.open(path)))).save(path)
        result = compare(tmp_path / "data", tmp_path / "out", "--binary", methods="region-growing")
        told = f"1 of 4 fields have no labelled cell ({blank}), so that all cells found there are errors"
        assert told in " ".join(result.stderr.split())
        assert told in (tmp_path / "out/tables.md").read_text()

    def test_maps_that_contradict_each_other_are_told(self, data, tmp_path):
        shutil.copytree(data, tmp_path / "data")
        mirrored = sorted((tmp_path / "data/instances").iterdir())[0]
        ImageOps.mirror(Image.open(mirrored)).save(mirrored)
        result = compare(tmp_path / "data", tmp_path / "out", "--binary", methods="region-growing")
        told = f"1 of 4 fields have maps that cannot be right ({mirrored.stem})"
        assert told in " ".join(result.stderr.split())
        assert told in (tmp_path / "out/tables.md").read_text()

    def test_fields_of_one_place_on_both_sides_are_told(self, data, tmp_path):
        place = simulate_field(0, size=(320, 400), cells=30)
        for left in (0, 100):
            part = np.s_[:, left : left + 300]
            field = replace(
                place,
                id=f"simulated-0-{left}",
                image=place.image[part],
                classes=place.classes[part],
                instances=place.instances[part],
            )
            write_field(tmp_path / "data", field, SCD)
        shutil.copy(data / "dataset.toml", tmp_path / "data")
        result = compare(tmp_path / "data", tmp_path / "out", "--binary", methods="region-growing")
        assert result.exit_code == 0, result.stderr
        told = "same place in part are parted by a split (pairs: 1; simulated-0-0 and simulated-0-100 66%)"
        assert told in " ".join(result.stderr.split())
        assert told in (tmp_path / "out/tables.md").read_text()

    def test_splits_settings_and_versions_are_kept(self, finished):
        plan = json.loads((finished / "plan.json").read_text())
        tested = [id_ for split in plan["splits"] for id_ in split["test"]]
        assert len(set(tested)) == 4
        result = json.loads((finished / "jobs/dunet/fold-1/seed-1/result.json").read_text())
        assert result["job"] == {"method": "dunet", "split": "fold-1", "seed": 1}
        assert result["settings"]["config"]["network"] == "dunet"
        assert result["settings"]["config"]["normalisation"] == "contrast"
        assert "torch" in result["versions"]
        assert [row["field"] for row in result["fields"]] == sorted(plan["splits"][0]["test"])

    def test_tables_figures_and_page_are_there_and_need_nothing_else(self, finished):
        tables = (finished / "tables.md").read_text()
        for heading in ("Dice of each class", "Cell errors", "recall of Grl", "ROC", "In pairs"):
            assert heading in tables
        for name in ("roc", "confusion", "calibration", "validation", "maps", "maps-hardest"):
            assert (finished / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        page = (finished / "report.html").read_text()
        assert "<table>" in page
        assert "http" not in page.replace("http://www.w3.org", "")

    def test_maps_are_those_of_the_fields_with_median_and_lowest_dice(self, finished):
        table = pd.read_csv(finished / "fields.csv")
        of_cells = [name for name in table.columns if name.startswith("dice ") and name != "dice background"]
        dice = table[of_cells].mean(axis=1).groupby(table["field"]).mean().fillna(1)
        page = (finished / "report.html").read_text()
        typical, hardest = (
            re.search(words, page)[1]
            for words in (r"Fig\. 6\): (\S+), of median", r"lowest Dice: ([^<\">]+)")
        )
        assert [(dice < dice[id_]).sum() for id_ in (typical, hardest)] == [2, 0]

    def test_every_test_field_has_a_row_with_all_that_the_means_are_made_of(self, finished):
        table = pd.read_csv(finished / "fields.csv")
        dunet = table[table["method"] == "dunet"]
        assert (dunet.groupby(["split", "seed"]).size() == 2).all()
        assert dunet["field"].nunique() == 4
        folds = dunet.groupby(["split", "seed"])["dice Dic+Ovl"].mean().groupby("split").mean()
        assert folds.mean() == pytest.approx(
            summary(finished)["methods"]["dunet"]["overlap"]["dice"]["Dic+Ovl"]["mean"], abs=1e-4
        )

    def test_pairs_say_whether_they_can_be_told_apart(self, finished):
        pairs = {(one["first"], one["second"]) for one in summary(finished)["differences"]}
        assert pairs == {("unet", "dunet")}
        assert "### U-Net against" in (finished / "tables.md").read_text()

    def test_what_is_finished_is_not_done_again_and_methods_can_be_added(self, data, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        before = {path: path.stat().st_mtime_ns for path in out.glob("jobs/*/*/*/result.json")}
        result = compare(data, out, "--one-seed", "pspnet", methods="unet,dunet,dunet-scope-0")
        assert result.exit_code == 0, result.output
        assert "note: --one-seed pspnet: pspnet not among --methods" in result.output
        assert "6 jobs, 4 done already" in result.output
        assert all(path.stat().st_mtime_ns == time for path, time in before.items())
        assert set(summary(out)["methods"]) == {"unet", "dunet", "dunet-scope-0"}

    def test_methods_that_are_not_asked_for_are_in_no_table(self, data, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        result = compare(data, out, methods="dunet")
        assert result.exit_code == 0
        assert set(pd.read_csv(out / "fields.csv")["method"]) == {"dunet"}
        told = " ".join(result.stderr.split())
        assert "note: not asked for, and so on no page: dunet, seed 1; unet, seed 0; " in told
        methods = summary(out)["methods"]
        assert {name: method["seeds"] for name, method in methods.items()} == {"dunet": [0]}
        assert len(summary(out)["validation"]["dunet"]) == 2, "a training a fold"

    def test_the_maps_on_the_page_are_of_the_seeds_asked_for(self, data, finished, tmp_path, monkeypatch):
        out, drawn = tmp_path / "out", []
        shutil.copytree(finished, out)
        for path in (out / "jobs/dunet").glob("*/seed-1/maps/*.png"):
            Image.fromarray(np.full((64, 64), 4, np.uint8)).save(path)
        monkeypatch.setattr(figures, "draw_maps", lambda _, true, maps, *more: drawn.append(maps) or b"")
        for seed in ("0", "1"):
            assert compare(data, out, "--seeds", seed, methods="dunet").exit_code == 0
        assert [(maps["dunet"] == 4).all() for maps in drawn] == [False, False, True, True]

    def test_a_damaged_copy_of_the_fields_is_named_with_what_helps(self, data, tmp_path):
        out = tmp_path / "out"
        assert compare(data, out, "--binary", methods="region-growing").exit_code == 0
        next((out / "fields/images").iterdir()).unlink()
        result = compare(data, out, "--binary", methods="pixel-forest")
        assert result.exit_code == 1
        assert f"{out / 'fields'} is a scaled copy: delete it whole" in " ".join(result.stderr.split())

    def test_a_damaged_result_is_named(self, data, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        path = out / "jobs/unet/fold-1/seed-0/result.json"
        path.write_text(path.read_text()[:100])
        with pytest.raises(DrepanoError, match=rf"{path}: cannot be read .* delete it"):
            compare(data, out, methods="unet")

    def test_a_folder_of_other_files_is_left_alone(self, data, tmp_path):
        (tmp_path / "report.html").write_text("of predict")
        with pytest.raises(DrepanoError, match=r"holds other files \(report.html\) and no experiment"):
            compare(data, tmp_path)
        assert (tmp_path / "report.html").read_text() == "of predict"

    def test_another_budget_in_the_same_folder_is_refused(self, data, finished):
        with pytest.raises(DrepanoError, match=r"settings or data \(budget.steps was 2, now 3\)"):
            compare(data, finished, "--steps", "3")

    def test_other_splits_in_the_same_folder_are_refused(self, data, finished):
        with pytest.raises(DrepanoError, match=r"settings or data \(other splits: see --folds"):
            compare(data, finished, "--folds", "3")

    def test_data_that_changed_are_refused(self, data, finished, tmp_path):
        changed = tmp_path / "data"
        shutil.copytree(data, changed)
        image = next((changed / "images").iterdir())
        Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
        with pytest.raises(DrepanoError, match=r"settings or data \(data.fingerprint.sha256 was"):
            compare(changed, finished)

    def test_jobs_side_by_side_give_the_same_figures(self, data, finished, tmp_path):
        out = tmp_path / "out"
        result = compare(data, out, "--jobs", "2", methods="unet")
        assert result.exit_code == 0
        assert "training: 4 of 4" in result.stderr.splitlines()  # two jobs of two steps
        ours, theirs = (
            json.loads((folder / "jobs/unet/fold-1/seed-0/result.json").read_text())["confusion"]
            for folder in (out, finished)
        )
        assert ours == theirs

    @pytest.mark.parametrize("error", [DrepanoError("no luck"), RuntimeError("no luck")])
    def test_a_job_that_fails_does_not_stop_the_others(self, data, tmp_path, monkeypatch, error):
        real = create_method

        def broken(name, *others):
            if name == "dunet":
                raise error
            return real(name, *others)

        monkeypatch.setattr("drepano.experiments.job.create_method", broken)
        result = compare(data, tmp_path / "out")
        assert result.exit_code == 1
        assert result.output.count("no luck") == 2
        assert list(summary(tmp_path / "out")["methods"]) == ["unet"]

    def test_a_job_that_another_run_is_at_is_left_to_it(self, data, tmp_path):
        out, command = tmp_path / "out", ("--binary", "--seeds", "0")
        assert compare(data, out, *command, methods="region-growing").exit_code == 0
        theirs = Job("pixel-forest", "fold-1", 0).folder(out)
        theirs.mkdir(parents=True)
        with FileLock(theirs / jobs.JOB_LOCK):
            result = compare(data, out, *command, methods="pixel-forest")
        assert result.exit_code == 1
        told = " ".join(result.stderr.split())
        assert f"note: pixel-forest, fold-1, seed 0: {jobs.ELSEWHERE}" in told
        assert "1 of 1: pixel-forest, fold-2" in told
        assert "1 job left to another run, not done yet; run the same command again" in told
        assert "failed" not in told
        assert not (theirs / "result.json").exists()
        assert summary(out)["methods"]["pixel-forest"]["jobs"] == 1
        assert compare(data, out, *command, methods="pixel-forest").exit_code == 0
        assert summary(out)["methods"]["pixel-forest"]["jobs"] == 2

    def test_methods_that_share_no_finished_fold_are_shown_all_the_same(self, data, tmp_path, monkeypatch):
        real = jobs.run_job

        def one_fold_each(experiment, job, *others, **options):
            if (job.method, job.split) not in {("unet", "fold-1"), ("dunet", "fold-2")}:
                raise DrepanoError("no luck")
            real(experiment, job, *others, **options)

        monkeypatch.setattr(jobs, "run_job", one_fold_each)
        result = compare(data, tmp_path / "out", methods="unet,dunet,dunet-scope-0")
        assert result.exit_code == 1
        assert list(summary(tmp_path / "out")["methods"]) == ["unet", "dunet"]
        assert (tmp_path / "out" / "maps.png").is_file()
        (note,) = [
            line for line in summary(tmp_path / "out")["conditions"] if line.startswith("Not finished")
        ]
        assert note.startswith(
            "Not finished: U-Net (1 of 2 jobs); dU-Net (1 of 2 jobs); dU-Net, scope 0 (0 of 2 jobs). Means"
        )

    def test_the_traceback_of_an_error_that_nobody_foresaw_is_kept(self, data, tmp_path, monkeypatch):
        def broken(*_):
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr("drepano.experiments.job.create_method", broken)
        result = compare(data, tmp_path / "out", methods="unet")
        assert result.exit_code == 1
        assert "ZeroDivisionError: division by zero" in result.output
        failure = tmp_path / "out/jobs/unet/fold-1/seed-0/failure.txt"
        assert "in broken" in failure.read_text()
        monkeypatch.undo()
        assert compare(data, tmp_path / "out", methods="unet").exit_code == 0
        assert not failure.exists()

    def test_all_cells_as_one_class_and_classical_methods(self, data, tmp_path):
        methods = "region-growing,pixel-forest,unet"
        result = compare(data, tmp_path / "out", "--binary", "--touching-weight", "20", methods=methods)
        assert result.exit_code == 0, result.output
        assert list(summary(tmp_path / "out")["methods"]) == ["region-growing", "pixel-forest", "unet"]
        assert summary(tmp_path / "out")["classes"] == ["background", "cell"]
        tables = (tmp_path / "out/tables.md").read_text()
        assert "Overlap and distance of cells (Table I)" in tables
        assert "touching_weight 20.0" in tables

    def test_without_a_network_there_are_no_validation_curves(self, data, tmp_path):
        result = compare(data, tmp_path / "out", "--binary", methods="region-growing")
        assert result.exit_code == 0, result.output
        assert (tmp_path / "out/roc.png").is_file()
        assert not (tmp_path / "out/validation.png").exists()

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--methods", "unet,magic", "use some of dunet, unet"),
            ("--methods", "unet,ilastik", "needs a project of yours"),
            ("--group", "eye", "use field or patient"),
            ("--one-seed", "unett", "--one-seed: no method is called unett"),
            ("--seeds", "one", "whole numbers from 0 on, separated by commas"),
            ("--crop-size", "100000", "crop_size=100000"),
            ("--seeds", "4294967296", "whole numbers from 0 to 4294967295"),
            ("--steps", "0", "steps=0"),
            ("--touching-weight", "0.5", "touching_weight=0.5"),
            ("--preset", "best", "use one of paper, default"),
            ("--crops", "here", "use --group patient"),
            ("--ilastik-project", "mine.ilp", "add ilastik to --methods, or leave it out"),
        ],
    )
    def test_wrong_arguments_are_refused_before_anything_is_trained(
        self, data, tmp_path, option, value, message
    ):
        with pytest.raises(DrepanoError, match=message):
            compare(data, tmp_path / "out", option, value)
        assert not (tmp_path / "out" / "plan.json").exists(), "or the right ones would be refused, too"
        assert not (tmp_path / "out" / "jobs").exists()

    @pytest.mark.parametrize(
        ("command", "option", "value"),
        [("compare", "--folds", 1), ("learning-curve", "--test", 0), ("compare", "--jobs", 0)],
    )
    def test_too_small_a_number_is_refused_before_anything_is_read(self, tmp_path, command, option, value):
        result = run(command, tmp_path / "not-there", "--out", tmp_path / "out", option, value)
        assert result.exit_code == 2
        assert f"Invalid value for '{option}'" in result.stderr

    def test_a_field_that_its_copy_has_lost_is_left_out_of_nothing(self, data, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        shutil.rmtree(out / "jobs/dunet/fold-1/seed-1")
        lost = sorted((out / "fields/images").iterdir())[0]
        for path in out.glob(f"fields/*/{lost.stem}.*"):
            path.unlink()
        with pytest.raises(DrepanoError, match=f"field {lost.stem} is lost; .* delete it whole"):
            compare(data, out, "--seeds", "0,1", methods="dunet")
        shutil.rmtree(out / "fields")
        result = compare(data, out, "--seeds", "0,1", methods="dunet")
        assert result.exit_code == 0, result.output
        assert summary(out)["methods"]["dunet"]["jobs"] == 4

    @pytest.mark.parametrize(
        "damaged", ["maps/*.png", "training/logs/*/metrics.csv", "result.json"], ids=["map", "log", "result"]
    )
    def test_a_damaged_file_of_a_finished_job_is_named(self, data, finished, tmp_path, damaged):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        for path in (out / "jobs/unet/fold-1/seed-0").glob(damaged):
            path.write_bytes(path.read_bytes()[:20] if path.suffix == ".png" else b"")
        with pytest.raises(DrepanoError, match=r"cannot be read \(.*\); delete it and run the same command"):
            compare(data, out, methods="unet")
        for path in (out / "jobs/unet/fold-1/seed-0").glob(damaged):
            path.unlink()
        assert compare(data, out, methods="unet").exit_code == 0

    @pytest.mark.parametrize("damaged", ["checkpoints/last.ckpt", "config.json"])
    def test_what_cannot_be_gone_on_from_can_be_deleted(self, data, tmp_path, monkeypatch, damaged):
        def interrupted(*_):
            raise KeyboardInterrupt

        out = tmp_path / "out"
        with monkeypatch.context() as patch:
            patch.setattr("drepano.training.run.save_model", interrupted)
            assert compare(data, out, methods="unet").exit_code != 0
        training = out / "jobs/unet/fold-1/seed-0/training"
        (training / damaged).write_bytes(b"PK damaged")
        result = compare(data, out, methods="unet")
        assert result.exit_code == 1
        told = " ".join(result.stderr.split())
        assert f"{training / damaged}: the run cannot be resumed (" in told
        assert f"train anew in another folder, or delete {training}" in told
        assert "weights_only" not in told
        assert "1 job failed; mend what is said above" in told
        shutil.rmtree(training)
        assert compare(data, out, methods="unet").exit_code == 0

    def test_the_errors_of_the_true_map_stand_below_those_of_the_methods(self, finished):
        truth = summary(finished)["truth"]
        of_pieces, of_cells = (
            [truth[counted_on][error]["per_fold"]["mean"] for error in ("joined", "artefacts", "missed")]
            for counted_on in ("cell_errors", "found_cell_errors")
        )
        assert of_pieces == [0.5, 0, 0], "in one of four fields two cells of a class touch"
        assert of_cells == [0, 0, 0], "they are parted before they are counted"
        table = (finished / "tables.md").read_text().split("## Cell errors")[1]
        assert table.index("| the true map itself | 0.5") > table.index("| U-Net |")

    def test_crops_larger_than_fields_are_said_to_be(self, data, tmp_path):
        result = compare(data, tmp_path / "out", "--binary", "--crop-size", "80", methods="region-growing")
        assert "crops of 80 px, larger than the smallest field, of 64 px" in " ".join(result.stderr.split())

    def test_a_fit_that_went_on_after_an_interruption_has_no_time(self, data, tmp_path, monkeypatch):
        def interrupted(*_):
            raise KeyboardInterrupt

        out = tmp_path / "out"
        with monkeypatch.context() as patch:
            patch.setattr("drepano.experiments.job.measure_method", interrupted)
            assert compare(data, out, methods="unet").exit_code != 0
        assert compare(data, out, methods="unet").exit_code == 0
        seconds = [
            json.loads(path.read_text())["fit_seconds"] for path in sorted(out.glob("jobs/*/*/*/result.json"))
        ]
        assert seconds[0] is None and seconds[1] > 0

    def test_a_corrected_cell_diameter_is_another_experiment(self, tmp_path):
        data, out = tmp_path / "data", tmp_path / "out"
        write_simulated_dataset(data, fields=4, size=64, cells=3, seed=0)
        assert compare(data, out, "--binary", methods="region-growing").exit_code == 0
        config = data / "dataset.toml"
        corrected = re.sub(r"cell_diameter = .*", "cell_diameter = 40.0", config.read_text())
        assert corrected != config.read_text()
        config.write_text(corrected)
        with pytest.raises(DrepanoError, match=r"data.cell_diameter was 45.0, now 40.0"):
            compare(data, out, "--binary", methods="region-growing")

    def test_single_crops_need_patients_to_hold_out(self, data, tmp_path):
        with pytest.raises(DrepanoError, match="is no folder of xu2017"):
            compare(data, tmp_path / "out", "--group", "patient", "--crops", data)
        assert not (tmp_path / "out").exists()

    def test_of_patients_held_out_fields_and_crops_are_tested_and_neither_is_trained_on(
        self, crops, tmp_path
    ):
        data, out = tmp_path / "data", tmp_path / "out"
        options = ["--fields", "3", "--size", "80", "--cells", "2-4"]
        assert run("data", "compose", crops, "--out", data, *options).exit_code == 0
        options = ["--group", "patient", "--crops", crops]
        result = compare(data, out, *options, methods="pixel-forest,unet")
        assert result.exit_code == 0, result.output
        tested = {"fold-1": {"P1"}, "fold-2": {"P2"}}
        for name in ("fields.csv", "crops.csv"):
            patients = pd.read_csv(out / name).groupby(["method", "split"])["patient"].agg(set)
            assert patients["pixel-forest"].to_dict() == patients["unet"].to_dict() == tested
        assert len(pd.read_csv(out / "crops.csv")) == 2 * 2 * 2
        for split, patients in tested.items():
            run_folder = out / f"jobs/unet/{split}/seed-0/training"
            (sides,) = json.loads((run_folder / "splits.json").read_text()).values()
            assert not any(patient in id_ for side in sides.values() for id_ in side for patient in patients)
        tables = (out / "tables.md").read_text()
        assert "Tested on, and not trained on: fold-1 P1; fold-2 P2." in tables
        assert "| U-Net | 4 |" in tables.split("## Single real crops")[1]

    def test_maps_are_drawn_of_fields_with_any_name(self, data, tmp_path):
        renamed, out = tmp_path / "data", tmp_path / "out"
        shutil.copytree(data, renamed)
        for folder in ("images", "labels", "instances"):
            for path in (renamed / folder).iterdir():
                path.rename(path.with_name(f"{path.stem} [1]{path.suffix}"))
        assert compare(renamed, out, "--binary", methods="region-growing").exit_code == 0
        alone = tmp_path / "alone"
        shutil.copytree(out, alone)
        for path in alone.glob("jobs/*/*/*/maps/*"):
            path.unlink()
        write_comparison(alone, asked_for(alone, "region-growing"))
        assert "the maps of region growing have been deleted" in (alone / "report.html").read_text()
        width = [Image.open(folder / "maps.png").width for folder in (out, alone)]
        assert width[0] > width[1]

    def test_region_growing_is_left_out_where_there_are_several_classes(self, data, tmp_path):
        result = compare(data, tmp_path / "out", methods="region-growing,pixel-forest")
        assert result.exit_code == 0, result.output
        assert "region growing tells cells from background only: left out" in result.output
        assert list(summary(tmp_path / "out")["methods"]) == ["pixel-forest"]
        with pytest.raises(DrepanoError, match="add --binary"):
            compare(data, tmp_path / "out", methods="region-growing")

    def test_a_result_of_other_settings_is_not_taken_for_one_of_todays(self, data, tmp_path):
        assert compare(data, tmp_path / "out", methods="unet").exit_code == 0
        path = tmp_path / "out/jobs/unet/fold-1/seed-0/result.json"
        result = json.loads(path.read_text())
        result["settings"]["config"]["learning_rate"] = 1.0
        path.write_text(json.dumps(result))
        with pytest.raises(DrepanoError, match=r"of unet \(config.learning_rate was 1.0, now 0.004\)"):
            compare(data, tmp_path / "out", methods="unet")

    def test_the_page_says_how_networks_were_trained_and_on_whom_they_were_tested(self, finished):
        tables = (finished / "tables.md").read_text()
        settings = "Settings of training: learning_rate 0.004, offset_learning_rate 0.1, schedule one-cycle"
        assert settings in tables
        assert "normalisation contrast" in tables
        assert "The test fields of every split" in tables

    def test_with_the_papers_preset_networks_are_trained_as_the_paper_did(self, data, tmp_path):
        out = tmp_path / "out"
        result = compare(data, out, "--preset", "paper", methods="unet,dunet")
        assert result.exit_code == 0, result.output
        for method in ("unet", "dunet"):
            config = summary(out)["methods"][method]["settings"]["config"]
            assert (config["preset"], config["loss"], config["schedule"]) == ("paper", "ce", "constant")
            assert (config["augment"], config["learning_rate"]) == (False, 1e-3)
        assert "preset paper" in (out / "report.html").read_text()
        with pytest.raises(DrepanoError, match=r"budget\.preset was 'paper', now 'default'"):
            compare(data, out)

    @pytest.mark.parametrize(
        ("preset", "budget"),
        [
            ("default", Budget(2000, 4, 256, 100, 1.0, "default")),
            ("paper", Budget(20_000, 2, 512, 100, 1.0, "paper")),
        ],
    )
    def test_what_is_not_said_is_as_in_the_preset(self, data, tmp_path, monkeypatch, preset, budget):
        monkeypatch.setattr(jobs, "run_jobs", lambda folder, *_, **__: [])
        run("compare", data, "--out", tmp_path, "--preset", preset, "--folds", 2)
        assert read_plan(tmp_path).budget == budget

    def test_logs_of_an_interrupted_training_are_one_curve(self, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        logs = out / "jobs/unet/fold-1/seed-0/training/logs"
        for version in range(12):
            log = logs / f"version_{version}/metrics.csv"
            log.parent.mkdir(exist_ok=True)
            pd.DataFrame({"step": [version], "validation_loss": [1.0 / (1 + version)]}).to_csv(log)
        write_comparison(out, asked_for(out, "unet"))
        assert summary(out)["validation"]["unet"][0]["steps"] == list(range(12))

    def test_the_page_says_whether_networks_were_trained_long_enough(self, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        of_seed = {"dunet/*/seed-0": [9.0, 1.0, 0.9], "dunet/*/seed-1": [9.0, 1.0, 0.7], "unet/*/*": [2.0]}
        for place, losses in of_seed.items():
            for log in out.glob(f"jobs/{place}/training/logs/*/metrics.csv"):
                pd.DataFrame({"step": range(len(losses)), "validation_loss": losses}).to_csv(log)
        write_comparison(out, asked_for(out, "unet", "dunet"))
        table = (out / "tables.md").read_text().split("## Jobs")[1].split("## ")[0]
        changes = {line.split(" | ")[0]: line.split(" | ")[-1] for line in table.splitlines() if "|" in line}
        assert changes["| dU-Net"] == "-20.0 % |"
        assert changes["| U-Net"] == " |"

    def test_cells_that_were_found_again_by_another_version_are_said_to_be(self, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        path = out / "jobs/dunet/fold-2/seed-0/result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"cells_versions": {"drepano": "9.9"}}))
        assert versions_shown(out)[1].endswith("; cells found again with drepano 9.9.")

    def test_words_of_a_note_may_change_between_versions(self, data, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        plan = json.loads((out / "plan.json").read_text())
        (out / "plan.json").write_text(json.dumps(plan | {"notes": ["In other words."]}))
        assert compare(data, out, methods="unet").exit_code == 0

    def test_it_says_how_far_it_is(self, data, tmp_path):
        result = compare(data, tmp_path / "out", "--binary", methods="region-growing")
        lines = result.stderr.splitlines()
        wanted = ["jobs: 0 of 2", "measuring: 2 of 2", "1 of 2: region-growing, fold-1, seed 0"]
        assert [line for line in lines if line in wanted] == [wanted[0], *wanted[1:], wanted[1]]

    def test_jobs_of_two_machines_are_told_apart(self, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        elsewhere = {"python": "3.99", "gpu": "a GPU"}
        path = out / "jobs/dunet/fold-2/seed-0/result.json"
        result = json.loads(path.read_text())
        path.write_text(json.dumps(result | {"versions": elsewhere, "training_versions": elsewhere}))
        assert versions_shown(out)[1:] == ["Versions of dU-Net: python 3.99, gpu a GPU."]

    def test_of_a_network_trained_elsewhere_the_page_says_so(self, data, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        job = out / "jobs/dunet/fold-2/seed-0"
        weights = (job / "training/model.safetensors").stat()
        (job / "training/versions.json").write_text(json.dumps({"python": "3.99", "gpu": "a GPU"}))
        (job / "result.json").unlink()
        compare(data, out, methods="dunet")
        assert (job / "training/model.safetensors").stat().st_mtime_ns == weights.st_mtime_ns
        assert versions_shown(out)[1].startswith(
            "Versions of dU-Net: training begun with python 3.99, gpu a GPU; measured with python 3."
        )

    def test_older_results_say_only_where_they_were_measured(self, finished, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(finished, out)
        for path in out.glob("jobs/*/*/*/result.json"):
            result = json.loads(path.read_text())
            del result["training_versions"]
            path.write_text(json.dumps(result))
        assert len(versions_shown(out)) == 1


def asked_for(out, *methods):
    return read_plan(out).jobs(methods, [0, 1], ["unet"])


def versions_shown(out):
    write_comparison(out, asked_for(out, "unet", "dunet"))
    return [line for line in summary(out)["conditions"] if line.startswith("Versions")]


def test_learning_curve(data, tmp_path):
    out = tmp_path / "out"
    arguments = ["--methods", "unet", "--sizes", "1,2,9", "--test", "2", *BUDGET]
    result = run("learning-curve", data, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    assert "Sizes 9 left out" in result.output
    assert sorted(summary(out)["curves"]["unet"]) == ["1", "2"]
    assert (out / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    assert summary(out)["methods"]["unet"]["seeds"] == [0]
    assert "| U-Net |" in (out / "tables.md").read_text()


def test_a_learning_curve_without_a_folder_is_in_one_of_its_name(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(
        "learning-curve", data, "--methods", "region-growing", "--binary", "--sizes", "1", "--test", 2
    )
    assert result.exit_code == 0, result.output
    assert summary(tmp_path / "learning-curve")["curves"]["region-growing"].keys() == {"1"}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes run")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_by_hand_ends_the_trainings_that_run_beside(data, tmp_path, ending, wait_until, is_running):
    """Only the program that was started gets the signal; its processes end with it."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "drepano", "compare", str(data), "--out", str(out), "--methods", "unet"]
    command += ["--folds", "2", "--jobs", "2", "--steps", "100000", "--crop-size", "64"]
    program = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=hear_interrupts,
    )
    try:
        begun = "jobs/*/*/*/training/logs/*"
        wait_until(lambda: len(list(out.glob(begun))) == 2 or program.poll() is not None)
        assert program.poll() is None, "it ended before anybody wanted it to"
        program.send_signal(ending)
        assert program.wait(60) != 0
        wait_until(lambda: not is_running(program.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)


def hear_interrupts():
    """As in a terminal: what a shell starts in the background ignores them, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
