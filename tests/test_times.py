"""Times as people write them."""

from __future__ import annotations

import pytest

from drepano.times import Time, is_time, on_one_axis, read_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("6", Time(6, "")),
        (" 6.0 ", Time(6, "")),
        ("-1", Time(-1, "")),
        ("1,5", Time(1.5, "")),
        ("6h", Time(6, "h")),
        ("6 Hours", Time(6, "h")),
        ("1 hour", Time(1, "h")),
        ("30 min", Time(30, "min")),
        ("2 weeks", Time(2, "w")),
        ("3 visits", Time(3, "visit")),
        ("5 ms", Time(5, "ms")),
        ("5 m", Time(5, "m")),
        ("3 mos", Time(3, "months")),
        ("1,2500", Time(1.25, "")),
        ("0,125", Time(0.125, "")),
        ("06:30", Time(6.5, "h")),
        ("0:00:36", Time(0.01, "h")),
        ("1970-01-02", Time(24, "date")),
        ("1970-01-01T06:00", Time(6, "date")),
        ("1970-01-01T06:00+02:00", Time(4, "date")),
        ("2.1.1970", Time(24, "date")),
        ("02.01.1970 06:00", Time(30, "date")),
        ("1970/1/2 6:00", Time(30, "date")),
        ("1712010201123", Time(1712010201123, "")),
        ("1970/1/2", Time(24, "date")),
        ("19700102", Time(24, "date")),
        ("19701302", Time(19701302, "")),
    ],
)
def test_a_time_is_read(text, time):
    assert read_time(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "before",
        "P1",
        "6 h 30",
        "6:75",
        "h",
        "2026-13-01",
        "1-2",
        "1,000 s",
        "1,000",
        "11/26/2026",
        "31.2.2026",
    ],
)
def test_what_is_no_time_is_none(text):
    assert read_time(text) is None


@pytest.mark.parametrize(
    "alike",
    [
        ("6", "6.0", "+6"),
        ("6h", "6 hours", "06:00", "360 min"),
        ("0", "0h", "0 days"),
        ("24h", "1 d"),
        ("23 min", "00:23", "1380 s"),
    ],
)
def test_one_time_is_the_same_however_it_is_written(alike):
    assert len({read_time(text).same for text in alike}) == 1


def test_other_times_are_not():
    assert len({read_time(text).same for text in ("6", "6h", "6 d", "6 visits", "7")}) == 5


def test_they_are_put_in_order_by_size_and_units_that_are_not_known_come_last():
    texts = ["3 visits", "2 d", "12h", "90 min", "20 m", "0", "1 visit", "900 ms"]
    in_order = ["0", "900 ms", "90 min", "12h", "2 d", "20 m", "1 visit", "3 visits"]
    assert sorted(texts, key=lambda text: read_time(text).order) == in_order


@pytest.mark.parametrize(
    ("texts", "numbers", "unit"),
    [
        (["0", "6", "12"], [0, 6, 12], ""),
        (["0", "6h", "12h"], [0, 6, 12], "h"),
        (["0", "12h", "2 days"], [0, 0.5, 2], "d"),
        (["0", "1 visit", "3 visits"], [0, 1, 3], "visit"),
        (["2026-01-05", "2026-01-12"], [0, 7], "days since 2026-01-05"),
        (["0", "0h"], [0, 0], ""),
    ],
)
def test_an_axis_has_one_unit(texts, numbers, unit):
    found, in_words = on_one_axis([read_time(text) for text in texts])
    assert found == pytest.approx(numbers)
    assert in_words == unit


@pytest.mark.parametrize(
    "texts", [("6", "6h"), ("6h", "3 visits"), ("6h", "2026-01-05"), ("0", "2026-01-05")]
)
def test_units_that_have_nothing_in_common_have_no_axis(texts):
    assert on_one_axis([read_time(text) for text in texts]) is None


def test_a_column_of_times_is_called_so():
    assert is_time("time")
    assert is_time("Time ")
    assert not is_time("times")
