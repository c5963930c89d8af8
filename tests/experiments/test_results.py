"""What jobs have measured, as tables; on results written by hand."""

from __future__ import annotations

import json

import pytest

from drepano.errors import DrepanoError
from drepano.experiments.results import fields_table, provenance, read_result

CLASSES = ("background", "cell")


def test_a_method_says_how_and_by_which_versions_it_was_trained_and_measured(results, of):
    results[0] |= {"cells_versions": {"drepano": "3"}}
    results[1] |= {"training_versions": {"drepano": "1", "gpu": "a GPU"}}
    unet = provenance(of(results, "unet"))
    assert (unet["jobs"], unet["seeds"], unet["settings"]) == (4, [0, 1], {"config": {"steps": 9}})
    two = {"drepano": "2"}
    assert unet["versions"] == [
        {"trained": two, "measured": two, "cells": {"drepano": "3"}},
        {"trained": {"drepano": "1", "gpu": "a GPU"}, "measured": two, "cells": two},
        {"trained": two, "measured": two, "cells": two},
    ]


def test_the_table_of_fields_has_a_row_a_field_a_job(results):
    table = fields_table(results, CLASSES)
    assert len(table) == sum(len(one["fields"]) for one in results)
    row = table[(table["method"] == "unet") & (table["seed"] == 1) & (table["field"] == "a")].iloc[0]
    assert (row["dice cell"], row["incomplete"], row["true_cells"], row["split"]) == (0.9, 2, 20, "fold-1")
    assert table["hausdorff cell"].isna().all()


def test_the_table_of_fields_has_errors_of_found_cells_where_they_are_known(results):
    known = {"joined": 3, "artefacts": 1, "incomplete": 2, "misclassified": 0, "missed": 0, "true_cells": 20}
    assert "found joined" not in fields_table(results, CLASSES)
    results[0]["fields"][0] |= {"found_cell_errors": known, "f1": 0.75, "panoptic_quality": 0.5}
    table = fields_table(results, CLASSES)
    row = table[["joined", "found joined", "found artefacts", "f1", "panoptic_quality"]].iloc[0]
    assert row.tolist() == [1, 3, 1, 0.75, 0.5]
    assert table["found joined"][1:].isna().all()


def test_the_table_of_fields_has_areas_under_roc_curves_where_they_are_known(results):
    assert not any(column.startswith("auc") for column in fields_table(results, CLASSES))
    results[0]["fields"][0]["auc"] = [0.75, None]
    table = fields_table(results, CLASSES)
    assert table["auc background"].tolist()[0] == 0.75
    assert table["auc background"][1:].isna().all()
    assert table["auc cell"].isna().all()


def test_a_result_whose_fields_lack_a_figure_is_named(results, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(results[0]))
    assert read_result(path) == results[0]
    del results[0]["fields"][1]["dice"]
    path.write_text(json.dumps(results[0]))
    with pytest.raises(
        DrepanoError, match=r"result\.json: cannot be read \(without dice\); delete it and run"
    ):
        read_result(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"job": {}}'])
def test_a_file_that_is_no_result_is_named(text, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(DrepanoError, match=r"result\.json: cannot be read .*; delete it and run"):
        read_result(path)
