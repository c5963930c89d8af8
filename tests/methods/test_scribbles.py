"""Simulated scribbles: few, thin, and true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from drepano.methods.scribbles import UNMARKED, draw_scribbles


def draw(classes, strokes=4, length=12, seed=0):
    return draw_scribbles(classes, strokes, length, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
def test_a_stroke_lies_in_its_class(make_discs, seed):
    classes = make_discs(0).classes
    marked = draw(classes, seed=seed)
    there = marked != UNMARKED
    np.testing.assert_array_equal(marked[there], classes[there])


def test_every_class_that_is_there_is_marked(make_discs):
    assert set(np.unique(draw(make_discs(0).classes))) == {UNMARKED, 0, 1, 2}
    assert set(np.unique(draw(make_discs(0, (1, 1, 1, 1)).classes))) == {UNMARKED, 0, 1}


def test_scribbles_are_sparse(make_discs):
    marked = draw(make_discs(0).classes, strokes=3, length=10)
    for value in (0, 1, 2):
        assert 3 <= (marked == value).sum() <= 30


def test_strokes_are_thin_and_hang_together():
    marked = draw(np.zeros((200, 200), np.uint8), strokes=1, length=20)
    pieces, count = ndimage.label(marked == 0, np.ones((3, 3)))
    assert count == 1
    rows, columns = np.nonzero(pieces)
    assert len(rows) <= 20
    assert max(np.ptp(rows), np.ptp(columns)) >= len(rows) // 2


@pytest.mark.parametrize("seed", range(5))
def test_every_second_stroke_follows_a_border(seed):
    y, x = np.mgrid[:200, :200]
    from_centre = np.hypot(y - 100, x - 100)
    marked = draw((from_centre < 60).astype(np.uint8), strokes=2, length=30, seed=seed)
    for value in (0, 1):
        assert (np.abs(from_centre[marked == value] - 60) < 4).sum() >= 20


def test_the_same_random_numbers_draw_the_same(make_discs):
    classes = make_discs(0).classes
    np.testing.assert_array_equal(draw(classes, seed=3), draw(classes, seed=3))
    assert (draw(classes, seed=3) != draw(classes, seed=4)).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (3, 2)])
def test_a_field_of_any_size(size):
    classes = np.zeros(size, np.uint8)
    assert (draw(classes) == 0).any()
    classes[-1, -1] = 1
    assert draw(classes)[-1, -1] == 1
