"""How size and shape of the cells are distributed, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drepano.reports.svg import INK, add_legend, as_inline, drawing, hexadecimal
from drepano.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

_BINS = 30
_HEIGHT = 4.6  # inches
_CLIPPED = (0.005, 0.995)
_QUANTITIES = (("area", "area"), ("aspect_ratio", "aspect ratio"), ("circularity", "circularity"))


def distributions_svg(cells: pd.DataFrame, taxonomy: Taxonomy) -> str:
    """Histograms of area, aspect ratio and circularity of whole cells, a line a class.

    Parameters
    ----------
    cells : pandas.DataFrame
        From `drepano.cells.measure_cells`, of all fields. Areas are in µm² where every cell has one.
    taxonomy : Taxonomy

    Returns
    -------
    str
        An ``<svg>`` element; "" where there is no whole cell.
    """
    from matplotlib.lines import Line2D

    whole = cells[~cells["touches_border"].astype(bool)]
    if whole.empty:
        return ""
    unit = ("area_px", "px") if whole["area_um2"].isna().any() else ("area_um2", "µm²")
    with drawing(_HEIGHT) as figure:
        panels = figure.subplots(len(_QUANTITIES))
        for panel, (column, label) in zip(panels, _QUANTITIES, strict=True):
            name = unit[0] if column == "area" else column
            low, high = np.quantile(whole[name], _CLIPPED)
            edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
            for class_name, colour in zip(taxonomy.cell_classes, taxonomy.colours[1:], strict=True):
                values = whole.loc[whole["class"] == class_name, name].clip(low, high)
                counts, _ = np.histogram(values, edges)
                panel.stairs(counts, edges, color=hexadecimal(colour), linewidth=1.5)
            panel.set_xlabel(f"{label}, {unit[1]}" if column == "area" else label, color=INK)
            panel.set_ylabel("cells", color=INK)
            panel.patch.set_visible(False)
            panel.tick_params(colors=INK)
            panel.spines[["top", "right"]].set_visible(False)
            panel.spines[["left", "bottom"]].set_color(INK)
        lines = [Line2D([], [], color=hexadecimal(colour)) for colour in taxonomy.colours[1:]]
        add_legend(figure, lines, taxonomy.cell_classes)
        return as_inline(figure, "Histograms of area, aspect ratio and circularity of whole cells by class")
