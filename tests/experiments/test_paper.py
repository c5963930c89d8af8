"""The figures of the paper's tables, and which of our methods they stand beside."""

from __future__ import annotations

from drepano.experiments.paper import BINARY_OVERLAP
from drepano.methods import METHODS


def test_the_papers_ilastik_stands_beside_the_program_and_the_forest_on_its_features():
    assert BINARY_OVERLAP["ilastik"] == BINARY_OVERLAP["pixel-forest"]
    assert BINARY_OVERLAP["ilastik"]["dice"] == (0.652, 0.004)


def test_every_method_with_figures_in_table_1_is_one_of_ours():
    assert set(BINARY_OVERLAP) <= set(METHODS)
