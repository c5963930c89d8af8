"""``benchmarks/join_results.py`` against one run of everything."""

from __future__ import annotations

import json
import math
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.errors import DrepanoError
from drepano.experiments.plan import read_plan

BUDGET = ["--steps", "12", "--batch-size", "2", "--crop-size", "32", "--validate-every", "6"]
KEPT = [
    "plan.json",
    "summary.json",
    "fields.csv",
    "crops.csv",
    "tables.md",
    "roc.png",
    "differences.png",
    "validation.png",
]


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def join_results(benchmark_script):
    return benchmark_script("join_results")


@pytest.fixture(scope="module")
def whole_and_parts(crops, tmp_path_factory):
    """One run of everything; what is kept of one that did a part of the jobs; a run of the others."""
    folder = tmp_path_factory.mktemp("runs")
    options = ["--fields", "3", "--size", "80", "--cells", "2-4"]
    run("data", "compose", crops, "--out", folder / "data", *options)

    def compare(out, methods, seeds, once):
        options = ["--methods", methods, "--seeds", seeds, "--one-seed", once, *BUDGET]
        run("compare", folder / "data", "--out", out, "--group", "patient", "--crops", crops, *options)

    compare(folder / "whole", "dunet,unet,pixel-forest", "0,1,2", "dunet,pixel-forest")
    for name, jobs in {
        "part": ["unet/*/seed-0", "unet/*/seed-1", "pixel-forest/*/seed-0"],
        "others": ["unet/*/seed-2", "dunet/*/seed-0"],
    }.items():
        shutil.copytree(folder / "whole", folder / name, ignore=shutil.ignore_patterns("jobs"))
        for job in [job for pattern in jobs for job in (folder / "whole/jobs").glob(pattern)]:
            shutil.copytree(job, folder / name / "jobs" / job.relative_to(folder / "whole/jobs"))
    compare(folder / "part", "unet,pixel-forest", "0,1", "pixel-forest")
    return folder / "whole", folder / "part", folder / "others"


@pytest.fixture
def kept(whole_and_parts, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    for name in KEPT:
        shutil.copy(whole_and_parts[1] / name, folder)
    return folder


def assert_alike(found, expected, place=""):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), place
        for name in expected:
            assert_alike(found[name], expected[name], f"{place}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_alike(one, other, f"{place}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-5), place
    else:
        assert found == expected, place


def comparable(summary):
    """Without times, and trainings in one order."""
    for method in summary["methods"].values():
        del method["fit_seconds"]
    for trainings in summary["validation"].values():
        trainings.sort(key=lambda training: training["losses"])
    return summary


def test_the_joined_are_as_one_run_of_all(join_results, whole_and_parts, kept):
    whole, part, others = whole_and_parts
    join_results.main(kept, others)
    found, expected = (
        comparable(json.loads((folder / "summary.json").read_text())) for folder in (kept, whole)
    )
    assert list(found["methods"]) == ["dunet", "unet", "pixel-forest"]
    assert_alike(found, expected)
    for name, of in (("fields.csv", "field"), ("crops.csv", "crop")):
        tables = [pd.read_csv(folder / name) for folder in (kept, whole)]
        tables = [table.sort_values(["method", "seed", of], ignore_index=True) for table in tables]
        pd.testing.assert_frame_equal(*tables)
    for name in ("differences.png", "validation.png"):
        assert (kept / name).read_bytes() != (part / name).read_bytes()


def test_of_a_run_without_jobs_what_has_been_measured_is_told_anew(
    join_results, whole_and_parts, kept, tmp_path
):
    before = json.loads((kept / "summary.json").read_text())
    for name in ("plan.json", "fields"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).symlink_to(whole_and_parts[2] / name)
    stored = {**before, "differences": [], "truth": None}
    (kept / "summary.json").write_text(json.dumps(stored))
    plan = json.loads((kept / "plan.json").read_text())
    (kept / "plan.json").write_text(json.dumps({**plan, "notes": ["in the words of then"]}))
    join_results.main(kept, tmp_path / "run")
    assert json.loads((kept / "plan.json").read_text()) == plan
    assert_alike(json.loads((kept / "summary.json").read_text()), before)


