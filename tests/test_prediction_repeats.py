"""Fields whose cells would count more than once, since another field of the run shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drepano.datasets import simulate_field
from drepano.io import Plane
from drepano.prediction import FieldFile, Samples, samples_of_folders
from drepano.prediction.repeats import Repeats, find_repeats

CELL_DIAMETER = 45.0
PLACE = simulate_field(0, size=(400, 800), cells=90).image


@pytest.fixture
def repeats(tmp_path):
    """From the left edges of windows of the place, a file's name each, to what is found of these files."""

    def find(
        windows: dict[str, int], samples: Samples | None = None, enlarged: int = 1, **options
    ) -> Repeats:
        files = [save(tmp_path / name, window(left, enlarged)) for name, left in windows.items()]
        fields = [FieldFile(file.stem, file) for file in files]
        whose = samples_of_folders(fields) if samples is None else samples
        return find_repeats(fields, whose, options.pop("diameter", None), CELL_DIAMETER, **options)

    return find


def window(left: int, enlarged: int = 1) -> NDArray[np.uint8]:
    return PLACE[:, left : left + 400].repeat(enlarged, 0).repeat(enlarged, 1)


def save(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def test_fields_of_one_patient_that_show_the_same_place_are_found(repeats):
    found = repeats({"P/a.png": 0, "P/b.png": 200, "P/c.png": 400})
    assert {name: list(earlier) for name, earlier in found.overlaps.items()} == {"b": ["a"], "c": ["b"]}
    assert found.overlaps["b"]["a"] == pytest.approx(0.5, abs=0.02)
    assert found.copies == {}


def test_of_other_patients_only_the_same_image_is_found_and_whose_it_is_said(repeats):
    found = repeats({"P/a.png": 0, "Q/b.png": 100, "Q/c.png": 0, "P/d.bmp": 0})
    assert found.overlaps == {}
    assert found.copies == {"c": ("a", " of P"), "d": ("a", "")}
    assert found.warning("c", {"a"}) == "is the same image as a of P; leave one of the two out"
    assert found.warning("d", {"a"}) == "is the same image as a; leave one of the two out"


def test_times_are_groups_of_their_own(repeats):
    samples = Samples(("patient", "time"), {"a": ("P", "0"), "b": ("P", "24"), "c": ("P", "24")})
    found = repeats({"P/a.png": 0, "P/b.png": 100, "P/c.png": 0}, samples)
    assert found == Repeats({"c": ("a", " of P 0")})


def test_what_is_said_to_be_one_place_is_none_to_warn_of(repeats):
    names = {"a": ("P",), "b": ("P",), "c": ("P",)}
    samples = Samples(("patient",), names, places={"a": ("corner", 0), "b": ("corner", 0)})
    found = repeats({"P/a.png": 0, "P/b.png": 100, "P/c.png": 200}, samples)
    assert list(found.overlaps["c"]) == ["a"]
    assert "b" not in found.overlaps


def test_layers_of_one_place_are_none_to_warn_of(tmp_path):
    stack = tmp_path / "stack.tif"
    pages = [Image.fromarray(window(left)) for left in (0, 100, 200)]
    pages[0].save(stack, save_all=True, append_images=pages[1:])
    layers = [Plane(0, True), Plane(0, True), Plane(1, True)]
    fields = [FieldFile(f"page{n}", stack, n, layer) for n, layer in enumerate(layers)]
    found = find_repeats(fields, samples_of_folders(fields), None, CELL_DIAMETER)
    assert {name: list(earlier) for name, earlier in found.overlaps.items()} == {"page2": ["page0"]}


@pytest.mark.parametrize("diameter", ["auto", 2 * CELL_DIAMETER])
def test_cells_of_another_size_need_what_the_network_needs(repeats, diameter):
    found = repeats({"P/a.png": 0, "P/b.png": 200}, enlarged=2, diameter=diameter)
    assert found.overlaps["b"]["a"] == pytest.approx(0.5, abs=0.02)


def test_what_cannot_be_read_is_passed_over(repeats, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    save(tmp_path / "b.png", window(0))
    fields = [FieldFile("a", tmp_path / "a.png"), FieldFile("b", tmp_path / "b.png")]
    assert find_repeats(fields, samples_of_folders(fields), None, CELL_DIAMETER) == Repeats()


def test_one_field_alone_is_not_read(tmp_path):
    told = []
    fields = [FieldFile("a", tmp_path / "a.png")]
    find_repeats(
        fields, samples_of_folders(fields), None, CELL_DIAMETER, progress=lambda *stage: told.append(stage)
    )
    assert told == []


def test_progress_goes_over_all_groups(repeats):
    told = []
    windows = {f"{patient}/{patient}{n}.png": 100 * n + ord(patient) for patient in "PQ" for n in range(3)}
    repeats(windows, progress=lambda *stage: told.append(stage))
    assert told[:6] == [("reading fields", n, 6) for n in range(1, 7)]
    assert told[6:] == [("comparing fields", n, 6) for n in (1, 3, 4, 6)]


class TestWarning:
    def test_names_those_that_are_counted_the_largest_share_first(self):
        found = Repeats(overlaps={"d": {"a": 0.2, "b": 0.9, "c": 0.61}})
        assert found.warning("d", {"a", "c"}) == (
            "shows the same place as c (61%), a (20%): cells in both count twice; leave one field out, or "
            "give both one place in --samples"
        )

    def test_is_none_where_none_of_them_is_counted(self):
        found = Repeats({"e": ("a", "")}, {"d": {"a": 0.2}})
        assert found.warning("d", {"b"}) is None
        assert found.warning("e", {"b"}) is None
        assert found.warning("b", {"a"}) is None
