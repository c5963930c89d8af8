"""`check_dataset` finds every bad file in one pass and says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drepano.datasets import check_dataset, open_dataset, simulate_field

SETTINGS = """\
name = "mine"
cell_diameter = 6
labels = "labels"
patient = "^(P[0-9])"
[classes]
0 = "background"
255 = "cell"
"""


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def add_field(folder: Path, name: str, seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 255, (20, 30), dtype=np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:10, 5:10] = 255
    save(folder / "images" / f"{name}.png", grey)
    save(folder / "labels" / f"{name}.png", mask)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good fields of two patients."""
    (tmp_path / "dataset.toml").write_text(SETTINGS)
    add_field(tmp_path, "P1_a", seed=1)
    add_field(tmp_path, "P2_a", seed=2)
    return tmp_path


def problems(folder: Path) -> list[str]:
    return list(check_dataset(open_dataset(folder, strict=False)).problems)


def test_good_data_has_no_problems(folder: Path) -> None:
    result = check_dataset(open_dataset(folder, strict=False))
    assert result.problems == ()
    assert result.fingerprint["fields"] == 2
    assert result.fingerprint["cells"] == 2


def test_everything_wrong_is_listed_in_one_pass(folder: Path) -> None:
    for name in ("P1_unreadable", "P1_size", "P1_value", "P1_empty", "P1_unlabelled", "P1_alone"):
        add_field(folder, name, seed=len(name) + ord(name[-1]))
    images, labels = folder / "images", folder / "labels"
    (images / "P1_unreadable.png").write_bytes(b"no picture")
    save(labels / "P1_size.png", np.full((20, 20), 255, np.uint8))
    save(labels / "P1_value.png", np.full((20, 30), 38, np.uint8))
    save(labels / "P1_empty.png", np.zeros((20, 30), np.uint8))
    (labels / "P1_unlabelled.png").unlink()
    (images / "P1_alone.png").unlink()
    (images / "P2_copy.png").write_bytes((images / "P1_a.png").read_bytes())
    save(labels / "P2_copy.png", np.full((20, 30), 255, np.uint8))

    found = problems(folder)

    assert len(found) == 8
    for expected in (
        ("P1_unreadable.png", "image"),
        ("P1_size.png", "20 x 20"),
        ("P1_value.png", "38"),
        ("P1_empty.png", "no cell"),
        ("P1_unlabelled.png", "labels"),
        ("P1_alone.png", "no image"),
        ("P2_copy.png", "of patient P2 and of patient P1"),
        ("labels", "P2_copy.png", "every pixel is of a cell; give the background the value 0"),
    ):
        assert any(all(part in line for part in expected) for line in found), expected
    assert not any("\n" in line for line in found)


def test_unknown_value_shows_the_line_to_write(folder: Path) -> None:
    save(folder / "labels" / "P1_a.png", np.full((20, 30), 38, np.uint8))
    (line,) = problems(folder)
    assert '38" = ' in line


def test_copy_within_a_patient_is_a_problem_too(folder: Path) -> None:
    for kind in ("images", "labels"):
        (folder / kind / "P1_b.png").write_bytes((folder / kind / "P1_a.png").read_bytes())
    (line,) = problems(folder)
    assert "same image as P1_a.png" in line


def test_instances_that_are_background_in_the_class_map_are_a_problem(folder: Path) -> None:
    (folder / "dataset.toml").write_text(SETTINGS.replace("[classes]", 'instances = "instances"\n[classes]'))
    for name in ("P1_a", "P2_a"):
        labels = np.asarray(Image.open(folder / "labels" / f"{name}.png"))
        save(folder / "instances" / f"{name}.png", (labels > 0).astype(np.uint8))
    assert problems(folder) == []
    path = folder / "instances" / "P2_a.png"
    save(path, np.asarray(Image.open(path))[::-1].copy())
    (problem,) = problems(folder)
    assert problem.startswith(f"{path}: 100% of its cells' pixels are background in {folder / 'labels'}")


def test_cells_of_the_class_map_that_no_instance_map_numbers_are_a_problem(folder: Path) -> None:
    (folder / "dataset.toml").write_text(SETTINGS.replace("[classes]", 'instances = "instances"\n[classes]'))
    for name in ("P1_a", "P2_a"):
        numbers = (np.asarray(Image.open(folder / "labels" / f"{name}.png")) > 0).astype(np.uint8)
        numbers[8:] = 0
        save(folder / "instances" / f"{name}.png", numbers)
    found = [line for line in problems(folder) if "have no number in it; number all cells" in line]
    assert len(found) == 2
    assert found[0].startswith(f"{folder / 'instances' / 'P1_a.png'}: 40% of the cells' pixels in {folder}")