def test_results_that_do_not_tell_of_what_is_measured_now_are_joined_without_it(
    join_results, whole_and_parts, kept
):
    table = pd.read_csv(kept / "fields.csv")
    unknown = ["found joined", "found artefacts", "f1", "panoptic_quality", "auc background"]
    areas_of_cells = [f"auc {name}" for name in read_plan(kept).classes[1:]]
    table.drop(columns=[*unknown, *areas_of_cells]).to_csv(kept / "fields.csv", index=False)
    summary = json.loads((kept / "summary.json").read_text())
    for name in ("found_cell_errors", "seeds_of_found_cells"):
        del summary["methods"]["pixel-forest"][name]
    (kept / "summary.json").write_text(json.dumps(summary))
    join_results.main(kept, whole_and_parts[2])
    methods = json.loads((kept / "summary.json").read_text())["methods"]
    known = {name: methods[name].get("seeds_of_found_cells") for name in methods}
    assert known == {"dunet": [0], "unet": [2], "pixel-forest": None}
    joined = pd.read_csv(kept / "fields.csv")
    assert joined.loc[joined["method"] == "dunet", unknown].notna().all().all()
    assert joined.loc[joined["method"] == "pixel-forest", unknown].isna().all().all()


def test_a_seed_of_an_earlier_version_lacks_what_a_later_seed_has(join_results, kept):
    table = pd.read_csv(kept / "fields.csv")
    earlier = (table["method"] == "unet") & (table["seed"] == 0)
    table.loc[earlier, [name for name in table if name.startswith(("auc ", "found "))]] = math.nan
    table.to_csv(kept / "fields.csv", index=False)
    results = join_results.stored_results(kept, read_plan(kept))
    known = {
        (result["job"]["method"], result["job"]["seed"]): {"auc", "found_cell_errors"} & one.keys()
        for result in results
        for one in result["fields"]
    }
    both = {"auc", "found_cell_errors"}
    assert known == {("unet", 0): set(), ("unet", 1): both, ("pixel-forest", 0): both}


def test_what_is_there_already_is_refused(join_results, whole_and_parts, kept):
    before = (kept / "summary.json").read_bytes()
    with pytest.raises(DrepanoError, match="pixel-forest, fold-1, seed 0 is there already"):
        join_results.main(kept, whole_and_parts[0])
    assert (kept / "summary.json").read_bytes() == before


def test_a_seed_that_lacks_splits_is_refused(join_results, whole_and_parts, kept, tmp_path):
    shutil.copytree(whole_and_parts[2], tmp_path / "others")
    shutil.rmtree(tmp_path / "others/jobs/unet/fold-2")
    with pytest.raises(DrepanoError, match="unet, seed 2 is not finished in all splits"):
        join_results.main(kept, tmp_path / "others")


def test_another_plan_is_refused(join_results, whole_and_parts, kept):
    plan = json.loads((kept / "plan.json").read_text())
    plan["budget"]["steps"] += 1
    (kept / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(DrepanoError, match="is of another plan"):
        join_results.main(kept, whole_and_parts[2])


def test_a_method_with_other_settings_is_refused(join_results, whole_and_parts, kept, tmp_path):
    shutil.copytree(whole_and_parts[2], tmp_path / "others")
    for path in (tmp_path / "others/jobs/unet").glob("*/*/result.json"):
        result = json.loads(path.read_text())
        result["settings"]["config"]["learning_rate"] = 0.02
        path.write_text(json.dumps(result))
    with pytest.raises(DrepanoError, match=r"unet has other settings there \(config.learning_rate was 0.004"):
        join_results.main(kept, tmp_path / "others")


def test_names_of_digits_stay_what_they_are(join_results, kept, tmp_path):
    plan = read_plan(kept)
    for name, column in (("fields.csv", "field"), ("crops.csv", "crop")):
        table = pd.read_csv(kept / name)
        table[column] = [f"{number:03}" for number in range(len(table))]
        table["patient"] = "07"
        table.to_csv(kept / name, index=False)
    first = join_results.stored_results(kept, plan)[0]
    assert (first["fields"][0]["field"], first["fields"][0]["patient"]) == ("000", "07")
    assert first["crops"][0]["crop"].isdigit() and len(first["crops"][0]["crop"]) == 3


def test_what_is_undefined_in_one_of_two_runs_is_of_the_other(join_results):
    assert join_results._defined_mean([float("nan"), 0.7], [2, 1]) == pytest.approx(0.7)
    assert join_results._defined_mean([0.4, 0.7], [2, 1]) == pytest.approx(0.5)
    assert math.isnan(join_results._defined_mean([float("nan"), float("nan")], [2, 1]))


def test_a_patient_may_be_called_NA(join_results, whole_and_parts, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(whole_and_parts[1], part, ignore=shutil.ignore_patterns("jobs", "fields"))
    plan = read_plan(part)
    table = pd.read_csv(part / "fields.csv", dtype=str)
    table["patient"] = "NA"
    table.to_csv(part / "fields.csv", index=False)
    fields = [field for result in join_results.stored_results(part, plan) for field in result["fields"]]
    assert {field["patient"] for field in fields} == {"NA"}
