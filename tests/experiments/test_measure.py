"""What is told of fields; on hand-made maps of discs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.draw import disk

from drepano.cells import part_cells
from drepano.experiments.measure import CellCounts, measure_method
from drepano.experiments.working_copy import CELL_DIAMETER
from drepano.field import Field, Segmentation
from drepano.metrics import cell_errors
from drepano.taxonomy import BINARY


@pytest.fixture
def two_touching_discs():
    """A field of two discs of 45 px that touch at a neck."""
    instances = np.zeros((64, 110), np.int32)
    for number, column in enumerate((30, 74), start=1):
        instances[disk((32, column), 22.5, shape=instances.shape)] = number
    classes = (instances > 0).astype(np.uint8)
    return Field("two", np.zeros((64, 110, 3), np.uint8), classes, instances)


def count(field, classes, counts=None):
    return (counts or CellCounts(BINARY)).add(field, classes, part_cells(classes > 0, CELL_DIAMETER))


def test_touching_cells_that_are_one_piece_are_joined_in_the_map_and_not_once_counted(two_touching_discs):
    field = two_touching_discs
    assert cell_errors(field.instances, field.classes).joined == 1
    told = count(field, field.classes)
    assert told["cells"] == told["found_cell_errors"]["true_cells"] == 2
    assert (told["found_cell_errors"]["joined"], told["f1"]) == (0, 1)
    assert 0.9 < told["panoptic_quality"] <= 1


def test_a_spot_of_dirt_is_an_artefact_of_the_map_and_not_once_counted(two_touching_discs):
    """Debris is dropped: it is far smaller than a cell."""
    field = two_touching_discs
    with_dirt = field.classes.copy()
    with_dirt[disk((6, 52), 4, shape=with_dirt.shape)] = 1
    assert cell_errors(field.instances, with_dirt).artefacts == 1
    told = count(field, with_dirt)
    assert (told["cells"], told["found_cell_errors"]["artefacts"]) == (2, 0)


def test_a_cell_that_is_not_found_lowers_the_f1_of_its_field_alone(two_touching_discs):
    field = two_touching_discs
    counts = CellCounts(BINARY)
    half = np.where(field.instances == 1, field.classes, 0).astype(np.uint8)
    told = [count(field, one, counts) for one in (half, field.classes)]
    assert [one["f1"] for one in told] == pytest.approx([2 / 3, 1])
    assert counts.figures()["detection"]["f1"] == pytest.approx(2 * 3 / (4 + 3))


def test_a_field_without_cells_in_map_and_truth_has_no_f1():
    nothing = np.zeros((32, 32), np.int32)
    field = Field("none", np.zeros((32, 32, 3), np.uint8), nothing.astype(np.uint8), nothing)
    told = count(field, field.classes)
    assert told["cells"] == 0
    assert np.isnan([told["f1"], told["panoptic_quality"]]).all()


def test_the_area_under_the_roc_curve_is_told_of_each_field_and_of_all_pixels_together(two_touching_discs):
    """Two fields with the same truth: in the first every pixel of a cell is more probable than every other
    (area 1), in the second the reverse (0). All of the first are more probable than those of the second, so
    of both together the area is 0.5."""
    field = two_touching_discs
    cell = [np.where(field.classes == 1, *levels).astype(np.float32) for levels in ((0.9, 0.6), (0.2, 0.3))]
    trained = SimpleNamespace(
        segment=lambda image: Segmentation(
            field.classes, np.stack([1 - cell[image[0, 0, 0]], cell[image[0, 0, 0]]]), BINARY, 45.0
        )
    )
    fields = [replace(field, id=str(n), image=np.full_like(field.image, n)) for n in (0, 1)]
    measured = measure_method(trained, fields, BINARY, lambda *_: None)
    assert [row["auc"] for row in measured.figures["fields"]] == [[1, 1], [0, 0]]
    assert [curve["auc"] for curve in measured.figures["roc"]] == pytest.approx([0.5, 0.5])