def test_specks_are_a_problem_but_what_the_border_cuts_is_none(folder: Path) -> None:
    (folder / "dataset.toml").write_text(SETTINGS.replace("= 6", "= 12"))
    for name in ("P1_a", "P2_a"):
        mask = np.zeros((20, 30), np.uint8)
        mask[4:15, 4:15] = 255
        mask[0, 20] = 255
        mask[17, 20] = 255 if name == "P1_a" else 0
        save(folder / "labels" / f"{name}.png", mask)
    (problem,) = [line for line in problems(folder) if "smaller" in line]
    assert problem.startswith("data set mine: 1 of 5 true cells are smaller than 2 px; remove them from the")


def test_no_fields_is_a_problem(folder: Path) -> None:
    for path in folder.glob("*/*.png"):
        path.unlink()
    (line,) = problems(folder)
    assert "no fields" in line


def test_real_crops_copies_are_left_out_and_named(xu2017: Path) -> None:
    dataset = open_dataset(xu2017)
    assert len(dataset) + len(dataset.left_out) == 921
    assert any("several patients" in line for line in dataset.left_out)


def test_a_wrong_cell_diameter_is_a_problem(folder: Path) -> None:
    (folder / "dataset.toml").write_text(SETTINGS.replace("cell_diameter = 6", "cell_diameter = 45"))
    (line,) = problems(folder)
    assert "about 6 px across but cell_diameter is 45" in line


def test_a_name_without_a_patient_is_one_problem_among_others(folder: Path) -> None:
    add_field(folder, "nobody", seed=9)
    (folder / "labels" / "P1_a.png").unlink()
    assert len(problems(folder)) == 2


# --- the same place in two fields


def add_part_of_a_place(folder: Path, name: str, left: int, seed: int = 0) -> None:
    """400 x 500 px of a simulated place of 400 x 900 px."""
    place = simulate_field(seed, size=(400, 900), cells=90)
    assert place.instances is not None
    part = slice(left, left + 500)
    save(folder / "images" / f"{name}.png", place.image[:, part])
    save(
        folder / "labels" / f"{name}.png", np.where(place.instances[:, part] > 0, np.uint8(255), np.uint8(0))
    )


@pytest.fixture
def of_places(tmp_path: Path) -> Path:
    """Fields a and b of one place, of which both show three fifths, and one of another."""
    (tmp_path / "dataset.toml").write_text(SETTINGS.replace("cell_diameter = 6", "cell_diameter = 45"))
    add_part_of_a_place(tmp_path, "P1_a", left=0)
    add_part_of_a_place(tmp_path, "P1_b", left=200)
    add_part_of_a_place(tmp_path, "P1_c", left=0, seed=1)
    return tmp_path


def test_of_one_patient_they_may_be_meant_and_are_a_note(of_places: Path) -> None:
    result = check_dataset(open_dataset(of_places))
    assert result.problems == ()
    (line,) = result.notes
    assert line.startswith(f"{of_places / 'images' / 'P1_b.png'}: shows in part the place of other fields")
    assert "(P1_a.png 60% of the smaller one)" in line and "(--group patient)" in line


def test_every_field_has_one_line_that_names_all_of_its_place(of_places: Path) -> None:
    add_part_of_a_place(of_places, "P1_d", left=160)
    lines = check_dataset(open_dataset(of_places)).notes
    assert len(lines) == 2
    assert "P1_d.png" in lines[1] and "(P1_b.png 92%, P1_a.png 68% of the smaller one)" in lines[1]


def test_of_patients_that_are_not_known_they_are_a_problem(of_places: Path) -> None:
    config = of_places / "dataset.toml"
    config.write_text(config.read_text().replace('patient = "^(P[0-9])"\n', ""))
    (line,) = problems(of_places)
    assert "P1_b.png" in line and line.endswith("; remove one, or cut off what both show")


def test_where_they_are_said_to_be_of_two_patients_that_is_asked(of_places: Path) -> None:
    for kind in ("images", "labels"):
        (of_places / kind / "P1_b.png").rename(of_places / kind / "P2_b.png")
    (line,) = problems(of_places)
    assert line.endswith("; find out which patient's they are and remove the other field")


def test_copies_are_named_as_such_alone(of_places: Path) -> None:
    for kind in ("images", "labels"):
        (of_places / kind / "P1_d.png").write_bytes((of_places / kind / "P1_c.png").read_bytes())
    result = check_dataset(open_dataset(of_places))
    (copy,) = result.problems
    (overlap,) = result.notes
    assert "P1_d.png: is the same image as P1_c.png" in copy and "P1_b.png" in overlap


