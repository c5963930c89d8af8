"""From a segmentation to cells and from cells to counts."""

from drepano.cells.instances import drop_small, find_cells
from drepano.cells.measurements import COLUMNS, measure_cells
from drepano.cells.statistics import summarise_field

__all__ = ["COLUMNS", "drop_small", "find_cells", "measure_cells", "summarise_field"]
