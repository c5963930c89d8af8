"""Many fields in, a folder of results out; what is done stays done, what fails says why."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from PIL import Image

from drepano.cells import cell_columns
from drepano.errors import DrepanoError
from drepano.exports import FORMATS
from drepano.io import OutputError, write_text
from drepano.models import ModelCard, create
from drepano.prediction import RECORDS, Options, list_fields, predict_fields, read_samples
from drepano.segmenter import Segmenter
from drepano.taxonomy import SCD

CELL_COLUMNS = ["field", "patient", *(column.name for column in cell_columns(SCD))]
BACKGROUND = (180, 180, 180)
RED_FREE, GREY = (60, 180, 180), (60, 60, 60)
"""Colours of cells; the network below takes the first for Dic+Ovl, the second for El+Sk."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On images this small, threads cost more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def threshold_unet(darkness: float = 0.5) -> torch.nn.Module:
    """A U-Net whose weights are set by hand: pixels darker than the background are cells."""
    network = create("unet", num_classes=5, width=2)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if tensor.dim() == 4 or "bias" in name:
                tensor.zero_()
        for channel in range(2):  # red and green, as they are, along the uppermost skip
            network.encoder1[0].weight[channel, channel, 1, 1] = -1
            network.encoder1[3].weight[channel, channel, 1, 1] = 1
            network.decoder1[0].weight[channel, 2 + channel, 1, 1] = 1
            network.decoder1[3].weight[1 + channel, channel, 1, 1] = 20
        network.decoder1[3].bias[:] = torch.tensor([0, -20 * darkness, 5 - 20 * darkness, -50, -50])
    return network


def make_card(name: str = "threshold") -> ModelCard:
    return ModelCard(
        name=name,
        architecture={"name": "unet", "num_classes": 5, "width": 2},
        taxonomy="scd",
        classes=list(SCD.classes),
        cell_diameter=40.0,
        training={},
        data=[],
        version="0.1.0",
    )


class CountingSegmenter(Segmenter):
    """Counts the fields it was given; `before` is called with that count before each."""

    calls = 0

    @staticmethod
    def before(call):
        pass

    def segment(self, image, cell_diameter=None):
        self.calls += 1
        self.before(self.calls)
        return super().segment(image, cell_diameter)


def make_segmenter(name="threshold", darkness=0.5):
    return CountingSegmenter(threshold_unet(darkness), make_card(name), torch.device("cpu"))


def draw(*cells: tuple[int, int, tuple[int, int, int]], size=(160, 200), radius=20) -> np.ndarray:
    """Discs given by row, column and colour."""
    image = np.empty((*size, 3), np.uint8)
    image[:] = BACKGROUND
    y, x = np.mgrid[: size[0], : size[1]]
    for row, column, colour in cells:
        image[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = colour
    return image


def grainy(image: np.ndarray) -> np.ndarray:
    """With noise as a camera has."""
    noise = np.random.default_rng(0).integers(-3, 4, image.shape)
    return (image + noise).astype(np.uint8)


TWO_CELLS = draw((40, 50, RED_FREE), (100, 130, GREY))
ONE_CELL = draw((60, 60, GREY))


def save(path: Path, *pages: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, **({"save_all": True, "append_images": rest} if rest else {}))
    return path


@pytest.fixture
def segmenter():
    return make_segmenter()


@pytest.fixture
def fields(tmp_path) -> Path:
    """A folder of two fields."""
    save(tmp_path / "fields" / "a.png", TWO_CELLS)
    save(tmp_path / "fields" / "b.tif", ONE_CELL)
    return tmp_path / "fields"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def expected_files(*names: str) -> set[str]:
    own = {
        file
        for name in names
        for file in (
            f"{name}.classes.png",
            f"{name}.overlay.png",
            f"{RECORDS}/{name}.files",
            f"{RECORDS}/{name}.json",
        )
    }
    tables = {"cells.csv", "summary.csv", "patients.csv", "differences.csv", "failures.csv", "report.html"}
    return own | tables | {f"{RECORDS}/files"}


def stamps(folder: Path, pattern: str = "*.png") -> dict[str, tuple[int, int]]:
    """What tells whether a file was written again."""
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.glob(pattern)}


