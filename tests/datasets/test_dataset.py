"""A data set: fields that are read when asked for, and only then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drepano.datasets import EXAMPLE, FieldDataset, FieldSource, open_dataset
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.taxonomy import BINARY


@pytest.fixture
def read():
    """Ids of the fields that were loaded."""
    return []


@pytest.fixture
def dataset(read):
    def load(source):
        read.append(source.id)
        return Field(source.id, np.zeros((4, 4, 3), np.uint8), patient=source.patient)

    sources = tuple(
        FieldSource(id=name, image=Path(name), patient=patient)
        for name, patient in (("a", "P2"), ("b", "P1"), ("c", "P2"), ("d", None))
    )
    return FieldDataset(
        "some", BINARY, sources, load, "MIT", 45.0, "a test", problems=("p",), left_out=("l",)
    )


def test_fields_are_read_one_by_one_when_asked_for(dataset, read):
    assert len(dataset) == 4 and read == []
    assert dataset[1].id == "b" and read == ["b"]
    fields = iter(dataset)
    next(fields)
    assert read == ["b", "a"]


def test_patients_are_named_once_and_sorted_and_unknown_ones_are_left_out(dataset):
    assert dataset.patients == ("P1", "P2")


def test_a_subset_has_the_fields_asked_for_in_that_order_and_everything_else(dataset, read):
    part = dataset.subset([2, 0])
    assert [source.id for source in part.sources] == ["c", "a"] and read == []
    assert (part.name, part.taxonomy, part.licence, part.cell_diameter, part.origin) == (
        *("some", BINARY, "MIT", 45.0),
        "a test",
    )
    assert len(dataset) == 4


def test_of_patients(dataset):
    assert [source.id for source in dataset.of_patients(["P2"]).sources] == ["a", "c"]
    assert [source.id for source in dataset.of_patients(["P1", "P2"]).sources] == ["a", "b", "c"]
    assert len(dataset.of_patients([])) == 0


def test_a_patient_without_fields_is_refused_with_those_who_have_some(dataset):
    with pytest.raises(DrepanoError, match="'P3' is not in data set some; its patients are P1, P2"):
        dataset.of_patients(["P1", "P3"])


# --- which data set a folder is


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DrepanoError, match="nowhere: is not a folder"):
        open_dataset(tmp_path / "nowhere")


def test_an_unknown_folder_is_told_what_to_write_on_one_line(tmp_path):
    with pytest.raises(DrepanoError, match=r"dataset\.toml") as error:
        open_dataset(str(tmp_path))
    assert "\n" not in str(error.value) and "drepano data example" in str(error.value)


def test_the_example_is_a_data_set(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dataset.toml").write_text(EXAMPLE)
    dataset = open_dataset(tmp_path)
    assert (dataset.name, dataset.taxonomy, len(dataset)) == ("my fields", BINARY, 0)


def test_a_dataset_toml_comes_before_every_other_layout(tmp_path):
    (tmp_path / "images" / "Sickle-ISC").mkdir(parents=True)
    (tmp_path / "manifest.csv").write_text("")
    (tmp_path / "dataset.toml").write_text('name = "mine"')
    assert open_dataset(tmp_path).name == "mine"
