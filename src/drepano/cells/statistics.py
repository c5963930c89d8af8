"""A row for every field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from drepano.taxonomy import Taxonomy


def summarise_field(cells: pd.DataFrame, shape: tuple[int, int], taxonomy: Taxonomy) -> dict[str, Any]:
    """Count, density, mean area and class fractions of one field's cells.

    Parameters
    ----------
    cells : pandas.DataFrame
        From `measure_cells`.
    shape : (int, int)
        Height and width of the field in px.
    taxonomy : Taxonomy

    Returns
    -------
    dict
        ``cells``; ``density_per_megapixel``, cells in a million pixels; ``mean_area_px`` over the cells
        that the border does not cut (NaN where there are none) and ``whole_cells``, their number; for
        every class of cells its number
        ``<class> cells`` and its share of all cells ``<class> fraction`` (NaN where there are no cells).
    """
    count = len(cells)
    whole = cells.loc[~cells["touches_border"].astype(bool), "area_px"]
    summary: dict[str, Any] = {
        "cells": count,
        "density_per_megapixel": count / (shape[0] * shape[1]) * 1e6,
        "mean_area_px": float(whole.mean()) if len(whole) else np.nan,
        "whole_cells": len(whole),
    }
    for name in taxonomy.cell_classes:
        number = int((cells["class"] == name).sum())
        summary[f"{name} cells"] = number
        summary[f"{name} fraction"] = number / count if count else np.nan
    return summary
