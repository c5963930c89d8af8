"""The report of a run as one HTML file."""

import base64
import io
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drepano.cells import compare_groups, no_cells, summarise_field, summarise_groups
from drepano.errors import DrepanoError
from drepano.io import read_image
from drepano.reports import Failure, Groups, OutlinedCell, ReportedField, write_report
from drepano.taxonomy import BINARY, SCD, Taxonomy

MODEL = {
    "name": "drepano-scd",
    "architecture": {"name": "deformable_unet", "channels": [32, 64]},
    "classes": list(SCD.classes),
    "cell_diameter": 45.0,
    "data": [{"name": "xu2017", "fields": 400, "licence": "none stated", "patients": []}],
    "metrics": [{"name": "mean F1", "value": 0.87341, "conditions": "whole patients held out"}],
    "notes": "",
    "version": "0.1.0",
}
SCRIPT = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would make of the file: its tags, and the text outside of its style sheet."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, tag: str, name: str) -> list[str]:
        return [
            attributes[name] or "" for found, attributes in self.tags if found == tag and name in attributes
        ]


def summary_of(counts: dict[str, tuple[int, ...]], taxonomy: Taxonomy = SCD) -> pd.DataFrame:
    names = taxonomy.cell_classes
    columns = ["field", "cells", "density_per_megapixel", "mean_area_px", "whole_cells"]
    columns += [f"{name} {what}" for name in names for what in ("cells", "fraction")]
    rows = []
    for field, row in counts.items():
        cells = sum(row)
        pairs = [number for count in row for number in (count, count / cells if cells else np.nan)]
        rows.append([field, cells, 100.0 * cells, 1500.0 if cells else np.nan, cells, *pairs])
    return pd.DataFrame(rows, columns=columns)


def no_groups(taxonomy: Taxonomy) -> Groups:
    rows = pd.DataFrame(columns=["patient", "field", *summarise_field(no_cells(taxonomy), (1, 1), taxonomy)])
    return groups_of(rows, no_cells(taxonomy).assign(field=[]), ("patient",), taxonomy)


def groups_of(
    rows: pd.DataFrame, cells: pd.DataFrame, keys: tuple[str, ...], taxonomy: Taxonomy, confusion: Any = None
) -> Groups:
    table = summarise_groups(rows, cells, keys, taxonomy, confusion)
    return Groups(table, compare_groups(rows, keys, taxonomy, confusion), keys, precision=0.05)


RING = (100, 50, 160, 50, 160, 90, 100, 90)


def cell(number: int = 1, name: str = "Dic+Ovl", probability: float = 0.9, **changes: Any) -> OutlinedCell:
    known = {"uncertain": False, "whole": True, "ring": RING} | changes
    return OutlinedCell(number, name, probability, **known)


def reported(
    name: str, source: str, image: Any, warnings: tuple[str, ...] = (), cells: tuple[OutlinedCell, ...] = ()
) -> ReportedField:
    return ReportedField(name, source, image, cells, warnings, 1.0)


@pytest.fixture
def overlay() -> Any:
    """Reads a field of one colour."""
    return lambda: np.full((500, 2000, 3), (10, 200, 30), np.uint8)


def report(
    folder: Path,
    fields: list[ReportedField],
    summary: pd.DataFrame,
    failures: tuple[Failure, ...] = (),
    taxonomy: Taxonomy = SCD,
    **changes: Any,
) -> Page:
    given: dict[str, Any] = {
        "title": "Slides of March",
        "groups": no_groups(taxonomy),
        "cells": no_cells(taxonomy),
        "model": MODEL,
        "settings": {"device": "cpu"},
    } | changes
    path = folder / "report.html"
    write_report(path, fields=fields, failures=failures, summary=summary, taxonomy=taxonomy, **given)
    return Page(path)


def test_headline_numbers_count_every_cell_once(tmp_path: Path, overlay: Any) -> None:
    fields = [reported(name, f"{name}.tif", overlay, ()) for name in ("a", "b")]
    page = report(tmp_path, fields, summary_of({"a": (900, 50, 0, 50), "b": (300, 0, 0, 0)}))
    assert "2 fields" in page.text
    assert "0 failed" in page.text
    assert "1,300 cells" in page.text
    assert "92.3 % Dic+Ovl 1,200 of 1,300 cells" in page.text


