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
        files = [save(tmp_path / name, window(left)) for name, left in windows.items()]
        fields = [FieldFile(file.stem, file) for file in files]
        whose = samples_of_folders(fields) if samples is None else samples
        return find_repeats(
            fields,
            whose,
            options.pop("diameter", None),
            options.pop("network_diameter", CELL_DIAMETER),
            **options,
        )

    return find


def window(left: int) -> NDArray[np.uint8]:
    return PLACE[:, left : left + 400]


def save(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def pairs(found: Repeats) -> dict[str, list[str]]:
    return {name: list(earlier) for name, earlier in found.overlaps.items()}


def stack(path: Path, *lefts: int) -> Path:
    pages = [Image.fromarray(window(left)) for left in lefts]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_fields_of_one_patient_that_show_the_same_place_are_found(repeats):
    found = repeats({"P/a.png": 0, "P/b.png": 200, "P/c.png": 400})
    assert pairs(found) == {"b": ["a"], "c": ["b"]}
    assert found.overlaps["b"]["a"] == pytest.approx(0.5, abs=0.02)
    assert not found.copies and not found.elsewhere and not found.notes


def test_of_other_patients_only_the_same_image_is_found_and_whose_it_is_said(repeats):
    found = repeats({"P/a.png": 0, "Q/b.png": 100, "R/c.png": 0, "S/d.bmp": 0})
    assert pairs(found) == {}
    assert found.elsewhere == {
        "a": ["c of R", "d of S"],
        "c": ["a of P", "d of S"],
        "d": ["a of P", "c of R"],
    }


def test_a_copy_of_another_patients_field_is_compared_with_its_own_group(repeats):
    found = repeats({"P/a.png": 0, "Q/b.png": 0, "Q/c.png": 200})
    assert list(found.elsewhere) == ["a", "b"]
    assert pairs(found) == {"c": ["b"]}


def test_copies_of_one_patient_are_found_in_whatever_format(repeats):
    found = repeats({"P/a.png": 0, "P/b.bmp": 0, "P/c.png": 0})
    assert found.copies == {"b": ["a"], "c": ["a", "b"]}
    assert not found.elsewhere


def test_times_are_groups_of_their_own(repeats):
    samples = Samples(
        ("patient", "time", "drug"), {"a": ("P", "0", ""), "b": ("P", "24", ""), "c": ("P", "24", "")}
    )
    found = repeats({"P/a.png": 0, "P/b.png": 200, "P/c.png": 0}, samples)
    assert found.elsewhere == {"a": ["c of P 24"], "c": ["a of P 0"]}
    assert pairs(found) == {"c": ["b"]}


def test_what_is_said_to_be_one_place_is_none_to_warn_of_but_with_fields_of_other_places(repeats):
    samples = Samples(
        ("patient",), dict.fromkeys("abc", ("P",)), places={"a": ("corner", 0), "b": ("corner", 0)}
    )
    found = repeats({"P/a.png": 0, "P/b.png": 200, "P/c.png": 400}, samples)
    assert pairs(found) == {"c": ["b"]}
    assert repeats({"P/a.png": 0, "P/b.png": 0}, samples).copies == {}


def test_pages_of_one_place_are_one_view(tmp_path):
    """Two stacks of two layers and a field, each of which overlaps the next one."""
    first, second = stack(tmp_path / "1.tif", 0, 20), stack(tmp_path / "2.tif", 200, 220)
    fields = [
        *(FieldFile(f"first{page}", first, page, Plane(0, True)) for page in range(2)),
        *(FieldFile(f"second{page}", second, page, Plane(0, True)) for page in range(2)),
        FieldFile("third", save(tmp_path / "3.png", window(400))),
    ]
    found = find_repeats(fields, samples_of_folders(fields), None, CELL_DIAMETER)
    assert pairs(found) == {"second0": ["first0"], "third": ["second0"]}
    for layer in ("second0", "second1"):
        assert "first0 (5" in (found.warning(layer, {"first1"}) or "")
        assert found.warning(layer, set()) is None
    assert "second0 (5" in (found.warning("third", {"first0", "second1"}) or "")
    assert found.warning("first1", {"first0"}) is None


def test_only_the_page_that_is_a_copy_is_called_so(tmp_path):
    layers = stack(tmp_path / "1.tif", 0, 20)
    fields = [
        FieldFile("copy", save(tmp_path / "2.png", window(0))),
        *(FieldFile(f"layer{page}", layers, page, Plane(0, True)) for page in range(2)),
    ]
    found = find_repeats(fields, samples_of_folders(fields), None, CELL_DIAMETER)
    assert found.warning("layer0", {"copy"}) == "is the same image as copy; leave one out"
    assert (
        found.warning("layer1", {"copy"})
        == "shows the place of layer0, which is the same image as copy; leave one out"
    )


@pytest.mark.parametrize(("diameter", "is_found"), [("auto", True), (CELL_DIAMETER, True), (None, False)])
def test_cells_of_another_size_than_the_networks_need_their_diameter(repeats, diameter, is_found):
    """A quarter of a field has not the area of eight cells as large as this network knows them."""
    found = repeats({"P/a.png": 0, "P/b.png": 300}, diameter=diameter, network_diameter=100)
    assert pairs(found) == ({"b": ["a"]} if is_found else {})


def test_an_odd_first_field_does_not_spoil_what_is_estimated(repeats, tmp_path):
    """A bubble, ten times as large as cells."""
    y, x = np.mgrid[:1600, :1600]
    bubble = np.where((y - 800) ** 2 + (x - 800) ** 2 < 500**2, 90, 180).astype(np.uint8)
    save(tmp_path / "P" / "0.png", np.repeat(bubble[..., None], 3, 2))
    windows = {"P/a.png": 0, "P/b.png": 300}
    files = [
        tmp_path / "P" / "0.png",
        *(save(tmp_path / name, window(left)) for name, left in windows.items()),
    ]
    fields = [FieldFile(file.stem, file) for file in files]
    found = find_repeats(fields, samples_of_folders(fields), "auto", CELL_DIAMETER)
    assert pairs(found) == {"b": ["a"]}


def test_what_cannot_be_read_is_passed_over(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    files = [tmp_path / "a.png", *(save(tmp_path / f"{name}.png", window(0)) for name in "bc")]
    fields = [FieldFile(file.stem, file) for file in files]
    for diameter in (None, "auto"):
        found = find_repeats(fields, samples_of_folders(fields), diameter, CELL_DIAMETER)
        assert found.copies == {"c": ["b"]}


def test_one_field_alone_is_not_read(tmp_path):
    fields = [FieldFile("a", tmp_path / "there-is-none.png")]
    told: list[tuple[str, int, int]] = []
    find_repeats(
        fields, samples_of_folders(fields), None, CELL_DIAMETER, progress=lambda *stage: told.append(stage)
    )
    assert told == []


def test_progress_goes_over_all_groups(repeats):
    told = []
    windows = {f"{patient}/{patient}{n}.png": 100 * n + ord(patient) for patient in "PQ" for n in range(3)}
    repeats(windows, progress=lambda *stage: told.append(stage))
    assert [stage for stage in told if stage[0] == "reading fields"] == [
        ("reading fields", n, 6) for n in range(1, 7)
    ]
    assert [stage for stage in told if stage[0] == "comparing fields"] == [
        ("comparing fields", n, 6) for n in (1, 3, 4, 6)
    ]


def test_too_many_fields_are_not_compared_but_copies_found(repeats, monkeypatch):
    monkeypatch.setattr("drepano.prediction.repeats._MOST_COMPARED", 2)
    found = repeats({"P/a.png": 0, "P/b.png": 200, "P/c.png": 0, "Q/d.png": 0, "Q/e.png": 200})
    assert pairs(found) == {"e": ["d"]}
    assert found.copies == {"c": ["a"]}
    (note,) = found.notes
    assert note.startswith("P: of its 3 fields only copies are looked for")


class TestWarning:
    def test_names_those_that_are_counted_the_largest_share_first(self):
        found = Repeats(overlaps={"d": {"a": 0.2, "b": 0.9, "c": 0.61}})
        assert found.warning("d", {"a", "c"}) == (
            "shows the same place as c (61%), a (20%): cells in both count twice; leave one field out, or "
            "name their place in --samples, so that shares take it once"
        )

    def test_is_none_where_little_is_shown_again_which_is_a_note(self, repeats):
        found = Repeats(overlaps={"c": {"a": 0.12, "b": 0.12}})
        assert found.warning("c", {"a", "b"}) is not None
        assert found.warning("c", {"a"}) is None
        found = repeats({"P/a.png": 0, "P/b.png": 340})
        assert found.warning("b", {"a"}) is None
        assert found.notes == ("P: fields overlap a little, b and a (15%): cells in both count twice",)

    def test_is_none_where_none_of_them_is_counted(self):
        found = Repeats(copies={"e": ["a"]}, overlaps={"d": {"a": 0.2}})
        assert found.warning("d", {"b"}) is None
        assert found.warning("e", {"b"}) is None
        assert found.warning("b", {"a"}) is None
        assert found.warning("e", {"a", "b"}) == "is the same image as a; leave one out"

    def test_a_copy_among_others_is_one_to_find_out_about_whether_counted_or_not(self):
        found = Repeats(elsewhere={"a": ["b of Q"]})
        assert found.warning("a", ()) == (
            "is the same image as b of Q; find out whose it is and leave the other out"
        )
