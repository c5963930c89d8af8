"""The row of a field: numbers that a reader can check by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from drepano.cells import no_cells, summarise_field
from drepano.taxonomy import BINARY, SCD


def table(*rows):
    """Cells given by class, area and whether the border cuts them."""
    cells = pd.DataFrame(rows, columns=["class", "area_px", "touches_border"])
    return cells.assign(uncertain=False, touches_cell=False, bbox_top_px=1, bbox_left_px=1)


def test_counts_density_area_and_shares():
    cells = table(
        ("El+Sk", 800.0, False), ("El+Sk", 600.0, False), ("Dic+Ovl", 1000.0, False), ("Grl", 50.0, True)
    )
    assert summarise_field(cells, (500, 1000), SCD, pixel_size=0.5) == {
        "cells": 4,
        "uncertain_cells": 0,
        "touching_cells": 0,
        "megapixels": 0.5,
        "pixel_size_um": 0.5,
        "cells_for_density": 4,
        "density_per_megapixel": 8.0,
        "density_per_mm2": 32.0,
        "mean_area_px": 800.0,
        "mean_area_um2": 200.0,
        "whole_cells": 3,
        "Dic+Ovl cells": 1,
        "Dic+Ovl fraction": 0.25,
        "El+Sk cells": 2,
        "El+Sk fraction": 0.5,
        "Grl cells": 1,
        "Grl fraction": 0.25,
        "Ret+Sto+Ech cells": 0,
        "Ret+Sto+Ech fraction": 0.0,
    }


def test_cells_that_the_border_cuts_count_but_have_no_say_in_the_area():
    summary = summarise_field(table(("cell", 100.0, True), ("cell", 900.0, False)), (10, 10), BINARY)
    assert summary["cells"] == 2
    assert summary["mean_area_px"] == 900.0


def test_uncertain_and_touching_cells_are_counted():
    cells = table(("cell", 100.0, False), ("cell", 900.0, False))
    cells["uncertain"], cells["touches_cell"] = [True, False], True
    summary = summarise_field(cells, (10, 10), BINARY)
    assert (summary["uncertain_cells"], summary["touching_cells"]) == (1, 2)


def test_without_a_pixel_size_there_are_no_micrometres():
    summary = summarise_field(table(("cell", 100.0, False)), (10, 10), BINARY)
    assert all(math.isnan(summary[name]) for name in ("pixel_size_um", "density_per_mm2", "mean_area_um2"))


def test_where_the_border_cuts_all_cells_the_area_is_unknown():
    summary = summarise_field(table(("cell", 100.0, True)), (10, 10), BINARY)
    assert summary["cells"] == 1
    assert math.isnan(summary["mean_area_px"])


def test_an_empty_field_has_counts_of_zero_and_no_shares():
    summary = summarise_field(no_cells(SCD), (100, 100), SCD)
    assert summary["cells"] == summary["El+Sk cells"] == 0
    assert summary["density_per_megapixel"] == 0
    assert math.isnan(summary["mean_area_px"])
    assert all(math.isnan(summary[f"{name} fraction"]) for name in SCD.cell_classes)


@pytest.mark.parametrize("taxonomy", [BINARY, SCD])
def test_every_class_of_cells_has_its_columns_and_the_background_none(taxonomy):
    summary = summarise_field(table(("cell", 1.0, False)), (10, 10), taxonomy)
    shown = [name.removesuffix(" fraction") for name in summary if name.endswith(" fraction")]
    assert shown == list(taxonomy.cell_classes)


def test_cells_on_two_of_the_edges_do_not_count_for_density():
    """Else small fields would look denser than large ones: a field counts what reaches into it."""
    cells = table(*[("El+Sk", 100.0, True)] * 4)
    cells["bbox_top_px"], cells["bbox_left_px"] = [0, 5, 5, 0], [5, 0, 5, 0]
    summary = summarise_field(cells, (1000, 1000), SCD)
    assert (summary["cells"], summary["cells_for_density"], summary["density_per_megapixel"]) == (4, 1, 1.0)


def test_density_is_that_of_discs_strewn_at_random_whatever_the_size_of_the_field():
    rng = np.random.default_rng(0)
    radius, per_megapixel = 20, 100
    for side in (200, 800):
        reach = side + 2 * radius
        counts = []
        for _ in range(int(4e7 / reach**2)):
            y, x = rng.uniform(-radius, side + radius, (2, rng.poisson(per_megapixel * reach**2 / 1e6)))
            cells = table(*[("El+Sk", 1.0, False)] * len(y))
            cells["bbox_top_px"], cells["bbox_left_px"] = np.maximum(y - radius, 0), np.maximum(x - radius, 0)
            counts.append(summarise_field(cells, (side, side), SCD)["density_per_megapixel"])
        assert np.mean(counts) == pytest.approx(per_megapixel, rel=0.1)
