"""Crops of single cells: whose they are, which of the eight categories, and which are left out."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from drepano.datasets import open_dataset, read_crop
from drepano.datasets.xu2017 import is_xu2017, open_xu2017
from drepano.errors import DrepanoError
from drepano.taxonomy import CATEGORIES, MERGED_CLASS, SCD

FOLDER_OF = {
    "Discocyte": "Discocytes",
    "Oval": "Oval",
    "Elongated": "Elongated",
    "Sickle": "Sickle-ISC",
    "Granular": "Granular",
    "Reticulocyte": "Reticulocytes",
    "Stomatocyte": "Stomatocyte",
    "Echinocyte": "Echinocytes",
}


def a_crop(seed=0):
    y, x = np.mgrid[:50, :54]
    dark = 45 * (np.hypot(y - 25, x - 27) < 18)
    return (160 - dark + np.random.default_rng(seed).normal(0, 1, (50, 54))).astype(np.uint8)


def write(folder, rows, header="dataset,class8,patient,field,file"):
    """A small folder laid out as the data set; `rows` are (class8, patient, file, image)."""
    (folder / "images" / "Sickle-ISC").mkdir(parents=True)
    lines = [header]
    for class8, patient, file, image in rows:
        lines.append(f"1,{class8},{patient},7,{file}")
        if image is not None:
            (folder / "images" / class8).mkdir(exist_ok=True)
            (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
                folder / "images" / class8 / file
            )
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def refusal(folder):
    with pytest.raises(DrepanoError) as error:
        open_dataset(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- small folders


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_gets_its_merged_class(tmp_path, category):
    write(tmp_path, [(FOLDER_OF[category], "P1", "a.png", a_crop())])
    dataset = open_dataset(tmp_path)
    assert dataset.taxonomy == SCD
    field = dataset[0]
    assert np.unique(field.classes).tolist() == [0, SCD.index(MERGED_CLASS[category])]
    assert ((field.classes > 0) == (field.instances == 1)).all()
    assert (field.id, field.patient, dataset.sources[0].category) == ("a", "P1", category)
    assert field.image.shape == (50, 54, 3) and field.image.dtype == np.uint8


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_mode_is_read_as_grey(tmp_path, mode):
    grey = a_crop()
    write(tmp_path, [("Oval", "P1", "a.png", Image.fromarray(grey).convert(mode))])
    dataset = open_dataset(tmp_path)
    assert (read_crop(dataset.sources[0]).image == grey).all()
    assert (dataset[0].image == grey[..., None]).all()


def test_of_copies_under_one_patient_the_first_is_kept(tmp_path):
    write(
        tmp_path,
        [
            ("Oval", "P1", "a.png", a_crop(1)),
            ("Oval", "P1", "b.png", a_crop(2)),
            ("Discocytes", "P1", "c.png", a_crop(1)),
        ],
    )
    dataset = open_dataset(tmp_path)
    assert [source.id for source in dataset.sources] == ["a", "b"]
    assert len(dataset.left_out) == 1 and "c.png" in dataset.left_out[0] and "a.png" in dataset.left_out[0]


def test_copies_under_two_patients_are_all_left_out(tmp_path):
    write(
        tmp_path,
        [
            ("Oval", "P1", "a.png", a_crop(1)),
            ("Oval", "P2", "b.png", a_crop(1)),
            ("Oval", "P2", "c.png", a_crop(2)),
        ],
    )
    dataset = open_dataset(tmp_path)
    assert [source.id for source in dataset.sources] == ["c"]
    assert len(dataset.left_out) == 2


def test_a_copy_saved_in_another_mode_is_a_copy(tmp_path):
    write(
        tmp_path,
        [
            ("Oval", "P1", "a.png", a_crop(1)),
            ("Oval", "P2", "b.png", Image.fromarray(a_crop(1)).convert("RGB")),
            ("Oval", "P2", "c.png", a_crop(2)),
        ],
    )
    assert [source.id for source in open_dataset(tmp_path).sources] == ["c"]


def test_a_crop_without_an_outline_has_no_pixel_of_a_cell(tmp_path):
    write(tmp_path, [("Oval", "P1", "a.png", np.full((40, 40), 160, np.uint8))])
    dataset = open_dataset(tmp_path)
    assert not read_crop(dataset.sources[0]).mask.any()
    assert not dataset[0].classes.any() and not dataset[0].instances.any()


def test_a_file_that_is_missing_is_named(tmp_path):
    write(tmp_path, [("Oval", "P1", "a.png", a_crop()), ("Oval", "P1", "gone.png", None)])
    message = refusal(tmp_path)
    assert "gone.png" in message and "restore it or delete its row" in message


def test_without_strictness_a_missing_file_is_a_problem_and_the_others_are_read(tmp_path):
    write(tmp_path, [("Oval", "P1", "a.png", a_crop()), ("Oval", "P1", "gone.png", None)])
    dataset = open_dataset(tmp_path, strict=False)
    assert [source.id for source in dataset.sources] == ["a"]
    assert len(dataset.problems) == 1 and "gone.png" in dataset.problems[0]


def test_a_crop_that_is_damaged_is_refused_when_it_is_read(tmp_path):
    write(tmp_path, [("Oval", "P1", "a.png", a_crop())])
    (tmp_path / "images" / "Oval" / "a.png").write_bytes(b"no picture")
    dataset = open_dataset(tmp_path)
    with pytest.raises(DrepanoError, match=r"a\.png"):
        dataset[0]


def test_an_unknown_category_is_named_with_the_known_ones(tmp_path):
    write(tmp_path, [("Sikcle", "P1", "a.png", a_crop())])
    message = refusal(tmp_path)
    assert "a.png" in message and "Sickle-ISC" in message


@pytest.mark.parametrize("text", ["", "dataset,class8,patient,field,file\n", "class8,file\nOval,a.png\n"])
def test_a_manifest_without_its_columns_says_which_it_needs(tmp_path, text):
    write(tmp_path, [])
    (tmp_path / "manifest.csv").write_text(text)
    message = refusal(tmp_path)
    assert "manifest.csv" in message and "class8, patient, field, file" in message


@pytest.mark.parametrize(
    "manifest",
    [
        b"dataset,class8,patient,field,file\n1,Oval,P1\n",
        b"dataset,class8,patient,field,file\n1,Oval,P\xff1,7,a.png\n",
    ],
    ids=["row too short", "not UTF-8"],
)
def test_a_manifest_that_is_damaged_is_refused_with_its_name(tmp_path, manifest):
    write(tmp_path, [("Oval", "P1", "a.png", a_crop())])
    (tmp_path / "manifest.csv").write_bytes(manifest)
    assert "manifest.csv" in refusal(tmp_path)


def test_a_folder_without_manifest_or_categories_is_another_data_set(tmp_path):
    assert not is_xu2017(tmp_path)
    (tmp_path / "manifest.csv").write_text("class8\n")
    assert not is_xu2017(tmp_path)


# --- the real files


def test_real_patients_and_their_crops(xu2017):
    dataset = open_dataset(xu2017)
    assert dataset.name == "xu2017" and dataset.problems == ()
    assert dataset.patients == ("JH172", "JH1766915", "JH18361915", "MGH184_61915")
    assert len(dataset) + len(dataset.left_out) == 921
    counts = Counter(source.patient for source in dataset.sources)
    listed = {"JH172": 490, "JH1766915": 223, "JH18361915": 95, "MGH184_61915": 113}
    for patient, count in counts.items():
        assert listed[patient] - 4 <= count <= listed[patient]
    assert {source.category for source in dataset.sources} == set(CATEGORIES)
    assert len({source.id for source in dataset.sources}) == len(dataset)


def test_real_crops_stand_once_and_under_one_patient(xu2017):
    """The pictures themselves are compared, not what the reader says about them."""
    dataset = open_xu2017(xu2017)
    patients, files = defaultdict(set), defaultdict(list)
    for path in sorted((xu2017 / "images").glob("*/*.png")):
        grey = np.asarray(Image.open(path).convert("L"))
        key = (grey.shape, grey.tobytes())
        files[key].append(path)
        patients[key].add(
            next(name for name in ("JH1766915", *dataset.patients) if path.name.startswith(name))
        )
    assert sum(map(len, files.values())) == 921
    kept = {source.image for source in dataset.sources}
    assert any(len(copies) > 1 for copies in files.values())
    for key, copies in files.items():
        assert len(kept.intersection(copies)) == (1 if len(patients[key]) == 1 else 0)


def test_a_real_crop_is_a_field_of_one_cell(xu2017):
    dataset = open_dataset(xu2017)
    source = next(source for source in dataset.sources if source.category == "Sickle")
    field = dataset.load(source)
    assert np.unique(field.classes).tolist() == [0, SCD.index("El+Sk")]
    assert field.instances.max() == 1
    assert field.image.shape[:2] == field.classes.shape == field.instances.shape
