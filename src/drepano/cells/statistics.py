"""A row for every field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from drepano.taxonomy import Taxonomy


def summarise_field(
    cells: pd.DataFrame, shape: tuple[int, int], taxonomy: Taxonomy, pixel_size: float | None = None
) -> dict[str, Any]:
    """Count, density, mean area and class fractions of one field's cells.

    Parameters
    ----------
    cells : pandas.DataFrame
        From `measure_cells`.
    shape : (int, int)
        Height and width of the field in px.
    taxonomy : Taxonomy
    pixel_size : float, optional
        Side of a pixel in micrometres.

    Returns
    -------
    dict
        ``cells``, ``uncertain_cells`` and ``touching_cells`` among them; ``megapixels``, the field's size in
        millions of pixels; ``pixel_size_um``; ``cells_for_density``, those that do not touch the upper or
        the left edge, as in a counting chamber, where else a field would count the cells of a larger one; and
        with them ``density_per_megapixel`` and ``density_per_mm2``;
        ``mean_area_px`` and ``mean_area_um2`` over the cells that the border does not cut (NaN where there
        are none) and ``whole_cells``, their number. What needs a pixel size is NaN without one. For every
        class of cells its number
        ``<class> cells`` and its share of all cells ``<class> fraction`` (NaN where there are no cells).
    """
    count = len(cells)
    whole = cells.loc[~cells["touches_border"].astype(bool), "area_px"]
    inside = int(((cells["bbox_top_px"] > 0) & (cells["bbox_left_px"] > 0)).sum())
    megapixels = shape[0] * shape[1] / 1e6
    scale = np.nan if pixel_size is None else pixel_size
    mean_area = float(whole.mean()) if len(whole) else np.nan
    summary: dict[str, Any] = {
        "cells": count,
        "uncertain_cells": int(cells["uncertain"].sum()),
        "touching_cells": int(cells["touches_cell"].sum()),
        "megapixels": megapixels,
        "pixel_size_um": scale,
        "cells_for_density": inside,
        "density_per_megapixel": inside / megapixels,
        "density_per_mm2": inside / (megapixels * scale**2),
        "mean_area_px": mean_area,
        "mean_area_um2": mean_area * scale**2,
        "whole_cells": len(whole),
    }
    for name in taxonomy.cell_classes:
        number = int((cells["class"] == name).sum())
        summary[f"{name} cells"] = number
        summary[f"{name} fraction"] = number / count if count else np.nan
    return summary
