"""Counting cells for a legend, and fitting its words."""

import numpy as np

from drepano.reports.legend import UNCLASSIFIED, draw_legend, legend_entries
from drepano.reports.lettering import load_font, printable, shorten, shorten_to_width
from drepano.taxonomy import SCD, Taxonomy


def test_every_class_is_counted_also_the_absent_ones() -> None:
    entries = legend_entries([1, 1, 2, 1], SCD)
    assert [(entry.name, entry.count) for entry in entries] == [
        ("Dic+Ovl", 3),
        ("El+Sk", 1),
        ("Grl", 0),
        ("Ret+Sto+Ech", 0),
    ]
    assert tuple(entry.colour for entry in entries) == SCD.colours[1:]


def test_cells_without_a_class_are_counted_apart() -> None:
    last = legend_entries([1, None, 0, 12], SCD)[-1]
    assert (last.name, last.count) == (UNCLASSIFIED, 3)


def test_many_classes_take_more_lines_and_none_is_lost() -> None:
    many = Taxonomy("many", ("background", *(f"class number {number}" for number in range(8))))
    narrow, wide = (draw_legend("title", legend_entries([], many), width) for width in (240, 2400))
    assert narrow.shape[0] / 13 > wide.shape[0] / 40
    for colour in many.colours[1:]:
        assert (narrow == colour).all(axis=2).any()
        assert (wide == colour).all(axis=2).any()


def test_names_too_long_for_the_strip_are_shortened() -> None:
    long = Taxonomy("long", ("background", "n" * 400))
    assert draw_legend("t" * 400, legend_entries([], long), 240).shape[1] == 240


def test_both_ends_of_a_long_name_stay() -> None:
    assert shorten("patient-07-slide-2-field-113.tif", 16) == "patient-…113.tif"
    assert shorten("short", 5) == "short"
    assert shorten("longer", 1) == "…"


def test_texts_fit_their_width() -> None:
    font = load_font(13)
    text = shorten_to_width("a" * 300, font, 100)
    assert 80 < font.getlength(text) <= 100
    assert shorten_to_width("a", font, 100) == "a"
    assert shorten_to_width("aaa", font, 0) == ""


def test_names_become_one_printable_line() -> None:
    assert printable("a\n\tb") == "a b"
    assert printable("\udcff.png") == "\\udcff.png"
    assert printable("血液 é") == "血液 é"


def test_warnings_stand_below_in_as_many_lines_as_they_need():
    entries = legend_entries([1], SCD)
    plain = draw_legend("field", entries, 400)
    short = draw_legend("field", entries, 400, ["blurred"])
    long = draw_legend("field", entries, 400, ["unlike the fields of training: " + "darker, " * 20])
    assert np.array_equal(short[: len(plain) - 20], plain[:-20])
    assert len(plain) < len(short) < len(long)
    assert short.shape[1] == long.shape[1] == 400
