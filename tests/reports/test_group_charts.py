"""Shares of groups as drawings."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from drepano.reports.group_charts import time_course_svg
from drepano.reports.svg import hexadecimal
from drepano.taxonomy import SCD


def course(*intervals):
    """Shares of 0.2 at times 0, 1, ... with these intervals over fields; None where there is none."""
    rows = [
        {
            "time": float(time),
            "El+Sk fraction": 0.2,
            "El+Sk low": None if interval is None else interval[0],
            "El+Sk high": None if interval is None else interval[1],
            "El+Sk binomial low": 0.15,
            "El+Sk binomial high": 0.25,
        }
        for time, interval in enumerate(intervals)
    ]
    return pd.DataFrame(rows).astype(float)


@pytest.mark.parametrize(
    ("intervals", "dotted"), [([(0.1, 0.3)] * 2, 0), ([(0.1, 0.3), None], 1), ([None, None], 2)]
)
def test_bars_of_a_time_course_are_dotted_where_only_the_binomial_interval_is_known(intervals, dotted):
    drawing = time_course_svg({"P1": course(*intervals)}, "time", "h", "El+Sk")
    assert drawing.count("stroke-dasharray") == dotted


def test_a_share_of_all_cells_can_be_drawn_though_its_end_is_rounded_below():
    table = course((0.5, 1.0 - 1e-16)).assign(**{"El+Sk fraction": 1.0})
    assert "<svg" in time_course_svg({"P1": table}, "time", "h", "El+Sk")


def test_every_patient_is_named_and_the_plot_keeps_its_height():
    names = [f"P{number}" for number in range(40)] + ["_P"]
    drawing = time_course_svg({name: course((0.1, 0.3), (0.1, 0.3)) for name in names}, "time", "h", "El+Sk")
    assert [name for name in names if f">{name}</text>" not in drawing] == []

    def height(courses):
        few = time_course_svg(courses, "time", "h", "El+Sk")
        top, bottom = (float(y) for y in re.findall(r"M [\d.]+ ([\d.]+) *\nL [\d.]+ ([\d.]+)", few)[0])
        return abs(bottom - top)

    many = height({name: course((0.1, 0.3), (0.1, 0.3)) for name in names})
    assert many > 0.9 * height({"P1": course((0.1, 0.3), (0.1, 0.3))})


def test_lines_have_no_colour_that_means_a_class():
    drawing = time_course_svg({f"P{number}": course((0.1, 0.3)) for number in range(8)}, "time", "h", "El+Sk")
    assert not any(hexadecimal(colour) in drawing for colour in SCD.colours[1:])
