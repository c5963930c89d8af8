"""Fields written to a folder are read back to the same arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drepano.datasets import (
    new_folder,
    open_dataset,
    simulate_field,
    write_dataset_config,
    write_field,
)
from drepano.errors import DrepanoError
from drepano.taxonomy import BINARY, SCD, Taxonomy


def config(folder, taxonomy=SCD, **changes):
    settings = {
        "name": "written",
        "licence": "MIT",
        "origin": "a test",
        "cell_diameter": 30.0,
        "patient": "^(simulated-[0-9])-",
    }
    write_dataset_config(folder, taxonomy=taxonomy, **{**settings, **changes})


def test_a_round_trip_keeps_every_array_and_the_patients(tmp_path):
    fields = [simulate_field(seed, (70, 91), cells=4, cell_diameter=24) for seed in (4, 5, 6)]
    for field in fields:
        write_field(tmp_path, field, SCD)
    config(tmp_path)
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 3 and dataset.taxonomy == SCD and dataset.cell_diameter == 30.0
    for before, after in zip(sorted(fields, key=lambda field: field.id), dataset, strict=True):
        assert (after.id, after.patient) == (before.id, before.patient)
        for name in ("image", "classes", "instances"):
            one, other = getattr(before, name), getattr(after, name)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_more_than_255_cells_keep_their_numbers(tmp_path):
    field = simulate_field(0, (32, 32), cells=0)
    instances = np.arange(32 * 32, dtype=np.int32).reshape(32, 32)
    classes = (instances > 0).astype(np.uint8)
    write_field(tmp_path, replace(field, instances=instances, classes=classes), BINARY)
    config(tmp_path, BINARY)
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].instances, instances)


def test_an_image_in_colour_stays_in_colour(tmp_path):
    field = simulate_field(0, (20, 20), cells=0)
    colours = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    write_field(tmp_path, replace(field, image=colours), SCD)
    config(tmp_path)
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].image, colours)


def test_names_with_quotes_backslashes_and_accents_are_kept(tmp_path):
    taxonomy = Taxonomy("custom", ("background", 'the "normal" é', "a\\b"))
    write_field(tmp_path, simulate_field(0, (20, 20), cells=0), taxonomy)
    config(tmp_path, taxonomy, name='Zellen "A"\\B', origin="µ\nsecond line", patient="^(simulated-\\d)-")
    dataset = open_dataset(tmp_path)
    assert (dataset.name, dataset.origin) == ('Zellen "A"\\B', "µ\nsecond line")
    assert dataset.taxonomy.classes == taxonomy.classes
    assert dataset.patients == ("simulated-0",)


@pytest.mark.parametrize("missing", ["classes", "instances"])
def test_a_field_without_maps_is_refused(tmp_path, missing):
    field = replace(simulate_field(0, (20, 20), cells=0), **{missing: None})
    with pytest.raises(DrepanoError, match="no class and instance maps"):
        write_field(tmp_path, field, SCD)
    assert not list(tmp_path.rglob("*.png"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DrepanoError, match="file"):
        write_field(tmp_path / "file", simulate_field(0, (20, 20), cells=0), SCD)


@pytest.mark.parametrize("name", ["", "new"])
def test_a_finished_folder_holds_what_was_written_alone(tmp_path, name):
    with new_folder(tmp_path / name) as inside:
        (inside / "field").write_text("")
        assert not (tmp_path / name / "field").exists()
    assert [path.name for path in (tmp_path / name).iterdir()] == ["field"]


@pytest.mark.parametrize("before", [True, False])
def test_a_folder_that_holds_anything_is_not_added_to(tmp_path, before):
    def put():
        (tmp_path / "file").write_text("")

    if before:
        put()
    with pytest.raises(DrepanoError, match="not an empty folder"), new_folder(tmp_path) as inside:
        (inside / "field").write_text("")
        put()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_left_of_what_was_interrupted(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path) as inside:
        write_field(inside, simulate_field(0, (20, 20), cells=0), SCD)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_no_part_of_the_next(tmp_path):
    field = simulate_field(0, (20, 20), cells=0)
    write_field(tmp_path / ".unfinished-1", replace(field, id="stray"), SCD)
    with new_folder(tmp_path) as inside:
        write_field(inside, field, SCD)
        config(inside)
    assert [source.id for source in open_dataset(tmp_path).sources] == [field.id]