def test_table_has_a_row_a_field_and_one_for_all(tmp_path: Path, overlay: Any) -> None:
    page = report(tmp_path, [reported("a", "a.tif", overlay, ())], summary_of({"a": (3, 1, 0, 0)}))
    assert "a 4 400 1,500 3 75.0 % 1 25.0 % 0 0.0 % 0 0.0 %" in page.text
    assert "All fields 4 – 1,500 3 75.0 % 1 25.0 % 0 0.0 % 0 0.0 %" in page.text


def test_shares_of_all_fields_take_a_place_that_is_shown_again_once(tmp_path: Path, overlay: Any) -> None:
    counts = {f"layer {number}": (45, 5, 0, 0) for number in range(5)} | {"other": (25, 25, 0, 0)}
    summary = summary_of(counts).assign(place=["layer 0"] * 5 + ["other"])
    page = report(tmp_path, [reported(name, name, overlay) for name in counts], summary)
    assert "30.0 % El+Sk 50 of 300 cells" in page.text
    assert "All fields 300 – 1,500 250 70.0 % 50 30.0 %" in page.text
    assert ">30</text>" in page.source


def test_page_loads_nothing(tmp_path: Path, overlay: Any) -> None:
    fields = [reported("a", "a.tif", overlay, cells=(cell(), cell(2, probability=0.5)))]
    page = report(tmp_path, fields, summary_of({"a": (3, 1, 0, 0)}))
    assert not re.search(r"https?://|url\(|@import|fetch|XMLHttpRequest", page.source)
    assert {"link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    assert page.attributes("script", "src") == []
    pictures = [*page.attributes("img", "src"), *page.attributes("image", "href")]
    assert len(pictures) == 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert all(target.startswith("#") for target in page.attributes("a", "href"))


def test_fields_are_embedded_at_most_1600_pixels_wide(tmp_path: Path, overlay: Any) -> None:
    page = report(tmp_path, [reported("a", "a.tif", overlay)], summary_of({"a": (3, 1, 0, 0)}))
    (source,) = page.attributes("image", "href")
    picture = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    assert (picture.format, picture.size) == ("JPEG", (1600, 400))
    assert np.abs(np.asarray(picture, dtype=int) - (10, 200, 30)).max() <= 3
    assert "Field a with its cells outlined: 3 Dic+Ovl, 1 El+Sk, 0 Grl, 0 Ret+Sto+Ech" in page.attributes(
        "svg", "aria-label"
    )


def test_many_fields_are_embedded_smaller(tmp_path: Path, overlay: Any) -> None:
    names = [f"f{number}" for number in range(64)]
    fields = [reported(name, f"{name}.tif", overlay) for name in names]
    page = report(tmp_path, fields, summary_of(dict.fromkeys(names, (1, 0, 0, 0))))
    picture = Image.open(io.BytesIO(base64.b64decode(page.attributes("image", "href")[0].split(",")[1])))
    assert picture.size == (800, 200)


def test_two_hundred_fields_of_many_cells_are_less_than_20_mb(tmp_path: Path) -> None:
    """Noise as strong as in real fields, and outlines of 28 corners, as `drepano predict` leaves them."""
    rng = np.random.default_rng(0)
    noisy = rng.normal(160, 4, (480, 640, 1)).repeat(3, axis=2).clip(0, 255).astype(np.uint8)
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    ring = np.column_stack([60 + 50 * np.cos(angles), 60 + 50 * np.sin(angles)]).round().astype(int)
    cells = tuple(cell(number, ring=tuple(ring.ravel().tolist())) for number in range(136))
    names = [f"f{number}" for number in range(200)]
    fields = [reported(name, f"{name}.tif", lambda: noisy, cells=cells) for name in names]
    report(tmp_path, fields, summary_of(dict.fromkeys(names, (136, 0, 0, 0))))
    assert (tmp_path / "report.html").stat().st_size < 20e6


def test_outlines_are_drawn_in_pixels_of_the_image_by_class(tmp_path: Path, overlay: Any) -> None:
    fields = [reported("a", "a.tif", overlay, cells=(cell(), cell(7, "El+Sk", 0.41, uncertain=True)))]
    page = report(tmp_path, fields, summary_of({"a": (1, 1, 0, 0)}))
    assert 'viewBox="0 0 2000 500"' in page.source
    assert '<path class="k1" d="M100,50l60,0 0,40 -60,0z"><title>1: Dic+Ovl, 0.90</title>' in page.source
    assert '<path class="k2 uncertain"' in page.source
    assert page.attributes("input", "id") == ["show-1", "show-2", "show-3", "show-4"]


def test_the_gallery_has_the_surest_and_the_least_sure_whole_cells(tmp_path: Path, overlay: Any) -> None:
    probabilities = [0.3 + number / 50 for number in range(30)]
    cells = tuple(cell(number + 1, probability=p) for number, p in enumerate(probabilities))
    cut = cell(99, "El+Sk", whole=False)
    fields = [reported("a", "a.tif", overlay, cells=(*cells, cut))]
    page = report(tmp_path, fields, summary_of({"a": (30, 1, 0, 0)}))
    shown = page.attributes("img", "alt")
    assert len(shown) == 16
    assert shown[0] == "Dic+Ovl, cell 30 of a"
    assert shown[8] == "Dic+Ovl, cell 1 of a"
    assert not any("cell 99" in text for text in shown)


def test_no_cell_is_both_surest_and_least_sure(tmp_path: Path, overlay: Any) -> None:
    fields = [
        reported("a", "a.tif", overlay, cells=(cell(1), cell(2, probability=0.4), cell(3, probability=0.6)))
    ]
    page = report(tmp_path, fields, summary_of({"a": (3, 0, 0, 0)}))
    assert [text.split()[2] for text in page.attributes("img", "alt")] == ["1", "3", "2"]


def test_size_and_shape_are_drawn_where_there_are_whole_cells(tmp_path: Path, overlay: Any) -> None:
    cells = no_cells(SCD).reindex(range(20)).assign(**{"class": "Grl"}, touches_border=False)
    cells = cells.assign(area_px=np.arange(20), aspect_ratio=1.2, circularity=0.9)
    page = report(tmp_path, [], summary_of({}), cells=cells)
    assert "Size and shape" in page.text
    assert "area, px" in page.text
    page = report(tmp_path, [], summary_of({}), cells=cells.assign(touches_border=True))
    assert "Size and shape" not in page.text


def test_the_page_has_a_paragraph_for_a_paper(tmp_path: Path) -> None:
    page = report(tmp_path, [], summary_of({}))
    assert "network drepano-scd, a convolutional network trained on xu2017" in page.text
    assert "Corrected shares" not in page.text
    page = report(tmp_path, [], summary_of({}), model=MODEL | {"cell_confusion": [[[1]]]})
    assert "Corrected shares" in page.text


def test_names_cannot_smuggle_in_markup(tmp_path: Path, overlay: Any) -> None:
    hostile = f'"{SCRIPT}'
    page = report(
        tmp_path,
        [reported(hostile, hostile, overlay, (hostile,))],
        summary_of({hostile: (3, 1, 0, 0)}),
        (Failure(hostile, hostile),),
        title=hostile,
        model=MODEL | {hostile: hostile, "name": hostile, "notes": hostile},
        settings={hostile: hostile},
    )
    assert page.source.count("<script") == 1, "our own"
    assert page.text.count(SCRIPT) >= 10
    assert not [name for _, attributes in page.tags for name in attributes if "script" in name]


def test_failures_stand_before_the_counts_with_their_reasons(tmp_path: Path, overlay: Any) -> None:
    failures = (Failure("notes.txt", "not an image"), Failure("cut.tif", "ends too early"))
    fields = [reported("a", "a.tif", overlay, ())]
    page = report(tmp_path, fields, summary_of({"a": (3, 1, 0, 0)}), failures)
    assert "2 failed" in page.text
    assert "2 files not in the counts" in page.text
    assert "notes.txt not an image" in page.text and "cut.tif ends too early" in page.text
    assert page.text.index("not in the counts") < page.text.index("Counts")


def test_without_failures_none_are_spoken_of(tmp_path: Path, overlay: Any) -> None:
    page = report(tmp_path, [reported("a", "a.tif", overlay, ())], summary_of({"a": (3, 1, 0, 0)}))
    assert "not in the counts" not in page.text
    assert "before trusting" not in page.text


def test_warnings_are_listed_and_lead_to_their_field(tmp_path: Path, overlay: Any) -> None:
    fields = [
        reported("a", "a.tif", overlay, ()),
        reported("b", "b.tif", overlay, ("out of focus",)),
    ]
    page = report(tmp_path, fields, summary_of({"a": (3, 1, 0, 0), "b": (1, 0, 0, 0)}))
    assert "1 field to look at before trusting the counts b out of focus" in page.text
    assert page.text.count("out of focus") == 2
    assert page.attributes("figure", "id") == ["field-1", "field-2"]
    assert page.attributes("a", "href")[0] == "#field-2"


def test_page_says_how_it_was_made(tmp_path: Path, overlay: Any) -> None:
    page = report(tmp_path, [reported("a", "a.tif", overlay, ())], summary_of({"a": (3, 1, 0, 0)}))
    made = page.text[page.text.index("How this was made") :]
    assert "Cell diameter, px 45" in made
    assert "Channels 32, 64" in made
    assert "Name Fields Licence Patients xu2017 400 none stated –" in made
    assert "mean F1 0.8734 whole patients held out" in made
    assert "Device cpu" in made
    assert "Python" in made and "Drepano 0." in made


def test_page_is_for_research_only(tmp_path: Path) -> None:
    page = report(tmp_path, [], summary_of({}))
    assert page.text.count("Research use only. Not for diagnosis.") == 2


def test_no_fields_make_a_page_of_failures(tmp_path: Path) -> None:
    page = report(tmp_path, [], summary_of({}), (Failure("a.tif", "empty file"),))
    assert "0 fields" in page.text and "a.tif empty file" in page.text
    assert "No field was segmented." in page.text
    assert "nan" not in page.text


def test_fields_without_cells_have_dashes_for_shares(tmp_path: Path, overlay: Any) -> None:
    page = report(tmp_path, [reported("a", "a.tif", overlay, ())], summary_of({"a": (0, 0, 0, 0)}))
    assert "a 0 0 – 0 – 0 – 0 – 0 –" in page.text
    assert "no cells" in page.text
    assert "nan" not in page.text


def test_one_class_of_cells_has_no_shares_to_show(tmp_path: Path, overlay: Any) -> None:
    fields = [reported("a", "a.tif", overlay, ())]
    page = report(tmp_path, fields, summary_of({"a": (7,)}, BINARY), taxonomy=BINARY)
    assert "7 cells" in page.text
    assert "100.0 %" not in page.text
    assert "intervals of shares" not in page.text


def test_names_that_are_no_text_are_shown_all_the_same(tmp_path: Path, overlay: Any) -> None:
    field = reported("a", "\udcff.tif", overlay, ())
    page = report(tmp_path, [field], summary_of({"a": (3, 1, 0, 0)}))
    assert "\\udcff.tif" in page.text


def test_a_field_that_the_summary_lacks_is_refused(tmp_path: Path, overlay: Any) -> None:
    with pytest.raises(DrepanoError, match="no row for field 'b'"):
        report(tmp_path, [reported("b", "b.tif", overlay, ())], summary_of({"a": (3, 1, 0, 0)}))


def test_an_image_that_can_no_longer_be_read_leaves_no_half_a_page(tmp_path: Path) -> None:
    lost = partial(read_image, tmp_path / "lost.png")
    with pytest.raises(DrepanoError, match=r"lost\.png"):
        report(tmp_path, [reported("a", "a.tif", lost)], summary_of({"a": (3, 1, 0, 0)}))
    assert list(tmp_path.iterdir()) == []


def test_reports_import_without_the_heavy_libraries() -> None:
    heavy = ("torch", "matplotlib", "jinja2", "skimage", "scipy", "pandas")
    code = f"import sys, drepano.reports; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def patients(*fields: tuple[str, Any, int, int], confusion: Any = None) -> Groups:
    """Groups of fields given by patient, time, and numbers of Dic+Ovl and El+Sk."""
    cells, rows = [], []
    for number, (patient, time, round_cells, sickled) in enumerate(fields):
        classes = ["Dic+Ovl"] * round_cells + ["El+Sk"] * sickled
        table = no_cells(SCD).reindex(range(len(classes)))
        table = table.assign(**{"class": classes, "area_px": 100}, uncertain=False)
        table = table.assign(touches_border=False, touches_cell=False, bbox_top_px=1, bbox_left_px=1)
        cells.append(table.assign(field=str(number)))
        row = summarise_field(table, (1000, 1000), SCD)
        rows.append({"field": str(number), "patient": patient, "time": time, **row})
    return groups_of(pd.DataFrame(rows), pd.concat(cells), ("patient", "time"), SCD, confusion)


def test_patients_have_their_sickled_share_with_both_intervals(tmp_path: Path) -> None:
    groups = patients(("P1", 0, 40, 10), ("P1", 0, 30, 20), ("P1", 6, 45, 5), confusion=np.eye(4) * 100)
    page = report(tmp_path, [], summary_of({}), groups=groups)
    assert "By patient, time" in page.text
    row = groups.table.iloc[0]
    interval = f"{100 * row['El+Sk low']:.1f} to {100 * row['El+Sk high']:.1f} %"
    assert f"P1, time 0 2 100 0 50 a megapixel 100 ± 0 px 30.0 % {interval}" in page.text
    assert "P1, time 6 1 50 0 50 a megapixel 100 ± 0 px 10.0 % – 4.3 to 21.4 %" in page.text
    assert "Of P1, time 6 there is one place with cells" in page.text


def test_of_a_correction_nothing_is_said_where_there_is_none(tmp_path: Path) -> None:
    fields = [("P1", 0, 40, 10), ("P1", 0, 30, 20)]
    without = report(tmp_path, [], summary_of({}), groups=patients(*fields)).text
    assert "Corrected" not in without
    corrected = report(tmp_path, [], summary_of({}), groups=patients(*fields, confusion=np.eye(4) * 100)).text
    assert corrected.count("Corrected") == 2, "the head of the column and what it means"


def test_differences_and_time_course_are_shown_where_there_are_some(tmp_path: Path) -> None:
    fields = [("P1", time, 40, 5 + 5 * time) for time in (0, 2, 2, 0)]
    page = report(tmp_path, [], summary_of({}), groups=patients(*fields))
    assert "El+Sk, time 0 and 2 (patient P1): 11.1 % and 27.3 %, +16.2 points (" in page.text
    assert "Share of El+Sk against time" in page.text
    labels = page.attributes("svg", "aria-label")
    assert "Share of El+Sk against time" in labels
    assert "Share of each class of cells with its interval, by group" in labels


def test_groups_of_patients_are_compared_and_counted(tmp_path: Path) -> None:
    """Falls of the share by 0.10, 0.11 and 0.12 from one time to the other."""
    shares = {"P1": (200, 100), "P2": (500, 390), "P3": (800, 680)}
    fields = [(p, time, 1000 - both[time], both[time]) for p, both in shares.items() for time in (0, 1)]
    page = report(tmp_path, [], summary_of({}), groups=patients(*fields))
    said = "50.0 % and 39.0 %, -11.0 points (-13.5 to -8.5, 3 and 3 patients), more than chance."
    assert f"El+Sk, time 0 and 1: {said}" in page.text


def test_two_fields_that_differ_do_not_make_a_difference_more_than_chance(tmp_path: Path) -> None:
    fields = [("P1", 0, 50, 0), ("P1", 0, 40, 10), ("P1", 1, 40, 10), ("P1", 1, 0, 50)]
    page = report(tmp_path, [], summary_of({}), groups=patients(*fields))
    assert "2 and 2 fields), not told apart from chance." in page.text


def test_how_many_fields_are_wanting_is_said_in_words(tmp_path: Path) -> None:
    groups = patients(("P1", 0, 40, 10), ("P1", 0, 30, 20), ("P2", 0, 40, 10))
    needed = int(groups.table["fields_for_precision"][0])
    page = report(tmp_path, [], summary_of({}), groups=groups)
    assert f"Fields wanting: P1, time 0: {needed - 2} more." in page.text


def test_warned_fields_are_counted_with_their_patient(tmp_path: Path) -> None:
    groups = patients(("P1", 0, 4, 1), ("P1", 0, 4, 1))
    groups.table["fields_with_warnings"] = 1
    page = report(tmp_path, [], summary_of({}), groups=groups)
    assert "P1, time 0 2 (1 with a warning) 10" in page.text


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            ("0h", "24 h"),
            "Lines are shares as counted with their intervals, dotted where only the binomial one is known.",
        ),
        (("0", "6", "later"), "Not drawn, since they are no times: later."),
        (("0", "6h", "1 day"), "time, d"),
        (("2026-01-05", "2026-01-12"), "time, days since 2026-01-05"),
        (("6h", "3 visits"), "No time course: the times have units that have nothing in common"),
    ],
)
def test_times_may_have_a_unit_and_what_is_not_drawn_is_said(
    tmp_path: Path, times: tuple[str, ...], said: str
) -> None:
    groups = patients(*(("P1", time, 40, 5) for time in times))
    assert said in report(tmp_path, [], summary_of({}), groups=groups).text


