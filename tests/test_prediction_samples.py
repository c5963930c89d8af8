"""Whose field it is: sheets, patterns and folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from drepano.cells import counts_by_place
from drepano.errors import DrepanoError
from drepano.io import Plane
from drepano.prediction import FieldFile, match_samples, read_samples, samples_of_folders
from drepano.prediction.tables import places_of_groups

PATTERN = r"(?P<patient>P\d+)_(?P<time>\d+)h"
FIELDS = [
    FieldFile("a", Path("/data/P/a.png")),
    FieldFile("b", Path("/data/Q/b.png")),
    FieldFile("s.page001", Path("/data/Q/s.tif"), 0),
    FieldFile("s.page002", Path("/data/Q/s.tif"), 1),
]


def sheet(folder: Path, text: str) -> Path:
    path = folder / "samples.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(call, *arguments) -> str:
    with pytest.raises(DrepanoError) as error:
        call(*arguments)
    return str(error.value)


class TestSheet:
    def test_names_find_fields_wherever_they_are_and_pages_share_a_row(self, tmp_path):
        samples = read_samples(
            sheet(tmp_path, "file,patient,time\na.png,P1,0\nb.png, P1,6\ns.tif,P2,0\n"), FIELDS
        )
        assert samples.keys == ("patient", "time")
        assert samples.values == {
            "a": ("P1", "0"),
            "b": ("P1", "6"),
            "s.page001": ("P2", "0"),
            "s.page002": ("P2", "0"),
        }

    def test_paths_from_the_sheets_folder_tell_files_of_one_name_apart(self, tmp_path):
        fields = [FieldFile(f"{p}-x", tmp_path / p / "x.png") for p in "PQ"]
        path = sheet(tmp_path, "patient,file\n1,P/x.png\n2,Q/x.png\n")
        assert read_samples(path, fields).values == {"P-x": ("1",), "Q-x": ("2",)}
        message = refusal(read_samples, sheet(tmp_path, "file,patient\nx.png,1\n"), fields)
        assert "x.png could be any of 2 files of that name; write its path" in message

    def test_a_path_as_windows_writes_it_is_a_path(self, tmp_path):
        fields = [FieldFile(f"{p}-x", tmp_path / p / "x.png") for p in "PQ"]
        path = sheet(tmp_path, "patient,file\n1,P\\x.png\n2,Q\\x.png\n")
        assert read_samples(path, fields).values == {"P-x": ("1",), "Q-x": ("2",)}

    @pytest.mark.parametrize("name", ["M\u00fcller.png", "fields/M\u00fcller.png"])
    def test_a_name_is_the_same_as_macos_composes_it(self, tmp_path, name):
        """There ü is two characters."""
        field = FieldFile("m", tmp_path / "fields" / "Mu\u0308ller.png")
        assert read_samples(sheet(tmp_path, f"file,patient\n{name},1\n"), [field]).values == {"m": ("1",)}

    def test_one_time_is_one_however_it_is_written(self, tmp_path):
        path = sheet(tmp_path, "file,patient,Time,drug\na.png,01,6h,5\nb.png,1,6 hours,5.0\ns.tif,1,7h,5\n")
        values = read_samples(path, FIELDS).values
        assert values["a"] == ("01", "6h", "5")
        assert values["b"] == ("1", "6h", "5.0")
        assert values["s.page001"] == ("1", "7h", "5")

    def test_a_page_has_a_row_of_its_own_and_pages_without_one_are_left_out(self, tmp_path):
        path = sheet(tmp_path, "File,Page,Patient,time\na.png,,P1,0\nb.png,1,P1,6\ns.tif,2.0,P2,6\n")
        samples = read_samples(path, FIELDS)
        assert samples.keys == ("patient", "time")
        assert samples.values == {"a": ("P1", "0"), "b": ("P1", "6"), "s.page002": ("P2", "6")}

    def test_a_place_is_no_group_and_is_one_within_a_patient(self, tmp_path):
        path = sheet(tmp_path, "file,patient,time,Place\na.png,P1,0,x\nb.png,P1,6,x\ns.tif,P2,0,x\n")
        samples = read_samples(path, FIELDS)
        assert samples.keys == ("patient", "time")
        a, b, *pages = map(samples.place, FIELDS)
        assert a == b
        assert pages[0] == pages[1] != a

    def test_pages_without_rows_of_their_own_stay_apart_where_they_show_other_places(self, tmp_path):
        pages = [FieldFile(f"m.page00{n}", Path("/data/m.tif"), n, Plane(place=n // 2)) for n in range(4)]
        path = sheet(tmp_path, "file,patient,place\nm.tif,P1,x\n")
        first, second, third, fourth = map(read_samples(path, pages).place, pages)
        assert first == second != third == fourth

    def test_a_name_unites_pages_that_the_metadata_keep_apart(self, tmp_path):
        pages = [FieldFile(f"m.page00{n}", Path("/data/m.tif"), n, Plane(place=n)) for n in range(2)]
        path = sheet(tmp_path, "file,page,patient,place\nm.tif,1,P1,x\nm.tif,2,P1,x\n")
        assert len(set(map(read_samples(path, pages).place, pages))) == 1

    def test_pages_of_one_place_have_all_a_name_or_none(self, tmp_path):
        pages = [FieldFile(f"m.page00{n}", Path("/data/m.tif"), n, Plane(time=n)) for n in range(2)]
        path = sheet(tmp_path, "file,page,patient,place\nm.tif,1,P1,x\nm.tif,2,P1,\n")
        assert "names the place of some pages of m.tif" in refusal(read_samples, path, pages)

    def test_fields_of_a_group_that_a_name_unites_are_told(self, tmp_path):
        path = sheet(
            tmp_path, "file,patient,time,place\na.png,P1,0,Ward 3\nb.png,P1,0,Ward 3\ns.tif,P1,6,x\n"
        )
        pages = [*FIELDS[:2], FieldFile("s", Path("/data/Q/s.tif"))]
        assert read_samples(path, pages).united() == [
            "2 fields of P1 0 are of one place, Ward 3: shares take it once"
        ]

    def test_a_place_counts_once_at_a_time_and_again_at_another(self, tmp_path):
        rows = "file,patient,time,place\na.png,P1,0,x\nb.png,P1,0,x\ns.tif,P1,6,x\n"
        samples = read_samples(sheet(tmp_path, rows), FIELDS)
        fields = pd.DataFrame({"field": ["a", "b", "s.page001"], "place": ["a"] * 3, "Grl cells": [4, 6, 10]})
        counts = counts_by_place(places_of_groups(fields, samples), ["Grl"])
        assert sorted(counts["Grl cells"]) == [5, 10]

    def test_pages_of_which_nothing_is_said_are_taken_apart_and_that_is_told(self, tmp_path):
        pages = [FieldFile(f"m.page00{n}", Path("/data/m.tif"), n, Plane(n, stated=False)) for n in range(3)]
        whole = read_samples(sheet(tmp_path, "file,patient\nm.tif,P1\n"), pages)
        assert len(set(map(whole.place, pages))) == 3
        assert whole.taken_apart(pages) == [
            "/data/m.tif: does not say what its 3 pages show, so each is taken for a field of its own; if "
            "they show the same cells, name their place in a column place of --samples"
        ]
        for rows in (
            "file,page,patient,place\nm.tif,1,P1,x\nm.tif,2,P1,x\nm.tif,3,P1,x\n",
            "file,patient,place\nm.tif,P1,x\n",
        ):
            named = read_samples(sheet(tmp_path, rows), pages)
            assert named.taken_apart(pages) == []
            assert named.united() == ["3 fields of P1 are of one place, x: shares take it once"]
        stated = [FieldFile(f"m.page00{n}", Path("/data/m.tif"), n, Plane(n)) for n in range(3)]
        assert whole.taken_apart(stated) == []

    def test_times_that_cannot_be_read_are_told_where_there_are_several(self, tmp_path):
        def lines(*times):
            rows = "".join(f"{name}.png,P1,{time}\n" for name, time in zip("ab", times, strict=True))
            return read_samples(sheet(tmp_path, f"file,patient,time\n{rows}"), FIELDS[:2]).misspelt()

        assert lines("26-Nov-26", "Dec 3") == [
            "time: cannot tell what time is meant by 26-Nov-26, Dec 3, so it is put in the order of the "
            "alphabet; write 6, 6h, 06:30 or 2026-11-26"
        ]
        assert lines("6h", "26.11.2026") == lines("before", "before") == lines("", "6") == []

    def test_values_that_differ_in_case_alone_are_told(self, tmp_path):
        path = sheet(tmp_path, "file,patient,drug\na.png,P1,none\nb.png,p1,None\ns.tif,P1,x\n")
        assert read_samples(path, FIELDS).misspelt() == [
            "patient: P1 and p1 are taken for different ones; if they are the same, write them alike",
            "drug: none and None are taken for different ones; if they are the same, write them alike",
        ]

    def test_values_are_the_same_as_macos_composes_them(self, tmp_path):
        """There ü is two characters."""
        path = sheet(tmp_path, "file,patient\na.png,M\u00fcller\nb.png,Mu\u0308ller\n")
        values = read_samples(path, FIELDS[:2]).values
        assert values["a"] == values["b"]

    def test_null_characters_are_refused(self, tmp_path):
        message = refusal(read_samples, sheet(tmp_path, "file,patient\na\0.png,P1\n"), FIELDS[:1])
        assert "cannot be read as CSV (it has null characters)" in message

    def test_without_a_name_a_place_is_that_of_the_files_metadata(self, tmp_path):
        path = sheet(tmp_path, "file,patient,place\na.png,P1,x\nb.png,P1,\ns.tif,P1,\n")
        samples = read_samples(path, FIELDS)
        assert len({samples.place(field) for field in FIELDS}) == 3

    def test_blanks_around_values_and_a_comma_at_the_end_do_not_matter(self, tmp_path):
        path = sheet(tmp_path, "file, patient\na.png , P1 ,\n")
        assert read_samples(path, FIELDS[:1]).values == {"a": ("P1",)}

    def test_a_sheet_as_a_spreadsheet_program_writes_it(self, tmp_path):
        path = sheet(tmp_path, "\ufefffile,patient\r\na.png,Å\r\n")
        assert read_samples(path, FIELDS[:1]).values == {"a": ("Å",)}

    def test_empty_columns_and_rows_of_a_spreadsheet_are_left_out_and_short_rows_filled(self, tmp_path):
        path = sheet(tmp_path, "file,patient,time,,\na.png,P,0,,\n,,,,\nb.png,P\n")
        samples = read_samples(path, FIELDS[:2])
        assert samples.keys == ("patient", "time")
        assert samples.values == {"a": ("P", "0"), "b": ("P", "")}

    def test_a_file_whose_pages_are_not_known_may_have_any(self, tmp_path):
        damaged = [FieldFile("d", Path("/data/d.tif"), pages_known=False)]
        path = sheet(tmp_path, "file,page,patient\nd.tif,1,P\nd.tif,3,P\n")
        assert read_samples(path, damaged).values == {"d": ("P",)}

    def test_a_link_is_found_by_its_own_name_and_by_that_of_its_file(self, tmp_path):
        (tmp_path / "0001.png").touch()
        (tmp_path / "slides").mkdir()
        link = tmp_path / "slides" / "slide1.png"
        link.symlink_to(tmp_path / "0001.png")
        (tmp_path / "elsewhere").mkdir()
        for name in ("slide1.png", "0001.png"):
            path = sheet(tmp_path / "elsewhere", f"file,patient\n{name},P\n")
            assert read_samples(path, [FieldFile("slide1", link)]).values == {"slide1": ("P",)}

    def test_rows_without_a_field_are_failures_of_their_own(self, tmp_path):
        path = sheet(tmp_path, "file,patient\na.png,P\nlost.png,P\n")
        (failure,) = read_samples(path, FIELDS[:1]).failures
        assert failure.source == str(path)
        assert failure.reason == f"{path}: lost.png is not among the fields given; correct the name"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file,patient\na.png,P\n", "has no row for 3 of 4 fields (b.png, s.tif, s.tif); correct it"),
            ("file,who\na.png,P\n", "has no column 'patient' (it has file, who)"),
            ("file,patient\na.png,\n", "row 2 has no file or no patient"),
            ("file,patient\na.png,P\na.png,Q\n", "names a.png twice"),
            ("file,page,patient\ns.tif,1,P\ns.tif,1,Q\n", "names s.tif, page 1, twice"),
            ("file,page,patient\ns.tif,1,P\ns.tif,,Q\n", "names s.tif twice"),
            ("file,page,patient\ns.tif,3,P\n", "s.tif has no page 3; its pages are 1 to 2"),
            ("file,page,patient\ns.tif,last,P\n", "s.tif has no page last; its pages are 1 to 2"),
            ("file,page,patient\na.png,2,P\n", "a.png has no page 2; its only page is 1"),
            ("file,page,patient\ns.tif,1,P\n", "has no row for 2 of 2 fields (a.png, b.png)"),
            ("", "has no column 'file' (it has none)"),
            ("file,patient\na.png,P,0\n", "row 2 has a value in a column without a name"),
            ("file,patient,,\na.png,P,,slow\n", "row 2 has a value in a column without a name"),
            ("file,patient,time,time\na.png,P,0,1\n", "has two columns 'time'"),
            ('file,patient\n"a.png', "cannot be read as CSV"),
        ],
    )
    def test_a_bad_sheet_is_refused_in_one_line(self, tmp_path, text, message):
        path = sheet(tmp_path, text)
        said = refusal(read_samples, path, FIELDS)
        assert message in said
        assert str(path) in said
        assert "\n" not in said

    def test_a_sheet_that_is_not_there_or_no_text(self, tmp_path):
        assert "there is no such file" in refusal(read_samples, tmp_path / "no.csv", FIELDS)
        (tmp_path / "samples.csv").write_bytes(b"\xff\xfe\x00\x01")
        assert "cannot be read as CSV" in refusal(read_samples, tmp_path / "samples.csv", FIELDS)


class TestPattern:
    def test_groups_of_the_pattern_become_keys(self):
        fields = [FieldFile(name, Path(f"{name}.png")) for name in ("P1_0h", "P1_12h_b")]
        samples = match_samples(PATTERN, fields)
        assert samples.keys == ("patient", "time")
        assert samples.values == {"P1_0h": ("P1", "0"), "P1_12h_b": ("P1", "12")}

    def test_a_group_place_is_no_key(self):
        fields = [FieldFile(name, Path(f"{name}.png")) for name in ("P1_x_0h", "P1_x_6h", "P1_y_6h")]
        samples = match_samples(r"(?P<patient>P\d)_(?P<place>\w)_(?P<time>\d)h", fields)
        assert samples.keys == ("patient", "time")
        first, second, other = map(samples.place, fields)
        assert first == second != other

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ("(", "no regular expression"),
            (r"(\w+)", "has no group called patient"),
            (r"(?P<patient>X\d)?", "does not fit 4 of 4 fields"),
            (r"(?P<patient>X\d)", "does not fit 4 of 4 fields (a.png, b.png, s.tif, ...)"),
        ],
    )
    def test_a_bad_pattern_is_refused_in_one_line(self, pattern, message):
        assert message in refusal(match_samples, pattern, FIELDS)


class TestFolders:
    def test_a_folder_is_a_patient(self):
        assert samples_of_folders(FIELDS).values["s.page002"] == ("Q",)

    def test_a_folder_of_links_is_a_patient_wherever_the_files_are(self, tmp_path):
        (tmp_path / "archive").mkdir()
        for patient in "PQ":
            (tmp_path / patient).mkdir()
            (tmp_path / "archive" / f"{patient}.png").touch()
            (tmp_path / patient / "x.png").symlink_to(tmp_path / "archive" / f"{patient}.png")
        fields = [FieldFile(patient, tmp_path / patient / "x.png") for patient in "PQ"]
        assert samples_of_folders(fields).values == {"P": ("P",), "Q": ("Q",)}

    def test_folders_of_one_name_are_told_apart_by_those_above(self):
        fields = [FieldFile(p, Path(f"/data/{p}/images/x.png")) for p in "PQ"]
        assert samples_of_folders(fields).values == {"P": ("P/images",), "Q": ("Q/images",)}


def test_keys_stand_after_the_fields_name_as_text(tmp_path):
    samples = match_samples(PATTERN, [FieldFile(name, Path(f"{name}.png")) for name in ("P01_12h", "P01_6h")])
    joined = samples.join(pd.DataFrame({"field": ["P01_6h", "P01_12h"], "cells": [1, 2]}, index=[7, 9]))
    assert list(joined.columns) == ["field", "patient", "time", "cells"]
    assert joined.to_dict("list") == {
        "patient": ["P01", "P01"],
        "time": ["6", "12"],
        "field": ["P01_6h", "P01_12h"],
        "cells": [1, 2],
    }