def read_classes(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


class TestResults:
    def test_every_file_of_the_docstring_and_no_other(self, segmenter, fields, out):
        outcomes = predict_fields([fields], out, segmenter)
        assert files(out) == expected_files("a", "b")
        assert [outcome.field.name for outcome in outcomes] == ["a", "b"]
        assert [outcome.skipped for outcome in outcomes] == [False, False]
        assert not any(outcome.reason for outcome in outcomes)

    def test_the_class_map_has_the_classes_as_values_and_their_colours(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        with Image.open(out / "a.classes.png") as image:
            classes = np.asarray(image)
            palette = image.getpalette()
        expected = np.select([(TWO_CELLS == RED_FREE).all(2), (TWO_CELLS == GREY).all(2)], [1, 2], default=0)
        np.testing.assert_array_equal(classes, expected)
        assert tuple(palette[3:6]) == SCD.colours[1]

    def test_the_overlay_shows_the_field(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        overlay = np.asarray(Image.open(out / "a.overlay.png"))[:160, :200]
        first, second = ((overlay == SCD.colours[index]).all(2) for index in (1, 2))
        drawn = first | second
        np.testing.assert_array_equal(overlay[~drawn], TWO_CELLS[~drawn])
        assert first.any() and second.any()
        assert (TWO_CELLS[first] == RED_FREE).all()
        assert (TWO_CELLS[second] == GREY).all()

    def test_the_table_of_cells_has_a_row_for_every_cell(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        cells = pd.read_csv(out / "cells.csv")
        assert list(cells.columns) == CELL_COLUMNS
        assert cells["field"].tolist() == ["a", "a", "b"]
        assert cells["class"].tolist() == ["Dic+Ovl", "El+Sk", "El+Sk"]
        np.testing.assert_allclose(cells["centroid_y_px"], [40, 100, 60])
        np.testing.assert_allclose(cells["centroid_x_px"], [50, 130, 60])
        assert not cells["touches_border"].any()

    def test_the_summary_has_a_row_for_every_field(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        summary = pd.read_csv(out / "summary.csv").set_index("field")
        assert summary.index.tolist() == ["a", "b"]
        assert summary["cells"].tolist() == [2, 1]
        assert summary["El+Sk fraction"].tolist() == [0.5, 1.0]
        assert summary.loc["a", "density_per_megapixel"] == pytest.approx(2 / (160 * 200) * 1e6)

    def test_every_folder_is_a_patient_unless_a_sheet_says_otherwise(self, segmenter, fields, out, tmp_path):
        save(tmp_path / "others" / "c.png", TWO_CELLS)
        predict_fields([fields, tmp_path / "others"], out, segmenter)
        patients = pd.read_csv(out / "patients.csv")
        assert patients[["patient", "fields", "cells", "El+Sk cells"]].to_numpy().tolist() == [
            ["fields", 2, 3, 2],
            ["others", 1, 2, 1],
        ]
        assert set(pd.read_csv(out / "differences.csv")["differ_in"]) == {"patient"}

    def test_a_sheet_of_samples_groups_fields_and_names_those_that_are_not_there(
        self, segmenter, fields, out, tmp_path
    ):
        sheet = tmp_path / "samples.csv"
        sheet.write_text("file,patient,drug\na.png,P,no\nb.tif,P,yes\nlost.png,P,yes\n")
        outcomes = predict_fields([fields], out, segmenter, grouping=partial(read_samples, sheet))
        patients = pd.read_csv(out / "patients.csv")
        assert patients[["patient", "drug", "El+Sk fraction"]].to_numpy().tolist() == [
            ["P", "no", 0.5],
            ["P", "yes", 1.0],
        ]
        assert [outcome.reason for outcome in outcomes if outcome.reason] == [
            f"{sheet}: lost.png is not among the fields given; correct the name"
        ]

    def test_times_of_one_place_are_one_place_and_a_sheet_tells_them_apart(self, segmenter, tmp_path, out):
        path = tmp_path / "movie.ome.tif"
        pages = np.stack([TWO_CELLS, ONE_CELL, TWO_CELLS])
        tifffile.imwrite(path, pages, ome=True, photometric="rgb", metadata={"axes": "TYXS"})
        predict_fields([path], out, segmenter)
        summary = pd.read_csv(out / "summary.csv")
        assert set(summary["place"]) == {"movie.ome.page001"}
        assert summary["page"].tolist() == list(range(1, len(summary) + 1))
        assert pd.read_csv(out / "patients.csv")[["fields", "places"]].to_numpy().tolist() == [[3, 1]]
        page = (out / "report.html").read_text()
        assert "3 (of 1 place)" in page
        assert "some fields are layers or times of one place and show its cells again" in page
        sheet = tmp_path / "samples.csv"
        sheet.write_text("file,page,patient,time\nmovie.ome.tif,1,P,0\nmovie.ome.tif,3,P,6\n")
        predict_fields([path], out, segmenter, grouping=partial(read_samples, sheet))
        patients = pd.read_csv(out / "patients.csv")
        assert patients[["time", "fields", "places", "cells"]].to_numpy().tolist() == [
            [0, 1, 1, 2],
            [6, 1, 1, 2],
        ]

    def test_places_that_a_sheet_names_count_once_and_are_compared_with_themselves(
        self, segmenter, tmp_path, out
    ):
        paths, rows, notes = [], ["file,patient,time,place"], []
        for time, place in ((0, 1), (0, 1), (0, 2), (0, 3), (6, 1), (6, 2), (6, 3)):
            name = f"{len(paths)}.png"
            paths.append(save(tmp_path / name, ONE_CELL if place == 1 else TWO_CELLS))
            rows.append(f"{name},P,{time},{place}")
        sheet = tmp_path / "samples.csv"
        sheet.write_text("\n".join(rows))
        grouping = partial(read_samples, sheet)
        predict_fields(paths, out, segmenter, grouping=grouping, noted=notes.append)
        assert notes == ["2 fields of P 0 are of one place, 1: shares take it once"]
        patients = pd.read_csv(out / "patients.csv")
        assert patients[["fields", "places"]].to_numpy().tolist() == [[4, 3], [3, 3]]
        assert set(pd.read_csv(out / "differences.csv")["over"]) == {"places"}
        assert "the same 3 places" in (out / "report.html").read_text()

    @pytest.mark.parametrize("name", ["field", "cells", "fields", "El+Sk fraction", "warnings", "reason"])
    def test_a_sheet_with_a_column_named_like_a_result_is_refused_first(
        self, segmenter, fields, out, tmp_path, name
    ):
        sheet = tmp_path / "samples.csv"
        sheet.write_text(f"file,patient,{name}\na.png,P,1\nb.tif,P,1\n")
        with pytest.raises(DrepanoError, match=r"is the name of a result; rename that column"):
            predict_fields([fields], out, segmenter, grouping=partial(read_samples, sheet))
        assert segmenter.calls == 0

    def test_a_confusion_matrix_on_the_card_corrects_the_shares_of_patients(self, fields, out):
        known = make_card().model_copy(update={"cell_confusion": [(np.eye(4, dtype=int) * 50).tolist()]})
        segmenter = CountingSegmenter(threshold_unet(), known, torch.device("cpu"))
        predict_fields([fields], out, segmenter)
        patients = pd.read_csv(out / "patients.csv")
        assert patients.loc[0, "El+Sk corrected"] == pytest.approx(2 / 3)

    def test_a_pixel_size_gives_micrometres(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter, options=Options(pixel_size=0.5))
        cells = pd.read_csv(out / "cells.csv")
        np.testing.assert_allclose(cells["area_um2"], cells["area_px"] / 4)
        assert pd.read_csv(out / "summary.csv")["pixel_size_um"].tolist() == [0.5, 0.5]

    def test_without_one_that_of_the_file_is_taken(self, segmenter, out, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.tif", TWO_CELLS, imagej=True, resolution=(4, 4), metadata={"unit": "um"}
        )
        predict_fields([tmp_path / "a.tif"], out, segmenter)
        assert pd.read_csv(out / "summary.csv")["pixel_size_um"].tolist() == [0.25]

    def test_other_formats_are_written_beside_and_those_of_all_fields_together(self, segmenter, fields, out):
        formats = (*FORMATS, "parquet")
        predict_fields([fields], out, segmenter, options=Options(formats=formats))
        for name in "ab":
            assert all((out / f"{name}{one.suffix}").is_file() for one in FORMATS.values())
        assert len(json.loads((out / "coco.json").read_text())["annotations"]) == 3
        for table in ("cells", "summary", "patients", "differences", "failures"):
            read = pd.read_parquet(out / f"{table}.parquet").replace("", np.nan)
            read = read.astype({"page": float} if "page" in read else {})
            pd.testing.assert_frame_equal(
                read, pd.read_csv(out / f"{table}.csv"), check_dtype=False, rtol=1e-4
            )

    def test_their_files_are_no_fields_of_a_later_run(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter, options=Options(formats=tuple(FORMATS)))
        listed, _ = list_fields([fields, out], out)
        assert [field.name for field in listed] == ["a", "b"]

    def test_a_format_that_is_not_there_yet_does_the_field_again(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        outcomes = predict_fields([fields], out, segmenter, options=Options(formats=("labels",)))
        assert [outcome.skipped for outcome in outcomes] == [False, False]
        outcomes = predict_fields([fields], out, segmenter)
        assert [outcome.skipped for outcome in outcomes] == [True, True]

    def test_files_of_formats_that_are_no_longer_true_are_removed(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter, options=Options(formats=("labels",)))
        predict_fields([fields], out, segmenter, options=Options(cell_diameter=60))
        assert not (out / "a.labels.tif").exists()

    def test_a_moved_image_has_its_new_name_in_the_tables_of_all(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter, options=Options(formats=("coco",)))
        moved = fields.rename(fields.parent / "moved")
        outcomes = predict_fields([moved], out, segmenter, options=Options(formats=("coco",)))
        assert all(outcome.skipped for outcome in outcomes)
        images = json.loads((out / "coco.json").read_text())["images"]
        assert [image["file_name"] for image in images] == [str(moved / name) for name in ("a.png", "b.tif")]

    def test_a_result_whose_name_is_too_long_costs_that_field_alone(self, segmenter, fields, out):
        save(fields / ("n" * 235 + ".png"), TWO_CELLS)
        outcomes = predict_fields([fields], out, segmenter, options=Options(formats=("probabilities",)))
        assert [outcome.record is not None for outcome in outcomes] == [True, True, False]
        assert "its name is too long" in outcomes[2].reason
        assert (out / "report.html").is_file()

    def test_tables_of_formats_not_asked_for_any_more_are_removed(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter, options=Options(formats=("coco", "parquet")))
        predict_fields([fields / "a.png"], out, segmenter)
        assert not [path for path in out.iterdir() if path.name == "coco.json" or path.suffix == ".parquet"]

    def test_numbers_that_make_no_sense_are_refused_before_anything_is_done(self, segmenter, fields, out):
        for size in (0, -0.1, float("nan"), float("inf")):
            with pytest.raises(DrepanoError, match="give the side of a pixel in micrometres"):
                predict_fields([fields], out, segmenter, options=Options(pixel_size=size))
        for share in (0, 1e-12, 1, -1, float("nan")):
            with pytest.raises(DrepanoError, match=r"give a share from 0\.0001 to below 1"):
                predict_fields([fields], out, segmenter, share_precision=share)
        assert segmenter.calls == 0

    def test_times_and_patients_compared_fit_one_parquet_table(self, segmenter, fields, out, tmp_path):
        save(fields / "c.png", TWO_CELLS)
        sheet = tmp_path / "samples.csv"
        sheet.write_text("file,patient,time\na.png,P,0\nb.tif,P,24\nc.png,Q,0\n")
        options = Options(formats=("parquet",))
        predict_fields([fields], out, segmenter, options=options, grouping=partial(read_samples, sheet))
        assert set(pd.read_parquet(out / "differences.parquet")["first"]) == {"0", "P"}

    def test_an_unknown_format_is_refused_before_anything_is_done(self, segmenter, fields, out):
        with pytest.raises(DrepanoError, match="format 'svg' is unknown; use some of labels, geojson"):
            predict_fields([fields], out, segmenter, options=Options(formats=("svg",)))
        assert not out.exists()

    def test_a_field_without_cells_is_a_result_too(self, segmenter, out, tmp_path):
        predict_fields([save(tmp_path / "empty.png", draw())], out, segmenter)
        assert pd.read_csv(out / "cells.csv").columns.tolist() == CELL_COLUMNS
        assert len(pd.read_csv(out / "cells.csv")) == 0
        summary = pd.read_csv(out / "summary.csv")
        assert summary["cells"].tolist() == [0]
        assert summary["Grl fraction"].isna().all()
        assert "no cells found" in (out / "report.html").read_text()

    def test_the_report_names_fields_and_model(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        report = (out / "report.html").read_text()
        for text in (str(fields / "a.png"), str(fields / "b.tif"), "threshold"):
            assert text in report

    def test_cells_are_measured_in_the_pixels_of_the_image(self, segmenter, fields, out):
        """A network that knows smaller cells does not change what the table says about size."""
        predict_fields([fields / "b.tif"], out, segmenter, options=Options(80))
        cells = pd.read_csv(out / "cells.csv")
        assert cells["area_px"].item() == pytest.approx(np.pi * 20**2, rel=0.1)
        assert read_classes(out / "b.classes.png").shape == (160, 200)

    def test_progress_is_told_field_by_field(self, segmenter, fields, out):
        totals, told = [], []
        outcomes = predict_fields([fields], out, segmenter, started=totals.append, finished=told.append)
        assert totals == [2]
        assert told == outcomes


class TestWarnings:
    def warnings(self, segmenter, tmp_path, radius, cells=6, **options):
        places = [(60 + 120 * (i // 3), 60 + 120 * (i % 3), GREY) for i in range(cells)]
        path = save(tmp_path / "field.png", draw(*places, size=(240, 360), radius=radius))
        return predict_fields([path], tmp_path / "out", segmenter, **options)[0].record.warnings

    @pytest.mark.parametrize("radius", [15, 20, 27])
    def test_cells_of_about_the_expected_size_give_none(self, segmenter, tmp_path, radius):
        assert self.warnings(segmenter, tmp_path, radius) == []

    @pytest.mark.parametrize(("radius", "diameter"), [(12, 24), (40, 80)])
    def test_cells_of_another_size_are_pointed_out(self, segmenter, tmp_path, radius, diameter):
        (warning,) = self.warnings(segmenter, tmp_path, radius)
        assert warning.startswith(f"cells look about {diameter} px across where 40 px were expected")
        assert "--cell-diameter" in warning

    def test_giving_the_diameter_settles_it(self, segmenter, tmp_path):
        assert self.warnings(segmenter, tmp_path, 40, options=Options(80)) == []

    def test_warnings_stand_in_the_table_and_under_the_overlay(self, segmenter, tmp_path):
        (warning,) = self.warnings(segmenter, tmp_path, 12)
        summary = pd.read_csv(tmp_path / "out" / "summary.csv")
        assert summary["warnings"].tolist() == [warning]
        assert summary["uneven_light"].tolist() == [0]

    def test_strict_leaves_doubtful_fields_out_of_all_other_tables(self, segmenter, fields, out):
        save(fields / "empty.png", draw())
        outcomes = predict_fields([fields], out, segmenter, strict=True)
        assert [outcome.reason for outcome in outcomes if outcome.reason] == [
            f"{fields / 'empty.png'}: no cells found (strict: not counted)"
        ]
        assert pd.read_csv(out / "summary.csv")["field"].tolist() == ["a", "b"]
        assert pd.read_csv(out / "patients.csv")["fields"].tolist() == [2]
        assert pd.read_csv(out / "failures.csv")["file"].tolist() == [str(fields / "empty.png")]
        predict_fields([fields], out, segmenter)
        assert pd.read_csv(out / "patients.csv")["fields"].tolist() == [3]

    def test_a_few_cells_are_enough_to_see_that_their_size_is_wrong(self, segmenter, tmp_path):
        (warning,) = self.warnings(segmenter, tmp_path, 40, cells=4)
        assert "cells look about 80 px across where 40 px were expected" in warning


class TestFieldsThatShowTheSamePlace:
    """Left and right part of a place, which have half of their cells in common, and one of elsewhere."""

    WHERE = np.random.default_rng(0).integers(-9, 10, (4, 10, 2)) + np.mgrid[50:330:70, 40:640:60].T.swapaxes(
        0, 1
    )
    PLACE = grainy(draw(*((row, column, GREY) for row, column in WHERE.reshape(-1, 2)), size=(320, 640)))

    @pytest.fixture
    def fields(self, tmp_path) -> Path:
        for name, image in (("a", self.PLACE[:, :340]), ("b", self.PLACE[:, 160:500]), ("c", TWO_CELLS)):
            save(tmp_path / "fields" / f"{name}.png", image)
        return tmp_path / "fields"

    def test_the_later_one_has_a_warning_in_tables_and_report(self, segmenter, fields, out):
        outcomes = predict_fields([fields], out, segmenter)
        assert [len(outcome.record.warnings) for outcome in outcomes] == [0, 1, 0]
        (warning,) = outcomes[1].record.warnings
        assert re.match(
            r"shows the same place as a \(5[0-5]%\): cells in both count twice; leave one", warning
        )
        assert pd.read_csv(out / "summary.csv")["warnings"].tolist()[1] == warning
        assert pd.read_csv(out / "patients.csv")["fields_with_warnings"].tolist() == [1]
        assert warning in (out / "report.html").read_text(encoding="utf-8")

    def test_strict_counts_the_first_of_them_and_what_overlaps_none_that_is_counted(
        self, segmenter, fields, out
    ):
        save(fields / "d.png", self.PLACE[:, 380:])
        assert "place as b" in predict_fields([fields], out, segmenter)[3].record.warnings[0]
        predict_fields([fields], out, segmenter, strict=True)
        assert pd.read_csv(out / "summary.csv")["field"].tolist() == ["a", "c", "d"]
        assert "shows the same place as a" in pd.read_csv(out / "failures.csv")["reason"].item()

    def test_strict_counts_the_second_where_the_first_is_left_out(self, segmenter, fields, out):
        segmenter.before = lambda call: _fail() if call == 1 else None
        predict_fields([fields], out, segmenter, strict=True)
        assert pd.read_csv(out / "summary.csv")["field"].tolist() == ["b", "c"]

    def test_a_rerun_warns_once(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        again = predict_fields([fields], out, segmenter)[1]
        assert again.skipped
        assert len(again.record.warnings) == 1
        assert again.record.summary["warnings"] == again.record.warnings[0]

    def test_strict_counts_neither_of_two_patients_with_the_same_image(self, segmenter, fields, out):
        save(fields / "Q" / "d.png", TWO_CELLS)
        outcomes = predict_fields([fields / "c.png", fields / "Q"], out, segmenter, strict=True)
        for outcome, other in zip(outcomes, ("d of Q", "c of fields"), strict=True):
            assert f"is the same image as {other}; find out whose it is" in outcome.reason
        assert pd.read_csv(out / "summary.csv").empty

    def test_what_is_not_worth_a_warning_is_a_note(self, segmenter, fields, out):
        save(fields / "b.png", self.PLACE[:, 280:])
        notes = []
        outcomes = predict_fields([fields], out, segmenter, noted=notes.append)
        assert not any(outcome.record.warnings for outcome in outcomes)
        assert [note.split(" (")[0] for note in notes] == ["fields: fields overlap a little, b and a"]

    def test_a_rerun_without_the_first_warns_no_more(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        outcomes = predict_fields([fields / "b.png", fields / "c.png"], out, segmenter)
        assert [outcome.skipped for outcome in outcomes] == [True, True]
        assert [outcome.record.warnings for outcome in outcomes] == [[], []]

    def test_named_as_one_place_they_are_one_and_have_no_warning(self, segmenter, fields, out, tmp_path):
        sheet = tmp_path / "samples.csv"
        sheet.write_text("file,patient,place\na.png,P,1\nb.png,P,1\nc.png,P,2\n")
        outcomes = predict_fields([fields], out, segmenter, grouping=partial(read_samples, sheet))
        assert [outcome.record.warnings for outcome in outcomes] == [[], [], []]
        assert pd.read_csv(out / "patients.csv")["places"].tolist() == [2]

    def test_empty_fields_are_alike_and_count_nothing(self, segmenter, fields, out):
        for name in ("d", "e"):
            save(fields / f"{name}.png", draw())
        outcomes = predict_fields([fields], out, segmenter)
        assert [outcome.record.warnings for outcome in outcomes[3:]] == [["no cells found"]] * 2


def _fail():
    raise DrepanoError("cannot be segmented")


class TestFoldersAndStacks:
    def test_a_folder_that_cannot_be_read_fails_and_the_others_go_on(
        self, segmenter, fields, out, monkeypatch
    ):
        save(fields / "P2" / "c.png", ONE_CELL)
        scandir = os.scandir

        def without_permission(path):
            if Path(path) == fields / "P2":
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", without_permission)
        failed, *others = predict_fields([fields], out, segmenter)
        assert (
            failed.reason
            == f"{fields / 'P2'}: cannot be read (Permission denied); check it and its permissions"
        )
        assert [outcome.field.name for outcome in others] == ["a", "b"]
        assert not any(outcome.reason for outcome in others)

    def test_a_damaged_stack_with_pages_in_the_sheet_fails_and_the_others_go_on(
        self, segmenter, fields, out, tmp_path
    ):
        stack = save(fields / "s.tif", TWO_CELLS, ONE_CELL, ONE_CELL)
        stack.write_bytes(stack.read_bytes()[:100])
        sheet = tmp_path / "samples.csv"
        sheet.write_text("file,page,patient\na.png,,P\nb.tif,,P\ns.tif,1,P\ns.tif,3,P\n")
        outcomes = predict_fields([fields], out, segmenter, grouping=lambda found: read_samples(sheet, found))
        assert [bool(outcome.reason) for outcome in outcomes] == [False, False, True]
        assert outcomes[-1].reason.startswith(f"{stack}: ")

    def test_a_stack_is_fingerprinted_once(self, segmenter, out, tmp_path, monkeypatch):
        stack = save(tmp_path / "s.tif", TWO_CELLS, ONE_CELL, ONE_CELL)
        opened = []
        plain = hashlib.file_digest
        monkeypatch.setattr(hashlib, "file_digest", lambda *a: opened.append(a) or plain(*a))
        assert len(predict_fields([stack], out, segmenter)) == 3
        assert len(opened) == 1


class TestNames:
    def names(self, paths, out):
        return [field.name for field in list_fields(paths, out)[0]]

    def test_a_field_is_called_like_its_file(self, fields, out):
        assert self.names([fields], out) == ["a", "b"]

    def test_a_link_to_a_field_is_left_out_and_told_but_another_spelling_is_not(self, tmp_path, out):
        image = save(tmp_path / "p1" / "x.png", ONE_CELL)
        link = tmp_path / "p2" / "y.png"
        link.parent.mkdir()
        link.symlink_to(image)
        notes = []
        fields, _ = list_fields([image, image.parent / "../p1/x.png", link.parent], out, notes.append)
        assert [field.path for field in fields] == [image]
        assert notes == [f"left out, so that cells count once: {link} leads to {image}"]

    def test_a_link_in_the_same_folder_is_told_too(self, tmp_path, out):
        image = save(tmp_path / "all" / "p1" / "x.png", ONE_CELL)
        (tmp_path / "all" / "p2").mkdir()
        (tmp_path / "all" / "p2" / "y.png").symlink_to(image)
        notes = []
        fields, _ = list_fields([tmp_path / "all"], out, notes.append)
        assert [field.path for field in fields] == [image]
        assert "y.png leads to" in notes[0]

    def test_the_same_name_in_two_folders_gets_the_folder(self, tmp_path, out):
        paths = [save(tmp_path / folder / "x.png", ONE_CELL) for folder in ("p1", "p2")]
        assert self.names(paths, out) == ["p1-x", "p2-x"]

    def test_the_same_name_with_two_suffixes_gets_folder_and_suffix(self, tmp_path, out):
        paths = [save(tmp_path / "p" / name, ONE_CELL) for name in ("x.png", "x.tif", "y.png")]
        assert self.names(paths, out) == ["p-x-png", "p-x-tif", "y"]

    def test_names_that_differ_in_case_alone_are_the_same_on_some_disks(self, tmp_path, out):
        paths = [save(tmp_path / "p1" / "X.png", ONE_CELL), save(tmp_path / "p2" / "x.png", ONE_CELL)]
        assert self.names(paths, out) == ["p1-X", "p2-x"]

    def test_what_nothing_else_tells_apart_is_numbered(self, tmp_path, out):
        paths = [save(tmp_path / str(i) / "p" / "x.png", ONE_CELL) for i in range(3)]
        paths.append(save(tmp_path / "p-x-png-2.png", ONE_CELL))
        names = self.names(paths, out)
        assert names[:2] == ["p-x-png", "p-x-png-2"]
        assert len(set(names)) == 4

    def test_colliding_files_have_results_of_their_own(self, segmenter, tmp_path, out):
        paths = [save(tmp_path / "p1" / "x.png", ONE_CELL), save(tmp_path / "p2" / "x.png", TWO_CELLS)]
        predict_fields(paths, out, segmenter)
        assert files(out) == expected_files("p1-x", "p2-x")
        assert pd.read_csv(out / "cells.csv")["field"].tolist() == ["p1-x", "p2-x", "p2-x"]

    def test_a_field_keeps_its_name_when_others_come_or_go(self, segmenter, tmp_path, out):
        """As when a second patient is added, and the first one put away."""
        first, second = (save(tmp_path / folder / "x.png", ONE_CELL) for folder in ("p1", "p2"))
        for paths, names in (([first], ["x"]), ([first, second], ["x", "p2-x"]), ([second], ["p2-x"])):
            outcomes = predict_fields(paths, out, segmenter)
            assert [outcome.field.name for outcome in outcomes] == names
        assert segmenter.calls == 2

    def test_so_does_a_file_of_several_pages(self, segmenter, tmp_path, out):
        first, second = (save(tmp_path / folder / "x.tif", ONE_CELL, TWO_CELLS) for folder in ("p1", "p2"))
        predict_fields([first], out, segmenter)
        (out / RECORDS / "x.page001.json").unlink()
        assert self.names([first, second], out) == [
            "p1-x.page001",
            "x.page002",
            "p2-x.page001",
            "p2-x.page002",
        ]

    def test_and_one_that_was_numbered(self, segmenter, tmp_path, out):
        paths = [save(tmp_path / patient / "slide" / "x.png", ONE_CELL) for patient in ("p0", "p1", "p2")]
        predict_fields(paths[1:], out, segmenter)
        assert self.names(paths[:0:-1], out) == ["slide-x-png-2", "slide-x-png"]
        assert self.names(paths, out) == ["slide-x-png-3", "slide-x-png", "slide-x-png-2"]

    def test_every_page_is_a_field(self, segmenter, tmp_path, out):
        path = save(tmp_path / "stack.tif", TWO_CELLS, ONE_CELL, draw())
        outcomes = predict_fields([path], out, segmenter)
        assert files(out) == expected_files("stack.page001", "stack.page002", "stack.page003")
        assert [outcome.field.source for outcome in outcomes] == [
            f"{path} (page {page})" for page in (1, 2, 3)
        ]
        assert pd.read_csv(out / "summary.csv")["cells"].tolist() == [2, 1, 0]

    def test_a_page_does_not_take_the_place_of_a_file_of_that_name(self, tmp_path, out):
        paths = [
            save(tmp_path / "s.tif", ONE_CELL, TWO_CELLS),
            save(tmp_path / "s.page001.png", ONE_CELL),
        ]
        assert self.names(paths, out) == ["s.page001", "s.page002", "s.page001-2"]

    def test_a_file_given_twice_is_one_field(self, fields, out):
        assert self.names([fields, fields / "a.png"], out) == ["a", "b"]
        assert self.names(
            [fields, fields.parent / "." / fields.name / ".." / fields.name / "a.png"], out
        ) == [
            "a",
            "b",
        ]

    @pytest.mark.parametrize("where", [".", "results", "deep/results"])
    def test_results_among_the_fields_are_not_segmented_again(self, segmenter, fields, where):
        for _ in range(2):
            outcomes = predict_fields([fields], fields / where, segmenter)
            assert [outcome.field.name for outcome in outcomes] == ["a", "b"]
        assert segmenter.calls == 2

    def test_results_of_another_run_are_no_fields_either(self, segmenter, fields, out):
        predict_fields([fields], fields / "one", segmenter)
        assert len(predict_fields([fields], fields / "two", segmenter)) == 2

    @pytest.mark.parametrize(
        ("name", "formats"),
        [
            ("a.overlay.png", ()),
            ("patients.csv", ()),
            ("report.html", ()),
            ("coco.json", ("coco",)),
            ("a.geojson", ("geojson",)),
        ],
    )
    def test_a_file_of_the_users_is_not_written_over(self, segmenter, fields, name, formats):
        (fields / name).write_text("mine")
        with pytest.raises(DrepanoError, match=f"{name}: a result of that name would be written over it"):
            predict_fields([fields], fields, segmenter, options=Options(formats=formats))
        assert (fields / name).read_text() == "mine"
        assert not (fields / RECORDS).exists()
        assert segmenter.calls == 0

    @pytest.mark.parametrize("content", [None, "", "1", "{", "[[1]]"])
    def test_results_of_a_version_that_noted_no_files_are_known_by_its_records(
        self, segmenter, fields, out, content
    ):
        predict_fields([fields], out, segmenter)
        for noted in (out / RECORDS).glob("*files"):
            noted.unlink() if content is None else noted.write_text(content)
        outcomes = predict_fields([fields], out, segmenter, overwrite=True)
        assert not any(outcome.reason for outcome in outcomes)

    def test_after_an_interruption_a_file_of_the_users_is_still_theirs(self, segmenter, fields, out):
        def stop(call):
            raise KeyboardInterrupt

        segmenter.before = stop
        with pytest.raises(KeyboardInterrupt):
            predict_fields([fields], out, segmenter)
        (out / "patients.csv").write_text("mine")
        with pytest.raises(DrepanoError, match=r"patients\.csv: a result of that name"):
            predict_fields([fields], out, make_segmenter())
        assert (out / "patients.csv").read_text() == "mine"

    def test_so_it_is_in_the_place_of_a_result_that_was_removed(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter, options=Options(formats=("coco", "labels")))
        predict_fields([fields], out, segmenter, options=Options(cell_diameter=60))
        for name in ("coco.json", "a.labels.tif"):
            (out / name).write_text("mine")
        predict_fields([fields], out, segmenter)
        assert [(out / name).read_text() for name in ("coco.json", "a.labels.tif")] == ["mine", "mine"]

    @pytest.mark.parametrize("name", ["coco.json", "cells.parquet", "a.geojson"])
    def test_a_file_of_the_users_is_not_taken_for_a_stale_result(self, segmenter, fields, name):
        (fields / name).write_text("mine")
        for diameter in (None, 60):
            predict_fields([fields], fields, segmenter, options=Options(cell_diameter=diameter))
        assert (fields / name).read_text() == "mine"

    def test_a_name_that_is_too_long_or_no_utf8_costs_nothing_else(self, segmenter, fields, out):
        save(fields / ("n" * 245 + ".png"), TWO_CELLS)
        save(fields / "\udcff.png", TWO_CELLS)
        outcomes = predict_fields([fields], out, segmenter)
        assert sum(outcome.record is not None for outcome in outcomes) == 3
        assert (out / "report.html").is_file()

    def test_an_image_that_is_named_like_a_result_is_a_field(self, segmenter, fields):
        predict_fields([fields], fields, segmenter)
        save(fields / "mine.overlay.png", TWO_CELLS)
        outcomes = predict_fields([fields], fields, segmenter)
        assert [outcome.field.name for outcome in outcomes] == ["a", "b", "mine.overlay"]

    def test_a_folder_of_results_alone_holds_no_field(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        with pytest.raises(DrepanoError, match=f"{out}: only results of an earlier run"):
            predict_fields([out], out, segmenter)


class TestRerun:
    @pytest.fixture(autouse=True)
    def first_run(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        segmenter.calls = 0

    def rerun(self, segmenter, fields, out, **options):
        """Names of the fields that were done again, by three witnesses that must agree."""
        before, calls = stamps(out), segmenter.calls
        outcomes = predict_fields([fields], out, segmenter, **options)
        after = stamps(out)
        again = [outcome.field.name for outcome in outcomes if not outcome.skipped]
        for outcome in outcomes:
            name = outcome.field.name
            for file in (f"{name}.classes.png", f"{name}.overlay.png"):
                assert (before.get(file) != after[file]) == (name in again)
        assert segmenter.calls - calls == len(again)
        assert files(out) == expected_files("a", "b")
        return again

    def test_what_is_done_is_left_alone(self, segmenter, fields, out):
        tables = [(out / name).read_bytes() for name in ("cells.csv", "summary.csv")]
        assert self.rerun(segmenter, fields, out) == []
        assert [(out / name).read_bytes() for name in ("cells.csv", "summary.csv")] == tables

    def test_the_same_network_loaded_again_is_the_same(self, fields, out):
        assert self.rerun(make_segmenter(), fields, out) == []

    def test_overwrite_does_all_again(self, segmenter, fields, out):
        assert self.rerun(segmenter, fields, out, overwrite=True) == ["a", "b"]

    def test_a_changed_image_is_done_again(self, segmenter, fields, out):
        save(fields / "a.png", ONE_CELL)
        assert self.rerun(segmenter, fields, out) == ["a"]
        assert pd.read_csv(out / "summary.csv")["cells"].tolist() == [1, 1]

    def test_an_image_touched_but_not_changed_is_left_alone(self, segmenter, fields, out):
        (fields / "a.png").touch()
        assert self.rerun(segmenter, fields, out) == []

    def test_other_weights_do_all_again(self, fields, out):
        assert self.rerun(make_segmenter(darkness=1.0), fields, out) == ["a", "b"]

    def test_another_card_does_all_again(self, fields, out):
        assert self.rerun(make_segmenter(name="renamed"), fields, out) == ["a", "b"]

    def test_another_cell_diameter_does_all_again(self, segmenter, fields, out):
        assert self.rerun(segmenter, fields, out, options=Options(60)) == ["a", "b"]
        assert self.rerun(segmenter, fields, out, options=Options(60)) == []
        assert self.rerun(segmenter, fields, out) == ["a", "b"]

    def test_another_version_of_drepano_does_all_again(self, segmenter, fields, out, monkeypatch):
        monkeypatch.setattr("drepano.prediction.run.version", lambda package: "99.0.0")
        assert self.rerun(segmenter, fields, out) == ["a", "b"]

    @pytest.mark.parametrize("file", ["a.classes.png", "a.overlay.png", f"{RECORDS}/a.json"])
    def test_a_deleted_result_is_made_again(self, segmenter, fields, out, file):
        (out / file).unlink()
        assert self.rerun(segmenter, fields, out) == ["a"]

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", "\x00"])
    def test_a_damaged_record_is_made_again(self, segmenter, fields, out, content):
        (out / RECORDS / "a.json").write_text(content)
        assert self.rerun(segmenter, fields, out) == ["a"]
        assert json.loads((out / RECORDS / "a.json").read_text())["summary"]["cells"] == 2

    @pytest.mark.parametrize("file", ["cells.csv", "summary.csv", "report.html"])
    def test_tables_and_report_are_written_anew_without_segmenting(self, segmenter, fields, out, file):
        (out / file).unlink()
        assert self.rerun(segmenter, fields, out) == []

    def test_new_fields_join_the_old_ones(self, segmenter, fields, out):
        save(fields / "c.png", TWO_CELLS)
        outcomes = predict_fields([fields], out, segmenter)
        assert [outcome.skipped for outcome in outcomes] == [True, True, False]
        assert pd.read_csv(out / "summary.csv")["field"].tolist() == ["a", "b", "c"]

    def test_an_image_that_was_moved_is_not_done_again(self, segmenter, fields, out, tmp_path):
        moved = save(tmp_path / "moved" / "a.png", TWO_CELLS)
        assert predict_fields([moved], out, segmenter)[0].skipped

    def test_another_file_of_the_same_name_fails_and_takes_nothing_away(
        self, segmenter, fields, out, tmp_path
    ):
        """As when a second patient's folder is sent to the first one's results."""
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        other = save(tmp_path / "other" / "a.png", ONE_CELL)
        more = save(tmp_path / "other" / "new.png", ONE_CELL)
        refused, done = predict_fields([other, more], out, segmenter, overwrite=True)
        assert f"has results named a of another image, {fields / 'a.png'}" in refused.reason
        assert done.record is not None
        own = [path for path in before if path.name.startswith("a.")]
        assert len(own) == 4
        assert all(path.read_bytes() == before[path] for path in own)

    def test_results_that_the_user_has_removed_keep_no_name(self, segmenter, fields, out, tmp_path):
        for path in out.glob("a.*"):
            path.unlink()
        other = save(tmp_path / "other" / "a.png", ONE_CELL)
        assert predict_fields([other], out, segmenter)[0].record is not None

    def test_a_record_that_names_no_image_is_of_an_earlier_version(self, segmenter, fields, out, tmp_path):
        path = out / RECORDS / "a.json"
        record = json.loads(path.read_text())
        del record["image"]
        path.write_text(json.dumps(record))
        assert predict_fields([fields / "a.png"], out, segmenter)[0].skipped
        other = save(tmp_path / "other" / "a.png", ONE_CELL)
        assert predict_fields([other], out, segmenter)[0].record is not None

    def test_where_new_results_cannot_be_written_the_old_ones_stay(self, segmenter, fields, out, monkeypatch):
        before = {path: path.read_bytes() for path in out.glob("a.*")}

        def run_out(*args):
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr("drepano.prediction.one_field.write_class_map", run_out)
            (outcome,) = predict_fields([fields / "a.png"], out, segmenter, overwrite=True)
        assert "not enough memory" in outcome.reason
        assert f"earlier results named a are still in {out}" in outcome.reason
        assert {path: path.read_bytes() for path in out.glob("a.*")} == before
        assert not predict_fields([fields / "a.png"], out, segmenter)[0].skipped

    def test_an_image_that_was_changed_in_its_place_is_done_again(self, segmenter, fields, out):
        save(fields / "a.png", ONE_CELL)
        assert [one.skipped for one in predict_fields([fields], out, segmenter)] == [False, True]

    def test_tables_of_what_is_being_replaced_do_not_outlive_it(self, fields, out):
        """Killed after the first field: maps by new settings beside tables by old ones would deceive."""

        def stop(call):
            if call == 2:
                raise KeyboardInterrupt

        segmenter = make_segmenter(darkness=0.4)
        segmenter.before = stop
        with pytest.raises(KeyboardInterrupt):
            predict_fields([fields], out, segmenter)
        assert not {"cells.csv", "summary.csv", "patients.csv", "report.html"} & files(out)
        predict_fields([fields], out, make_segmenter(darkness=0.4))
        assert files(out) == expected_files("a", "b")

    @pytest.mark.parametrize("last", ["patients.csv", "report.html"])
    def test_tables_of_two_runs_never_stand_side_by_side(self, segmenter, fields, out, monkeypatch, last):
        def stop(path, text):
            if path.name == last:
                raise KeyboardInterrupt
            write_text(path, text)

        names = ("cells.csv", "summary.csv", "patients.csv", "report.html")
        before = {name: (out / name).read_text() for name in names}
        monkeypatch.setattr("drepano.prediction.tables.write_text", stop)
        monkeypatch.setattr("drepano.prediction.tables.write_report", lambda path, **_: stop(path, ""))
        with pytest.raises(KeyboardInterrupt):
            predict_fields([fields / "a.png"], out, segmenter)
        assert "summary.csv" in files(out)
        assert not [name for name in before.keys() & files(out) if (out / name).read_text() == before[name]]

    def test_tables_stay_while_fields_are_added(self, fields, out):
        save(fields / "c.png", ONE_CELL)
        segmenter = make_segmenter()

        def stop(call):
            raise KeyboardInterrupt

        segmenter.before = stop
        with pytest.raises(KeyboardInterrupt):
            predict_fields([fields], out, segmenter)
        assert files(out) == expected_files("a", "b")


def break_file(path: Path, how: str) -> None:
    """Spoil an image file."""
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"no image", "cut": data[: len(data) // 2]}[how])


class TestPathsWithoutFields:
    """A typing error in one path does not keep the others from being done."""

    def test_they_are_listed_as_failures_and_the_others_are_done(self, segmenter, fields, out, tmp_path):
        (tmp_path / "empty").mkdir()
        outcomes = predict_fields([tmp_path / "typo.png", tmp_path / "empty", fields], out, segmenter)
        assert [outcome.record is not None for outcome in outcomes] == [False, False, True, True]
        assert "typo.png: does not exist" in outcomes[0].reason
        assert "no image in this folder" in outcomes[1].reason
        assert "typo.png" in (out / "report.html").read_text()


class TestBrokenFields:
    broken = pytest.mark.parametrize("how", ["empty", "text", "cut"])

    @broken
    def test_the_others_are_done_and_the_report_says_why(self, segmenter, fields, out, how):
        bad = save(fields / "aa.png", TWO_CELLS)
        break_file(bad, how)
        outcomes = predict_fields([fields], out, segmenter)
        assert [outcome.field.name for outcome in outcomes] == ["a", "aa", "b"]
        assert [bool(outcome.reason) for outcome in outcomes] == [False, True, False]
        assert outcomes[1].record is None
        assert str(bad) in outcomes[1].reason
        assert "\n" not in outcomes[1].reason
        assert files(out) == expected_files("a", "b")
        assert pd.read_csv(out / "summary.csv")["field"].tolist() == ["a", "b"]
        assert str(bad) in (out / "report.html").read_text()

    def test_where_all_are_broken_there_are_empty_tables_and_a_report(self, segmenter, fields, out):
        for name in ("a.png", "b.tif"):
            break_file(fields / name, "text")
        outcomes = predict_fields([fields], out, segmenter)
        assert all(outcome.reason for outcome in outcomes)
        assert files(out) == expected_files()
        assert pd.read_csv(out / "cells.csv").columns.tolist() == CELL_COLUMNS
        assert len(pd.read_csv(out / "summary.csv")) == 0
        assert "b.tif" in (out / "report.html").read_text()

    @broken
    @pytest.mark.parametrize("name", ["a.png", "b.tif"])
    def test_a_field_that_turns_bad_is_in_no_table_and_its_old_maps_stay(
        self, segmenter, fields, out, how, name
    ):
        predict_fields([fields], out, segmenter)
        before = stamps(out)
        break_file(fields / name, how)
        predict_fields([fields], out, segmenter)
        assert stamps(out) == before
        assert pd.read_csv(out / "summary.csv")["file"].tolist() == [
            str(fields / ("b.tif" if name == "a.png" else "a.png"))
        ]
        (failure,) = pd.read_csv(out / "failures.csv").to_dict("records")
        assert failure["patient"] == fields.name
        assert failure["file"] == str(fields / name)
        assert name in failure["reason"]
        assert "earlier results named" in failure["reason"]

    def test_what_is_away_for_a_while_is_done_when_it_is_back(self, segmenter, fields, out):
        predict_fields([fields], out, segmenter)
        data = (fields / "a.png").read_bytes()
        break_file(fields / "a.png", "cut")
        predict_fields([fields], out, segmenter)
        (fields / "a.png").write_bytes(data)
        assert all(outcome.skipped for outcome in predict_fields([fields], out, segmenter))

    def test_paths_without_a_field_are_in_the_table_of_failures(self, segmenter, fields, out, tmp_path):
        predict_fields([tmp_path / "typo.png", fields], out, segmenter)
        (failure,) = pd.read_csv(out / "failures.csv").fillna("").to_dict("records")
        assert (failure["patient"], failure["file"]) == ("", str(tmp_path / "typo.png"))
        assert "does not exist" in failure["reason"]

    def test_an_image_that_goes_after_it_was_segmented_costs_no_table(self, segmenter, fields, out):
        def vanish(call):
            if call == 2:
                (fields / "a.png").unlink()

        segmenter.before = vanish
        outcomes = predict_fields([fields], out, segmenter)
        assert [outcome.reason for outcome in outcomes] == ["", ""]
        assert files(out) == expected_files("a", "b")
        assert "the image has gone since it was segmented" in (out / "report.html").read_text()

    def test_a_repaired_file_is_done(self, segmenter, fields, out):
        break_file(fields / "a.png", "cut")
        predict_fields([fields], out, segmenter)
        save(fields / "a.png", ONE_CELL)
        outcomes = predict_fields([fields], out, segmenter)
        assert [outcome.skipped for outcome in outcomes] == [False, True]
        assert files(out) == expected_files("a", "b")

    def test_a_file_that_vanishes_meanwhile_is_named(self, segmenter, fields, out):
        def vanish(call):
            (fields / "b.tif").unlink(missing_ok=True)

        segmenter.before = vanish
        outcomes = predict_fields([fields], out, segmenter)
        assert [bool(outcome.reason) for outcome in outcomes] == [False, True]
        assert str(fields / "b.tif") in outcomes[1].reason

    def test_a_field_too_large_for_the_memory_is_named(self, segmenter, fields, out):
        def run_out(call):
            if call == 1:
                raise MemoryError

        segmenter.before = run_out
        outcomes = predict_fields([fields], out, segmenter)
        assert "not enough memory" in outcomes[0].reason
        assert str(fields / "a.png") in outcomes[0].reason
        assert outcomes[1].record is not None


class TestInterruption:
    @pytest.mark.parametrize("stop_at", [1, 2, 3])
    def test_a_rerun_goes_on_where_it_stopped(self, segmenter, fields, out, stop_at):
        save(fields / "c.png", TWO_CELLS)

        def stop(call):
            if call == stop_at:
                raise KeyboardInterrupt

        segmenter.before = stop
        with pytest.raises(KeyboardInterrupt):
            predict_fields([fields], out, segmenter)
        assert files(out) == expected_files(*"abc"[: stop_at - 1]) - expected_files()

        undisturbed = make_segmenter()
        outcomes = predict_fields([fields], out, undisturbed)
        assert [outcome.skipped for outcome in outcomes] == [i + 1 < stop_at for i in range(3)]
        assert files(out) == expected_files("a", "b", "c")

        shutil.rmtree(out)
        whole = predict_fields([fields], out, make_segmenter())
        for outcome, other in zip(outcomes, whole, strict=True):
            np.testing.assert_equal(outcome.record.cells, other.record.cells)

    def test_a_field_interrupted_while_it_is_redone_is_not_taken_for_done(
        self, segmenter, fields, out, monkeypatch
    ):
        predict_fields([fields], out, segmenter)

        def stop(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("drepano.prediction.one_field.draw_overlay", stop)
            predict_fields([fields], out, segmenter, overwrite=True)
        outcomes = predict_fields([fields], out, make_segmenter())
        assert [outcome.skipped for outcome in outcomes] == [False, True]

    def test_an_interruption_between_the_maps_and_the_record_leaves_no_half_field(
        self, segmenter, fields, out, monkeypatch
    ):
        def stop(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("drepano.prediction.one_field.draw_overlay", stop)
            predict_fields([fields], out, segmenter)
        assert files(out) == {"a.classes.png", f"{RECORDS}/a.files"}
        assert not any(outcome.skipped for outcome in predict_fields([fields], out, segmenter))


class TestRefusals:
    """What no field can be done with stops the run before anything is written."""

    @pytest.mark.parametrize("diameter", [0, -5, float("nan")])
    def test_a_bad_diameter_costs_no_earlier_result(self, segmenter, fields, out, diameter):
        predict_fields([fields], out, segmenter)
        with pytest.raises(DrepanoError, match="give a number of pixels from 1 to 5000"):
            predict_fields([fields], out, segmenter, options=Options(diameter))
        assert files(out) == expected_files("a", "b")

    def test_a_folder_without_images(self, segmenter, tmp_path, out):
        (tmp_path / "empty").mkdir()
        with pytest.raises(DrepanoError, match=re.escape(f"{tmp_path / 'empty'}: no image in this folder")):
            predict_fields([tmp_path / "empty"], out, segmenter)
        assert not out.exists()

    def test_paths_without_any_field(self, segmenter, tmp_path, out):
        with pytest.raises(DrepanoError, match=r"none\.png: does not exist"):
            predict_fields([tmp_path / "none.png"], out, segmenter)
        assert not out.exists()

    def test_an_output_folder_that_is_a_file(self, segmenter, fields, tmp_path):
        target = tmp_path / "out.txt"
        target.write_text("mine")
        with pytest.raises(OutputError, match=r"out\.txt"):
            predict_fields([fields], target, segmenter)
        assert target.read_text() == "mine"
        assert segmenter.calls == 0

    def test_a_place_that_cannot_be_written_to_stops_the_run(self, segmenter, fields, out):
        segmenter.before = lambda call: (out / "a.classes.png").mkdir()
        with pytest.raises(OutputError, match=r"a\.classes\.png: cannot be written"):
            predict_fields([fields], out, segmenter)
        assert segmenter.calls == 1