def test_the_axis_of_times_has_their_unit(tmp_path: Path) -> None:
    page = report(tmp_path, [], summary_of({}), groups=patients(("P1", "0h", 4, 5), ("P1", "6h", 4, 5)))
    assert "time, h" in page.text


def test_without_a_second_time_there_is_no_course(tmp_path: Path) -> None:
    page = report(tmp_path, [], summary_of({}), groups=patients(("P1", 0, 4, 5), ("P2", 6, 4, 5)))
    assert "against time" not in page.text


def test_without_a_time_nothing_is_said_of_lines(tmp_path: Path) -> None:
    groups = patients(*(("P1", time, 40, 5) for time in "abcd"))
    text = report(tmp_path, [], summary_of({}), groups=groups).text
    assert "Not drawn, since they are no times: a, b, c, ..." in text
    assert "Lines are shares" not in text


def test_why_there_is_no_time_course_is_said(tmp_path: Path) -> None:
    """Slides tell groups of one time apart."""
    rows = [("P1", "0", 40, 10), ("P1", "0", 30, 20), ("P1", "6", 45, 5), ("P1", "6", 40, 5)]
    groups = patients(*rows)
    table = groups.table.loc[[0, 0, 1, 1]].assign(slide=["a", "b", "a2", "b2"])
    page = report(
        tmp_path, [], summary_of({}), groups=replace(groups, table=table, keys=("patient", "time", "slide"))
    )
    said = "No time course: there are several groups at one time, which differ in slide; leave these columns"
    assert said in page.text


