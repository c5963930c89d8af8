"""The first of several changes is told with both values."""

from __future__ import annotations

import pytest

from drepano.changes import first_change


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {}, None),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, None),
        ({"steps": 600}, {"steps": 1200}, "steps was 600, now 1200"),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "a was 1, now 2"),
        ({}, {"crops": "xu2017"}, "crops was None, now 'xu2017'"),
        ({"steps": "600"}, {"steps": 600}, "steps was '600', now 600"),
        ({"config": {"a": 1}}, {"config": {"a": 1, "new": None}}, None),
        ({"budget": {"a": 1, "b": {"c": 2}}}, {"budget": {"a": 1, "b": {"c": 3}}}, "budget.b.c was 2, now 3"),
        ({"options": {"width": 8}}, {"options": None}, "options was {'width': 8}, now None"),
        ({"splits": ["field"] * 99}, {"splits": []}, "splits differs"),
    ],
    ids=str,
)
def test_first_change(before, after, told):
    assert first_change(before, after) == told
