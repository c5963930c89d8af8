"""A row for every group of fields: a patient, or a patient at one time, under one drug."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drepano.cells.corrections import Correction, corrected_intervals
from drepano.cells.shares import Interval, binomial_interval, field_interval, fields_for
from drepano.taxonomy import SICKLED_CLASS, Taxonomy
from drepano.times import is_time, read_time


def summarise_groups(
    fields: pd.DataFrame,
    cells: pd.DataFrame,
    keys: Sequence[str],
    taxonomy: Taxonomy,
    confusion: NDArray | None = None,
    precision: float = 0.05,
) -> pd.DataFrame:
    """Counts, areas and class shares of every group of fields, with 95 % intervals.

    Parameters
    ----------
    fields : pandas.DataFrame
        A row a field: ``field``, the columns `keys`, those of `summarise_field`; ``warnings`` if there are
        any; and ``place``, the same for layers and times of one place, if there are such.
    cells : pandas.DataFrame
        A row a cell: ``field`` and the columns of `measure_cells`.
    keys : sequence of str
        Columns of `fields`; fields that agree in all of them are a group.
    taxonomy : Taxonomy
    confusion : (K, K) or (patients, K, K) array, optional
        For the K classes of cells, cells of a true class (row) called each class (column) in a test, of all
        its patients or of each.
    precision : float
        Half width wanted of the interval of the sickled share.

    Returns
    -------
    pandas.DataFrame
        The columns `keys`, then ``fields``, ``places`` and ``places_with_cells`` (fields, but layers and
        times of one place count once), ``fields_with_warnings``, ``cells``,
        ``uncertain_cells``, ``density_per_megapixel``, and ``density_per_mm2`` where every field has a pixel
        size;
        ``mean_area_px``, ``sd_area_px``, and likewise ``mean_area_um2`` and ``sd_area_um2``, over the
        ``whole_cells``, which the border does not cut; and for every class
        ``<class> cells``, ``<class> fraction`` (of the cells of all places, a place with the mean over its
        fields), ``<class> low`` and ``<class> high`` (bootstrap
        over places, `field_interval`), ``<class> binomial low`` and ``<class> binomial high``; with
        `confusion` also ``<class> corrected``, ``<class> corrected low`` and ``<class> corrected high``.
        With a sickled class ``fields_for_precision``, how many fields like these give `precision`, and
        ``more_fields_to_halve``, how many more would halve the interval. NaN where it is not defined.
    """
    correction = None if confusion is None else Correction(confusion)
    rows = []
    for values, members in groups_of(fields, keys):
        of_group = cells[cells["field"].isin(members["field"])]
        summary = _summarise(members, of_group, taxonomy, correction, precision)
        rows.append({**dict(zip(keys, values, strict=True)), **summary})
    columns = [*keys, *_summarise(fields[:0], cells[:0], taxonomy, correction, precision)]
    return pd.DataFrame(rows, columns=columns)


def groups_of(fields: pd.DataFrame, keys: Sequence[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Values of the keys and fields of every group, numbers and times in their own order."""
    groups = [(values, members) for values, members in fields.groupby(list(keys), sort=False, dropna=False)]
    return sorted(groups, key=lambda group: [*map(_in_order, keys, group[0])])


def counts_by_place(fields: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Cells of every class, a column each, at every place; every field is one without a column ``place``.

    Layers and times of one place show the same cells again: a place has the mean over its fields.
    """
    counts = fields[[f"{name} cells" for name in names]].astype(np.float64)
    return counts.groupby(fields["place"], sort=False).mean() if "place" in fields else counts


def _in_order(key: str, value: object) -> tuple[int, str, float, str]:
    text = str(value)
    if is_time(key) and (time := read_time(text)):
        unknown, unit, size = time.order
        return int(unknown), unit, size, text
    try:
        return 0, "", float(text), text
    except ValueError:
        return 2, "", 0.0, text


def _summarise(
    fields: pd.DataFrame,
    cells: pd.DataFrame,
    taxonomy: Taxonomy,
    correction: Correction | None,
    precision: float,
) -> dict[str, Any]:
    whole = cells.loc[~cells["touches_border"].astype(bool), ["area_px", "area_um2"]]
    mean, spread = whole.mean(skipna=False), whole.std(skipna=False)
    counts = counts_by_place(fields, taxonomy.cell_classes).to_numpy()
    of_places = counts.sum(axis=1)
    total = of_places.sum()
    inside = int(fields["cells_for_density"].sum())
    area = fields["megapixels"].sum()
    area_mm2 = (fields["megapixels"] * fields["pixel_size_um"] ** 2).sum(skipna=False)
    summary: dict[str, Any] = {
        "fields": len(fields),
        "places": len(counts),
        "places_with_cells": int((of_places > 0).sum()),
        "fields_with_warnings": int((fields["warnings"] != "").sum()) if "warnings" in fields else 0,
        "cells": len(cells),
        "uncertain_cells": int(cells["uncertain"].sum()),
        "density_per_megapixel": inside / area if area else np.nan,
        "density_per_mm2": inside / area_mm2 if area_mm2 else np.nan,
        "mean_area_px": mean["area_px"],
        "sd_area_px": spread["area_px"],
        "mean_area_um2": mean["area_um2"],
        "sd_area_um2": spread["area_um2"],
        "whole_cells": len(whole),
    }
    if correction is not None:
        corrected = correction.shares(counts.sum(axis=0, keepdims=True))[0]
        corrected_ends = corrected_intervals(counts, correction)
    for index, name in enumerate(taxonomy.cell_classes):
        hits = counts[:, index]
        interval = field_interval(hits, of_places)
        binomial = binomial_interval(hits.sum(), total)
        summary |= {
            f"{name} cells": int(fields[f"{name} cells"].sum()),
            f"{name} fraction": hits.sum() / total if total else np.nan,
            f"{name} low": interval.low,
            f"{name} high": interval.high,
            f"{name} binomial low": binomial.low,
            f"{name} binomial high": binomial.high,
        }
        if correction is not None:
            summary |= {
                f"{name} corrected": corrected[index],
                f"{name} corrected low": corrected_ends[index].low,
                f"{name} corrected high": corrected_ends[index].high,
            }
        if name == SICKLED_CLASS:
            summary |= _fields_wanted(hits, of_places, interval, precision)
    return summary


def _fields_wanted(
    hits: NDArray[np.float64], cells: NDArray[np.float64], interval: Interval, precision: float
) -> dict[str, float]:
    if not interval.is_known:
        return {"fields_for_precision": np.nan, "more_fields_to_halve": np.nan}
    with_cells = cells > 0
    hits, cells = hits[with_cells], cells[with_cells]
    halved = fields_for(interval.half_width / 2, hits, cells)
    return {
        "fields_for_precision": fields_for(precision, hits, cells),
        "more_fields_to_halve": max(0, halved - len(hits)),
    }