def test_shares_of_several_groups_together_say_that_they_are(tmp_path: Path) -> None:
    summary = summary_of({"0": (40, 10, 0, 0), "1": (30, 20, 0, 0)})
    one = report(tmp_path, [], summary, groups=patients(("P1", 0, 40, 10), ("P1", 0, 30, 20)))
    assert "all groups together" not in one.text
    two = report(tmp_path, [], summary, groups=patients(("P1", 0, 40, 10), ("P2", 0, 30, 20)))
    assert "70 of 100 cells, all groups together" in two.text


def test_time_zero_needs_no_unit(tmp_path: Path) -> None:
    groups = patients(("P1", "0", 40, 10), ("P1", "6h", 45, 5))
    assert "No time course" not in report(tmp_path, [], summary_of({}), groups=groups).text


def test_differences_stand_beside_the_corrected_ones(tmp_path: Path) -> None:
    rows = [("P1", 0, 40, 10), ("P1", 0, 35, 15), ("P1", 6, 45, 5), ("P1", 6, 44, 6)]
    text = report(tmp_path, [], summary_of({}), groups=patients(*rows, confusion=np.eye(4) * 100)).text
    assert "Corrected: -" in text
    assert "can make a difference or hide one" in text


def test_a_patient_has_one_course_where_other_things_change_with_time(tmp_path: Path) -> None:
    groups = patients(("P1", 0, 4, 5), ("P1", 6, 4, 2))
    drug = groups.table.assign(drug=["none", "some"])
    changed = Groups(drug, groups.differences, ("patient", "time", "drug"), 0.05)
    assert "against time" in report(tmp_path, [], summary_of({}), groups=changed).text


def test_of_many_differences_some_are_shown(tmp_path: Path) -> None:
    groups = patients(*((f"P{number}", 0, 20, number) for number in range(10) for _ in range(2)))
    page = report(tmp_path, [], summary_of({}), groups=groups)
    assert page.text.count("points (") == 30
    assert "And 15 more pairs: see differences.csv." in page.text


def test_names_of_patients_are_text_and_nothing_else(tmp_path: Path) -> None:
    page = report(tmp_path, [], summary_of({}), groups=patients(("<script>$x$", 0, 4, 5)))
    assert page.source.count("<script>") == 1, "our own"
    assert "<script>$x$, time 0" in page.text


def test_cells_without_classes_are_counted_by_patient_too(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        [{"field": "a", "patient": "P", **summarise_field(no_cells(BINARY), (10, 10), BINARY)}]
    )
    groups = groups_of(rows, no_cells(BINARY).assign(field=[]), ("patient",), BINARY)
    page = report(tmp_path, [], summary_of({}, BINARY), taxonomy=BINARY, groups=groups)
    assert "P 1 0 0 0 a megapixel –" in page.text
    assert "sickled" not in page.text
