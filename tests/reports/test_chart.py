"""The chart of class shares as SVG."""

import xml.etree.ElementTree as ElementTree

import matplotlib
import pandas as pd
import pytest

from drepano.reports import class_fractions_svg
from drepano.taxonomy import SCD


def summary_of(counts: dict[str, tuple[int, int, int, int]]) -> pd.DataFrame:
    columns = ["field", "cells", *(f"{name} cells" for name in SCD.cell_classes)]
    return pd.DataFrame([[name, sum(row), *row] for name, row in counts.items()], columns=columns)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_fields_classes_and_shares_are_written_as_text() -> None:
    words = texts(class_fractions_svg(summary_of({"a": (3, 1, 0, 0), "b": (1, 1, 1, 1)}), SCD))
    assert {"all fields", "a", "b", *SCD.cell_classes} <= set(words)
    assert words.count("25") == 1 + 1 + 1 + 4  # on the axis, in all fields, in a, in b
    assert "50" in words  # all fields: 4 of 8


def test_bars_have_the_colours_of_the_classes() -> None:
    svg = class_fractions_svg(summary_of({"a": (1, 1, 1, 1)}), SCD)
    for red, green, blue in SCD.colours[1:]:
        assert f"#{red:02x}{green:02x}{blue:02x}" in svg


def test_a_field_without_cells_says_so() -> None:
    words = texts(class_fractions_svg(summary_of({"a": (3, 1, 0, 0), "blank": (0, 0, 0, 0)}), SCD))
    assert words.count("no cells") == 1


def test_no_fields_at_all_have_no_cells() -> None:
    assert "no cells" in texts(class_fractions_svg(summary_of({}), SCD))


def test_the_same_summary_gives_the_same_string() -> None:
    summary = summary_of({"a": (3, 1, 0, 0), "b": (0, 0, 0, 0)})
    assert class_fractions_svg(summary, SCD) == class_fractions_svg(summary, SCD)


def test_it_can_stand_inside_a_page() -> None:
    svg = class_fractions_svg(summary_of({"a": (3, 1, 0, 0)}), SCD)
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert "http" not in svg and "DOCTYPE" not in svg and "<style" not in svg and "font-family" not in svg
    assert "currentColor" in svg


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$x^2$", "血液", "\\udcff.png", "a" * 500])
def test_hostile_names_are_shown_as_they_are(name: str, recwarn: pytest.WarningsRecorder) -> None:
    svg = class_fractions_svg(summary_of({name: (1, 0, 0, 0)}), SCD)
    assert "<script" not in svg
    shown = texts(svg)
    assert any(word.startswith(name[:4]) for word in shown)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_every_field_gets_the_same_height() -> None:
    def height(number: int) -> float:
        svg = class_fractions_svg(summary_of({f"field {row}": (1, 0, 0, 0) for row in range(number)}), SCD)
        return float(ElementTree.fromstring(svg).attrib["viewBox"].split()[3])

    assert height(61) - height(60) == pytest.approx(height(2) - height(1), abs=0.01)


def test_settings_of_matplotlib_stay_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    class_fractions_svg(summary_of({"a": (1, 0, 0, 0)}), SCD)
    assert dict(matplotlib.rcParams) == before