def test_fields_without_a_cell_are_not_compared(of_places: Path) -> None:
    path = of_places / "labels" / "P1_b.png"
    save(path, np.zeros_like(np.asarray(Image.open(path))))
    result = check_dataset(open_dataset(of_places))
    assert result.notes == ()
    assert ["no cell in it" in line for line in result.problems] == [True]


def test_single_cells_are_not_compared_with_each_other(crops: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    check_dataset(open_dataset(crops), lambda *stage: stages.append(stage))
    assert {stage for stage, _, _ in stages} == {"reading fields"}


# --- blank margins


def add_wide_field(folder: Path, name: str, seed: int, left: int, right: int) -> None:
    """120 x 300 px between bars, as the paper's fields are."""
    grey = (150 + np.random.default_rng(seed).normal(0, 3, (120, 300))).astype(np.uint8)
    mask = np.zeros(grey.shape, np.uint8)
    mask[50:70, 140:160], grey[50:70, 140:160] = 255, 80
    grey[:, :left], grey[:, 300 - right :] = 0, 0
    save(folder / "images" / f"{name}.png", grey)
    save(folder / "labels" / f"{name}.png", mask)


def test_margins_that_nobody_cuts_off_are_told(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text(SETTINGS.replace("cell_diameter = 6", "cell_diameter = 20"))
    for number in range(3):
        add_wide_field(tmp_path, f"P1_{number}", number, left=40, right=50)
    add_wide_field(tmp_path, "P1_3", 3, left=0, right=0)
    (line,) = problems(tmp_path)
    assert "3 of 4 fields have blank margins, 40 px on the left and 50 px on the right" in line
    assert 'preparation = "paper"' in line


def test_of_margins_cut_off_their_widths_are_told_and_fields_unlike_the_others(tmp_path: Path) -> None:
    settings = SETTINGS.replace("cell_diameter = 6", 'cell_diameter = 60\npreparation = "paper"')
    (tmp_path / "dataset.toml").write_text(settings)
    for number in range(3):
        add_wide_field(tmp_path, f"P1_{number}", number, left=40, right=50 + number)
    add_wide_field(tmp_path, "P1_3", 3, left=40, right=0)
    result = check_dataset(open_dataset(tmp_path, strict=False))
    assert result.problems == ()
    (line,) = [line for line in result.left_out if line.startswith(str(tmp_path / "images" / "P1_3.png"))]
    assert "blank margins of 40 and 0 px, where 40 and 50 px are usual" in line
    assert any(
        "40 px on the left (40 to 40) and 50 px on the right (0 to 52)" in one for one in result.left_out
    )


# --- patients


def test_of_every_patient_fields_cells_and_absent_classes_are_told(folder: Path) -> None:
    config = folder / "dataset.toml"
    config.write_text(config.read_text().replace('255 = "cell"', '255 = "round"\n128 = "long"'))
    add_field(folder, "P1_b", seed=3)
    labels = folder / "labels" / "P1_b.png"
    save(labels, np.where(np.asarray(Image.open(labels)) > 0, np.uint8(128), np.uint8(0)))
    result = check_dataset(open_dataset(folder, strict=False))
    assert result.patients == ("P1: fields 2, cells 2", "P2: fields 1, cells 1, no long")


def test_of_patients_without_labels_no_class_is_said_to_be_absent(folder: Path) -> None:
    config = folder / "dataset.toml"
    config.write_text(config.read_text().replace('labels = "labels"\n', ""))
    result = check_dataset(open_dataset(folder, strict=False))
    assert result.patients == ("P1: fields 1, no labels", "P2: fields 1, no labels")


# --- subfolders


def test_images_in_subfolders_are_told(folder: Path) -> None:
    save(folder / "images" / "P3" / "001.png", np.zeros((20, 30), np.uint8))
    result = check_dataset(open_dataset(folder))
    (line,) = result.left_out
    assert "1 images in 1 subfolders are not read" in line and "P3_001.png" in line
    assert result.problems == ()


def test_they_are_a_problem_where_there_are_no_other_images(folder: Path) -> None:
    for name in ("P1_a.png", "P2_a.png"):
        (folder / "labels" / name).unlink()
        (folder / "images" / name[:2]).mkdir()
        (folder / "images" / name).rename(folder / "images" / name[:2] / name)
    (line,) = problems(folder)
    assert "2 images in 2 subfolders are not read" in line


def test_hidden_folders_and_the_maps_are_no_images_that_are_not_read(folder: Path) -> None:
    save(folder / ".thumbnails" / "P1_a.png", np.zeros((20, 30), np.uint8))
    for path in list((folder / "images").iterdir()):
        path.rename(folder / path.name)
    (folder / "images").rmdir()
    config = folder / "dataset.toml"
    config.write_text('images = "."\n' + config.read_text())
    result = check_dataset(open_dataset(folder))
    assert (result.problems, result.left_out) == ((), ())
