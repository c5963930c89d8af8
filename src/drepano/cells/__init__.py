"""From a segmentation to cells, from cells to counts, from counts to shares and how sure they are."""

from drepano.cells.comparisons import compare_groups
from drepano.cells.groups import counts_by_place, summarise_groups
from drepano.cells.instances import (
    CELLS_TO_JUDGE,
    between_cells,
    count_debris,
    find_cells,
    part_cells,
    typical_diameter,
)
from drepano.cells.measurements import measure_cells
from drepano.cells.schema import Column, cell_columns, no_cells
from drepano.cells.statistics import summarise_field

__all__ = [
    "CELLS_TO_JUDGE",
    "Column",
    "between_cells",
    "cell_columns",
    "compare_groups",
    "count_debris",
    "counts_by_place",
    "find_cells",
    "measure_cells",
    "no_cells",
    "part_cells",
    "summarise_field",
    "summarise_groups",
    "typical_diameter",
]
