"""Rows of patients and the differences between them, worked out by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from drepano.cells import no_cells, summarise_field, summarise_groups
from drepano.cells.shares import fields_for
from drepano.taxonomy import BINARY, SCD


def field(name, classes, areas=100, **keys):
    """A field of 1000 x 500 px with a cell of each of `classes`: its cells and its row."""
    cells = no_cells(SCD).reindex(range(len(classes)))
    cells = cells.assign(
        **{"class": classes, "area_px": areas, "area_um2": np.asarray(areas) / 4},
        uncertain=False,
        touches_border=False,
        touches_cell=False,
        bbox_top_px=1,
        bbox_left_px=1,
    )
    row = summarise_field(cells, (500, 1000), SCD, pixel_size=0.5)
    return cells.assign(field=name), pd.DataFrame([{"field": name, **keys, **row}])


def tables(*fields):
    cells, rows = zip(*fields, strict=True)
    return pd.concat(rows, ignore_index=True), pd.concat(cells, ignore_index=True)


DIC, SICKLED, GRL = "Dic+Ovl", "El+Sk", "Grl"


@pytest.fixture
def two_patients():
    return tables(
        field("a", [DIC] * 8 + [SICKLED] * 2, [100] * 10, patient="P"),
        field("b", [DIC] * 6 + [SICKLED] * 4, [200] * 10, patient="P"),
        field("c", [SICKLED] * 5, patient="Q"),
    )


def test_a_row_a_patient_with_counts_density_and_area(two_patients):
    rows = summarise_groups(*two_patients, ["patient"], SCD)
    assert rows["patient"].tolist() == ["P", "Q"]
    first = rows.iloc[0]
    assert (first["fields"], first["cells"], first["El+Sk cells"]) == (2, 20, 6)
    assert first["El+Sk fraction"] == 0.3
    assert first["density_per_megapixel"] == 20
    assert first["density_per_mm2"] == 80
    assert (first["mean_area_px"], first["mean_area_um2"]) == (150, 37.5)
    assert first["sd_area_px"] == pytest.approx(np.std([100] * 10 + [200] * 10, ddof=1))


@pytest.mark.parametrize("sickled", [(2, 4), (2, 2), (0, 0)])
def test_layers_and_times_of_one_place_make_no_interval_narrower(sickled):
    """Also where places do not differ, so that nothing but the number of cells says how sure the share is."""
    one, other = ([DIC] * (10 - hits) + [SICKLED] * hits for hits in sickled)
    fields, cells = tables(field("a", one, patient="P"), field("b", other, patient="P"))
    again = tables(*(field(name, other if name in "bdfh" else one, patient="P") for name in "abcdefgh"))
    placed = again[0].assign(place=["a", "b"] * 4)
    once = summarise_groups(fields, cells, ["patient"], SCD, np.eye(4) * 50).iloc[0]
    more = summarise_groups(placed, again[1], ["patient"], SCD, np.eye(4) * 50).iloc[0]
    assert (more["fields"], more["places"], more["places_with_cells"], more["cells"]) == (8, 2, 2, 80)
    assert more["El+Sk cells"] == 4 * once["El+Sk cells"]
    same = [
        name for name in once.index if re.search("fraction|low|high|corrected|density|precision|halve", name)
    ]
    assert len(same) > 20
    pd.testing.assert_series_equal(more[same], once[same])


def test_a_place_of_many_layers_weighs_no_more_than_one_of_a_single():
    names = "abcdefghij"
    layers = tables(*(field(name, [DIC if name == "a" else SICKLED] * 10, patient="P") for name in names))
    placed = layers[0].assign(place=["a", *["b"] * 9])
    assert summarise_groups(placed, layers[1], ["patient"], SCD).iloc[0]["El+Sk fraction"] == 0.5


def test_cells_that_the_border_cuts_have_no_say_in_areas_and_uncertain_ones_are_counted(two_patients):
    fields, cells = two_patients
    cells.loc[cells["field"] == "b", "touches_border"] = True
    cells.loc[0, "uncertain"] = True
    first = summarise_groups(fields, cells, ["patient"], SCD).iloc[0]
    assert (first["mean_area_px"], first["whole_cells"]) == (100, 10)
    assert first["uncertain_cells"] == 1


def test_the_interval_over_fields_stands_beside_the_binomial_one(two_patients):
    rows = summarise_groups(*two_patients, ["patient"], SCD)
    first, second = rows.iloc[0], rows.iloc[1]
    assert first["El+Sk low"] <= first["El+Sk binomial low"] < 0.3
    assert first["El+Sk high"] >= first["El+Sk binomial high"] > 0.3
    assert np.isnan(second["El+Sk low"]), "one field"
    assert second["El+Sk binomial high"] == 1


def test_how_many_fields_would_be_enough(two_patients):
    rows = summarise_groups(*two_patients, ["patient"], SCD, precision=0.05)
    first = rows.iloc[0]
    half_width = (first["El+Sk high"] - first["El+Sk low"]) / 2
    hits, cells = two_patients[0]["El+Sk cells"][:2].to_numpy(), two_patients[0]["cells"][:2].to_numpy()
    assert first["fields_for_precision"] == fields_for(0.05, hits, cells)
    assert first["more_fields_to_halve"] == fields_for(half_width / 2, hits, cells) - 2
    assert np.isnan(rows.iloc[1]["fields_for_precision"])


def test_with_a_confusion_matrix_the_corrected_share_stands_beside_the_counted_one(two_patients):
    confusion = np.array([[80, 20, 0, 0], [0, 100, 0, 0], [0, 0, 50, 0], [0, 0, 0, 50]])
    first = summarise_groups(*two_patients, ["patient"], SCD, confusion).iloc[0]
    assert first["El+Sk fraction"] == 0.3
    assert first["El+Sk corrected"] == pytest.approx(0.125, abs=1e-3), "0.7 = 0.8 x 0.875"
    assert first["El+Sk corrected low"] <= 0.125 <= first["El+Sk corrected high"]


def test_fields_that_agree_in_all_keys_are_a_group():
    both = tables(
        field("a", [DIC], patient="P", time=0),
        field("b", [DIC], patient="P", time=6),
        field("c", [DIC, DIC], patient="P", time=6),
    )
    rows = summarise_groups(*both, ["patient", "time"], SCD)
    assert rows[["time", "fields", "cells"]].to_numpy().tolist() == [[0, 1, 1], [6, 2, 3]]


def test_groups_come_in_the_order_of_numbers_and_keep_their_names():
    both = tables(*(field(f"f{time}", [DIC], patient="P", time=time) for time in ("12", "6", "06", "late")))
    rows = summarise_groups(*both, ["patient", "time"], SCD)
    assert rows["time"].tolist() == ["06", "6", "12", "late"]


def test_times_come_in_their_own_order_whatever_their_unit():
    times = ("12h", "1 day", "6h", "0", "before")
    both = tables(*(field(f"f{time}", [DIC], patient="P", time=time) for time in times))
    rows = summarise_groups(*both, ["patient", "time"], SCD)
    assert rows["time"].tolist() == ["0", "6h", "12h", "1 day", "before"]


def test_areas_in_micrometres_need_a_pixel_size_of_every_field(two_patients):
    fields, cells = two_patients
    fields.loc[0, "pixel_size_um"], cells.loc[cells["field"] == "a", "area_um2"] = np.nan, np.nan
    first = summarise_groups(fields, cells, ["patient"], SCD).iloc[0]
    assert first["mean_area_px"] == 150
    assert first[["mean_area_um2", "sd_area_um2", "density_per_mm2"]].isna().all()


@pytest.mark.parametrize("confusion", [None, np.eye(4) * 10])
def test_without_fields_there_are_the_same_columns(two_patients, confusion):
    fields, cells = two_patients
    rows = summarise_groups(fields, cells, ["patient"], SCD, confusion)
    nothing = summarise_groups(fields[:0], cells[:0], ["patient"], SCD, confusion)
    assert len(nothing) == 0
    assert nothing.columns.tolist() == rows.columns.tolist()


def test_a_patient_without_cells_has_counts_of_zero():
    rows = summarise_groups(*tables(field("a", [], [], patient="P")), ["patient"], SCD, np.eye(4))
    assert rows.loc[0, ["cells", "El+Sk cells", "density_per_mm2"]].tolist() == [0, 0, 0]
    assert rows.loc[0, ["El+Sk fraction", "El+Sk binomial low", "El+Sk corrected"]].isna().all()


def test_a_network_that_knows_no_sickled_cells_says_nothing_of_their_precision():
    cells = no_cells(BINARY)
    row = pd.DataFrame([{"field": "a", "patient": "P", **summarise_field(cells, (10, 10), BINARY)}])
    rows = summarise_groups(row, cells.assign(field=[]), ["patient"], BINARY)
    assert "fields_for_precision" not in rows
    assert rows["cell cells"].tolist() == [0]
