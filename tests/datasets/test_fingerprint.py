"""The fingerprint says what a data set holds and changes when it changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drepano.datasets import field_facts, fingerprint
from drepano.field import Field
from drepano.taxonomy import BINARY


def make_field(cells: int = 2) -> Field:
    """8 x 10 px with `cells` cells of 2 x 2 px."""
    instances = np.zeros((8, 10), np.int32)
    for cell in range(cells):
        instances[:2, 3 * cell : 3 * cell + 2] = cell + 1
    classes = (instances > 0).astype(np.uint8)
    return Field("a", np.full((8, 10, 3), 100, np.uint8), classes, instances, patient="P1")


def make_fingerprint(*fields: Field) -> dict:
    return fingerprint([field_facts(field, BINARY) for field in fields], BINARY)


def test_counts_fields_cells_and_pixels() -> None:
    result = make_fingerprint(make_field(2), replace(make_field(1), id="b", patient="P2"))
    assert result["fields"] == 2
    assert result["patients"] == ["P1", "P2"]
    assert result["cells"] == 3
    assert result["pixel_share"]["cell"] == pytest.approx(12 / 160)
    assert result["smallest"] == result["largest"] == "10 x 8"


def test_same_content_same_digest() -> None:
    assert make_fingerprint(make_field())["sha256"] == make_fingerprint(make_field())["sha256"]


@pytest.mark.parametrize("change", ["image", "classes", "instances", "id", "patient"])
def test_any_change_changes_the_digest(change: str) -> None:
    field = make_field()
    if change in ("id", "patient"):
        other = replace(field, **{change: "other"})
    else:
        changed = getattr(field, change).copy()
        changed[-1, -1] = 1
        other = replace(field, **{change: changed})
    assert make_fingerprint(field)["sha256"] != make_fingerprint(other)["sha256"]


def test_points_count_as_cells_and_have_no_pixels() -> None:
    points = np.array([[1, 2, 1], [5, 5, 1], [6, 7, 1]], np.int32)
    result = make_fingerprint(Field("a", np.zeros((8, 10, 3), np.uint8), points=points))
    assert result["cells"] == 3
    assert result["pixel_share"] is None


def test_no_fields_at_all() -> None:
    result = make_fingerprint()
    assert (result["fields"], result["cells"], result["smallest"]) == (0, 0, None)
