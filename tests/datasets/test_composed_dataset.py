"""A folder of composed fields reads back to the fields that were composed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drepano.datasets import compose_field, open_dataset, read_crop, write_composed_dataset
from drepano.errors import DrepanoError
from drepano.taxonomy import SCD

HOW = {"fields": 2, "size": 96, "cells": (2, 6), "touching": 0.3, "balanced": True, "seed": 3}


@pytest.fixture
def crops(tmp_path):
    """Data set of crops of two patients, of two categories each."""
    folder = tmp_path / "crops"
    (folder / "images" / "Sickle-ISC").mkdir(parents=True)
    (folder / "images" / "Oval").mkdir()
    lines = ["dataset,class8,patient,field,file"]
    y, x = np.mgrid[:44, :44]
    for patient in ("P1", "Q-2"):
        for number, class8 in enumerate(["Oval", "Oval", "Sickle-ISC"]):
            rng = np.random.default_rng(len(lines))
            aspect = 1.4 if class8 == "Sickle-ISC" else 1.1
            dark = 40 * (np.hypot((y - 22) * aspect, (x - 22) / aspect) < 13)
            name = f"{patient}_{number}.png"
            image = (150 - dark + rng.normal(0, 1, dark.shape)).astype(np.uint8)
            Image.fromarray(image).save(folder / "images" / class8 / name)
            lines.append(f"1,{class8},{patient},1,{name}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return open_dataset(folder)


def test_the_folder_reads_back_to_the_same_arrays_and_patients(crops, tmp_path):
    out = tmp_path / "composed"
    assert write_composed_dataset(crops, out, patients=crops.patients, **HOW) == 4
    dataset = open_dataset(out)
    assert dataset.patients == ("P1", "Q-2") and len(dataset) == 4
    assert dataset.taxonomy == SCD and dataset.cell_diameter == crops.cell_diameter
    for field in dataset:
        own = [read_crop(source) for source in crops.of_patients([field.patient]).sources]
        seed = int(field.id[-6:])
        assert seed in (3, 4)
        matches = [
            compose_field(own, seed, (96, 96), cells=cells, touching=0.3)
            for cells in range(HOW["cells"][0], HOW["cells"][1] + 1)
        ]
        assert any(
            (field.image == match.image).all()
            and (field.classes == match.classes).all()
            and (field.instances == match.instances).all()
            for match in matches
        )


def test_the_origin_says_that_fields_are_composed_and_of_what(crops, tmp_path):
    write_composed_dataset(crops, tmp_path / "composed", patients=["P1"], **HOW)
    dataset = open_dataset(tmp_path / "composed")
    assert "composed" in dataset.name and "composed" in dataset.origin
    assert crops.origin in dataset.origin and dataset.licence == crops.licence


def test_crops_of_an_excluded_patient_are_not_even_opened(crops, tmp_path):
    for source in crops.sources:
        if source.patient != "P1":
            source.image.unlink()
    write_composed_dataset(crops, tmp_path / "composed", patients=["P1"], **HOW)
    assert open_dataset(tmp_path / "composed").patients == ("P1",)


def test_the_same_seed_gives_the_same_files(crops, tmp_path):
    for name in ("a", "b"):
        write_composed_dataset(crops, tmp_path / name, patients=["P1"], **HOW)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 2 * 3 + 1
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_patients_fields_do_not_depend_on_which_other_patients_are_composed(crops, tmp_path):
    write_composed_dataset(crops, tmp_path / "both", patients=["P1", "Q-2"], **HOW)
    write_composed_dataset(crops, tmp_path / "one", patients=["Q-2"], **HOW)
    for path in sorted((tmp_path / "one" / "images").iterdir()):
        assert path.read_bytes() == (tmp_path / "both" / "images" / path.name).read_bytes()


def test_the_number_of_cells_varies_between_the_two_bounds(crops, tmp_path):
    write_composed_dataset(
        crops, tmp_path / "c", patients=["P1"], **{**HOW, "fields": 8, "size": 200, "touching": 0}
    )
    counts = [field.instances.max() for field in open_dataset(tmp_path / "c")]
    assert len(set(counts)) > 1 and max(counts) <= HOW["cells"][1]


def test_progress_is_told_after_every_field(crops, tmp_path):
    calls = []
    write_composed_dataset(
        crops, tmp_path / "c", patients=crops.patients, **HOW, advance=lambda: calls.append(1)
    )
    assert len(calls) == 4


def test_whole_fields_are_no_crops_to_compose_from(crops, tmp_path):
    write_composed_dataset(crops, tmp_path / "c", patients=["P1"], **HOW)
    with pytest.raises(DrepanoError, match="no crops of single cells"):
        write_composed_dataset(open_dataset(tmp_path / "c"), tmp_path / "d", patients=["P1"], **HOW)


def test_a_patient_who_is_not_there_is_named_with_those_who_are(crops, tmp_path):
    with pytest.raises(DrepanoError, match=r"'P9' is not in data set xu2017.*P1, Q-2"):
        write_composed_dataset(crops, tmp_path / "c", patients=["P9"], **HOW)


@pytest.mark.parametrize("change", [{"fields": 0}, {"size": 0}, {"seed": -1}, {"touching": 1.5}], ids=str)
def test_numbers_that_cannot_be_used_are_refused_before_anything_is_written(crops, tmp_path, change):
    with pytest.raises(DrepanoError, match="cannot compose") as error:
        write_composed_dataset(crops, tmp_path / "c", patients=["P1"], **{**HOW, **change})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "c").exists()


def test_bounds_the_wrong_way_round_are_refused(crops, tmp_path):
    with pytest.raises(DrepanoError, match="6 to 2"):
        write_composed_dataset(crops, tmp_path / "c", patients=["P1"], **{**HOW, "cells": (6, 2)})
