"""A user's own folder: what is accepted, and what the message says where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from drepano.datasets import open_dataset
from drepano.errors import DrepanoError
from drepano.taxonomy import BINARY, CATEGORIES, MERGED_CLASS, SCD

CELLS = np.zeros((30, 40), np.uint8)
CELLS[2:12, 2:12] = 1
CELLS[2:12, 20:30] = 1
CELLS[18:28, 5:15] = 1
"""A binary map of three cells that lie apart."""

BINARY_CLASSES = '[classes]\n0 = "background"\n255 = "cell"\n'
LABELS = 'labels = "labels"\n'


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def write(tmp_path):
    """Write a data set of one field "a" and return its folder."""

    def write_folder(labels=None, instances=None, toml=LABELS + BINARY_CLASSES, name="a", size=(30, 40)):
        save(tmp_path / "images" / f"{name}.png", np.full((*size, 3), 180, np.uint8))
        for kind, array in (("labels", labels), ("instances", instances)):
            if isinstance(array, Image.Image):
                (tmp_path / kind).mkdir(exist_ok=True)
                array.save(tmp_path / kind / f"{name}.png")
            elif array is not None:
                save(tmp_path / kind / f"{name}.png", array)
        (tmp_path / "dataset.toml").write_text('name = "mine"\n' + toml)
        return tmp_path

    return write_folder


def refusal(action):
    with pytest.raises(DrepanoError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def refusal_to_open(folder):
    return refusal(lambda: open_dataset(folder))


def refusal_to_read(folder):
    dataset = open_dataset(folder)
    return refusal(lambda: dataset[0])


# --- class maps


def test_a_mask_of_0_and_255(write):
    dataset = open_dataset(write(CELLS * 255))
    assert dataset.name == "mine" and dataset.taxonomy == BINARY and dataset.cell_diameter == 45.0
    field = dataset[0]
    assert (field.classes == CELLS).all() and field.classes.dtype == np.uint8
    assert field.image.shape == (30, 40, 3) and field.id == "a" and field.patient is None


def test_a_mask_of_0_and_1(write):
    field = open_dataset(write(CELLS, toml=LABELS + '[classes]\n0 = "background"\n1 = "cell"\n'))[0]
    assert (field.classes == CELLS).all()


def test_a_mask_of_1_bit(write):
    toml = LABELS + '[classes]\n0 = "background"\n1 = "cell"\n'
    assert (open_dataset(write(CELLS > 0, toml=toml))[0].classes == CELLS).all()


def test_a_mask_whose_background_is_white(write):
    toml = LABELS + '[classes]\n255 = "background"\n0 = "cell"\n'
    assert (open_dataset(write((1 - CELLS) * 255, toml=toml))[0].classes == CELLS).all()


def test_an_indexed_png_means_its_indices_and_not_its_colours(write):
    indexed = Image.fromarray(CELLS * 3)
    indexed.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 200, 0, 0])
    toml = LABELS + '[classes]\n0 = "background"\n3 = "cell"\n'
    assert (open_dataset(write(indexed, toml=toml))[0].classes == CELLS).all()


def test_a_colour_map(write):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0x80, 0xFF]], np.uint8)
    classes = CELLS.copy()
    classes[18:28] *= 2
    toml = LABELS + '[classes]\n"#000000" = "background"\n"#ff0000" = "round"\n"#0080FF" = "long"\n'
    dataset = open_dataset(write(colours[classes], toml=toml))
    assert dataset.taxonomy.classes == ("background", "round", "long")
    assert (dataset[0].classes == classes).all()


def test_the_background_becomes_0_wherever_it_is_listed(write):
    toml = LABELS + '[classes]\n1 = "round"\n2 = "long"\n0 = "background"\n'
    dataset = open_dataset(write(CELLS * 2, toml=toml))
    assert dataset.taxonomy.classes == ("background", "round", "long")
    assert (dataset[0].classes == CELLS * 2).all()


def test_a_misspelt_setting_is_told(write):
    told = refusal_to_open(write(CELLS * 255, toml='label = "labels"\n' + BINARY_CLASSES))
    assert "setting label: there is no such setting; did you mean labels?" in told


def test_several_values_of_one_class(write):
    labels = CELLS * np.linspace(1, 2.99, 40).astype(np.uint8)
    toml = LABELS + '[classes]\n0 = "background"\n1 = "cell"\n2 = "cell"\n'
    dataset = open_dataset(write(labels, toml=toml))
    assert dataset.taxonomy == BINARY
    assert (dataset[0].classes == CELLS).all()


def test_eight_categories_are_merged_to_four(write):
    labels = np.zeros((30, 40), np.uint8)
    labels[:9, :40] = np.arange(9)[:, None]
    lines = "".join(f'{i} = "{category}"\n' for i, category in enumerate(CATEGORIES, start=1))
    dataset = open_dataset(write(labels, toml=f'{LABELS}[classes]\n0 = "background"\n{lines}'))
    assert dataset.taxonomy == SCD
    merged = [0] + [SCD.index(MERGED_CLASS[category]) for category in CATEGORIES]
    assert (dataset[0].classes == np.array(merged)[labels]).all()


def test_capitals_and_blanks_do_not_matter(write):
    lines = "".join(f'{i} = " {category.lower()} "\n' for i, category in enumerate(CATEGORIES, start=1))
    dataset = open_dataset(write(CELLS, toml=f'{LABELS}[classes]\n0 = "Background"\n{lines}'))
    assert dataset.taxonomy == SCD


@pytest.mark.parametrize(
    ("written", "meant"),
    [("Echinocite", "Echinocyte"), ("discocytes", "Discocyte"), ("Ret+Stom+Ech", "Ret+Sto+Ech")],
)
def test_a_misspelt_category_is_told_since_it_would_undo_the_merging_of_all(write, written, meant):
    toml = f'{LABELS}[classes]\n0 = "background"\n1 = "Oval"\n2 = "Sickle"\n3 = "{written}"\n'
    told = refusal_to_open(write(CELLS, toml=toml))
    assert f"dataset.toml: [classes]: {written!r} is none of the eight categories" in told
    assert f"write {meant!r}" in told


def test_a_misspelt_one_of_the_four_is_told_too(write):
    toml = LABELS + '[classes]\n0 = "background"\n1 = "Dic+Ovl"\n2 = "El+Sk"\n3 = "Ret+Sto+Ehc"\n'
    assert "write 'Ret+Sto+Ech'" in refusal_to_open(write(CELLS, toml=toml))


def test_all_in_the_plural_are_told(write):
    toml = LABELS + '[classes]\n0 = "background"\n1 = "Discocytes"\n2 = "Sickles"\n'
    assert "write 'Discocyte'" in refusal_to_open(write(CELLS, toml=toml))


def test_another_class_beside_the_categories_is_not_taken_for_one(write):
    toml = LABELS + '[classes]\n0 = "background"\n1 = "Oval"\n2 = "Sickle"\n3 = "Platelet"\n'
    assert open_dataset(write(CELLS, toml=toml)).taxonomy.classes == (
        "background",
        "Oval",
        "Sickle",
        "Platelet",
    )


def test_some_of_the_categories_are_merged_as_well(write):
    toml = LABELS + '[classes]\n0 = "background"\n1 = "Oval"\n2 = "Sickle"\n3 = "Grl"\n'
    dataset = open_dataset(write(CELLS * 2, toml=toml))
    assert dataset.taxonomy == SCD
    assert np.unique(dataset[0].classes).tolist() == [0, SCD.index("El+Sk")]


def test_one_category_alone_stays_what_it_is(write):
    toml = LABELS + '[classes]\n0 = "background"\n1 = "Sickle"\n'
    assert open_dataset(write(CELLS, toml=toml)).taxonomy.classes == ("background", "Sickle")


# --- instances


def test_without_an_instance_map_regions_of_one_class_are_the_cells(write):
    """Regions that meet at a corner only, or whose classes differ, are different cells."""
    classes = np.zeros((30, 40), np.uint8)
    classes[0:5, 0:5] = 1
    classes[5:10, 5:10] = 1
    classes[5:10, 10:15] = 2
    toml = LABELS + '[classes]\n0 = "background"\n1 = "round"\n2 = "long"\n'
    field = open_dataset(write(classes, toml=toml))[0]
    assert field.instances.dtype == np.int32
    assert field.instances.max() == 3
    assert len({field.instances[2, 2], field.instances[7, 7], field.instances[7, 12]}) == 3
    assert ((field.instances > 0) == (field.classes > 0)).all()


def test_categories_that_touch_are_two_cells_though_they_are_merged_into_one_class(write):
    labels = np.zeros((30, 40), np.uint8)
    labels[5:15, 5:15], labels[5:15, 15:25] = 1, 2
    toml = LABELS + '[classes]\n0 = "background"\n1 = "Discocyte"\n2 = "Oval"\n3 = "Sickle"\n'
    field = open_dataset(write(labels, toml=toml))[0]
    assert np.unique(field.classes).tolist() == [0, SCD.index("Dic+Ovl")]
    assert field.instances.max() == 2 and field.instances[10, 10] != field.instances[10, 20]


def test_values_of_one_class_that_touch_are_one_cell(write):
    labels = np.zeros((30, 40), np.uint8)
    labels[5:15, 5:15], labels[5:15, 15:25] = 1, 2
    field = open_dataset(
        write(labels, toml=LABELS + '[classes]\n0 = "background"\n1 = "cell"\n2 = "cell"\n')
    )[0]
    assert field.instances.max() == 1


def test_16_bit_instance_maps_alone_make_every_cell_a_cell(write):
    numbers = CELLS.astype(np.uint16) * 40_000
    numbers[18:28, 5:15] = 7
    dataset = open_dataset(write(instances=numbers, toml='instances = "instances"\n'))
    assert dataset.taxonomy == BINARY
    field = dataset[0]
    assert (field.instances == numbers).all() and field.instances.dtype == np.int32
    assert (field.classes == CELLS).all()


@pytest.mark.parametrize("numbers", [100_001, 2**31 + 1])
def test_numbers_beyond_16_bits_become_numbers_from_1_on(write, numbers):
    folder = write(instances=CELLS, toml='instances = "instances"\n')
    (folder / "instances/a.png").unlink()
    values = CELLS * np.uint32(numbers)
    values[18:28, 5:15] = 7
    tifffile.imwrite(folder / "instances/a.tif", values)
    instances = open_dataset(folder)[0].instances
    assert np.unique(instances).tolist() == [0, 1, 2]
    assert ((instances > 0) == (CELLS > 0)).all() and (instances[18:28, 5:15] == 1).all()


def test_a_colour_a_cell_is_a_number_a_cell(write):
    colours = np.array([[0, 0, 0], [200, 10, 0], [0, 90, 90]], np.uint8)[
        CELLS + (CELLS > 0) * (np.arange(40) > 19)
    ]
    instances = open_dataset(write(instances=colours, toml='instances = "instances"\n'))[0].instances
    assert np.unique(instances).tolist() == [0, 1, 2]


def test_negative_numbers_of_cells_are_refused(write):
    folder = write(instances=CELLS, toml='instances = "instances"\n')
    (folder / "instances/a.png").unlink()
    tifffile.imwrite(folder / "instances/a.tif", CELLS.astype(np.int16) - 1)
    assert "a.tif: has negative numbers; give the background 0" in refusal_to_read(folder)


def test_class_map_and_instance_map_together(write):
    """The instance map alone says what is one cell: two halves of one region, and two pieces of one cell."""
    numbers = CELLS.astype(np.uint16) * 5
    numbers[2:7, 2:12] = 9
    toml = LABELS + 'instances = "instances"\n' + BINARY_CLASSES
    field = open_dataset(write(CELLS * 255, numbers, toml))[0]
    assert (field.instances == numbers).all()
    assert (field.classes == CELLS).all()


def test_images_alone_have_no_maps(write):
    dataset = open_dataset(write(toml=""))
    assert len(dataset) == 1
    assert dataset[0].classes is None and dataset[0].instances is None


# --- patients, pixel size


def test_the_patient_is_what_the_brackets_find(write):
    dataset = open_dataset(write(toml='patient = "^(P[0-9]+)_"\n', name="P07_field3"))
    assert dataset.patients == ("P07",) and dataset[0].patient == "P07"


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("^(P[0-9]+)_", "finds no patient in its name"),
        ("^(P?[0-9]*)", "finds no patient in its name"),
        ("^a", "has no brackets; put them around"),
        ("(P[0-9]+", "is not a regular expression"),
    ],
)
def test_a_pattern_that_finds_no_patient_is_refused(write, pattern, told):
    assert told in refusal_to_open(write(toml=f'patient = "{pattern}"\n'))


def test_the_pixel_size_of_a_tiff_is_kept(write, tmp_path):
    folder = write(toml="")
    (folder / "images" / "a.png").unlink()
    tifffile.imwrite(
        folder / "images" / "a.tif",
        np.full((30, 40), 180, np.uint8),
        imagej=True,
        resolution=(4.0, 4.0),
        metadata={"unit": "um"},
    )
    assert open_dataset(folder)[0].pixel_size == pytest.approx(0.25)


# --- what is refused


def test_an_unknown_value_tells_what_was_found_and_the_line_to_write(write):
    labels = CELLS * 255
    labels[25:, 30:] = 128
    message = refusal_to_read(write(labels))
    assert "a.png" in message and "128 (4.17%)" in message and "255 (" in message and "0 (" in message
    assert '"128" = "name of the class"' in message and "dataset.toml" in message


def test_an_unknown_colour_is_told_as_a_colour(write):
    colours = np.zeros((30, 40, 3), np.uint8)
    colours[0, 0] = (255, 16, 0)
    message = refusal_to_read(write(colours))
    assert '"#FF1000" = "name of the class"' in message


def test_sizes_that_differ_are_told_as_width_x_height(write):
    message = refusal_to_read(write(CELLS[:20] * 255))
    assert "labels" in message and "is 40 x 20 but a.png is 40 x 30" in message


def test_an_instance_map_that_lost_its_numbers_is_refused(write):
    folder = write(instances=CELLS, toml='instances = "instances"\n')
    path = folder / "instances" / "a.png"
    Image.open(path).convert("L").save(path.with_suffix(".jpg"))
    path.unlink()
    message = refusal_to_read(folder)
    assert "a.jpg: JPEG blurs the numbers of cells; export the instance maps as PNG" in message


def test_an_instance_map_of_another_size_is_refused(write):
    message = refusal_to_read(write(instances=CELLS[:, :10], toml='instances = "instances"\n'))
    assert "is 10 x 30 but a.png is 40 x 30" in message


@pytest.mark.parametrize(
    ("removed", "told"),
    [
        ("labels/a.png", ("images", "a.png", "has no file of the same name in labels")),
        ("images/a.png", ("labels", "a.png", "has no image of the same name")),
    ],
)
def test_a_missing_counterpart_is_named(write, removed, told):
    folder = write(CELLS * 255)
    write(CELLS * 255, name="b")
    (folder / removed).unlink()
    message = refusal_to_open(folder)
    for part in told:
        assert part in message
    assert [source.id for source in open_dataset(folder, strict=False).sources] == ["b"]


def test_two_images_of_one_name_are_refused(write):
    folder = write(CELLS * 255)
    save(folder / "images" / "a.jpg", np.full((30, 40, 3), 180, np.uint8))
    message = refusal_to_open(folder)
    assert "a.png" in message and "a.jpg" in message and "rename one of them" in message


def test_hidden_files_and_files_that_are_no_images_are_passed_over(write):
    folder = write(CELLS * 255)
    for name in ("Thumbs.db", "notes.txt", "._a.png", ".hidden.png"):
        (folder / "images" / name).write_bytes(b"")
    assert len(open_dataset(folder)) == 1


def test_a_name_that_is_no_utf8_is_a_problem(write):
    folder = write(CELLS * 255)
    (folder / "images/a.png").rename(folder / "images/\udcfc.png")
    assert "images/\\udcfc.png: its name has a line break or is not UTF-8; rename it" in " ".join(
        open_dataset(folder, strict=False).problems
    )


def test_image_and_map_may_have_different_suffixes(write):
    folder = write(CELLS * 255)
    (folder / "images" / "a.png").unlink()
    save(folder / "images" / "a.JPG", np.full((30, 40, 3), 180, np.uint8))
    assert (open_dataset(folder)[0].classes == CELLS).all()


def test_a_folder_that_the_file_names_but_is_not_there(write):
    assert "labels: named in dataset.toml but not a folder" in refusal_to_open(write())


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("labels = labels\n", "not valid TOML"),
        ("labels = \n", "not valid TOML"),
        ('lables = "labels"\n', "lables"),
        ("cell_diameter = 0\n", "cell_diameter"),
        ("cell_diameter = true\n", "cell_diameter: Input should be a valid number"),
        ("cell_diameter = nan\n", "cell_diameter: Input should be a finite number"),
        ('cell_diameter = "big"\n', "cell_diameter"),
        ('preparation = "papers"\n', "preparation"),
        ("[classes]\n0 = 1\n", "classes.0"),
        (LABELS, "has labels but no [classes]"),
        (LABELS + '[classes]\n255 = "cell"\n', 'names no background; write for instance 0 = "background"'),
        (LABELS + '[classes]\n0 = "background"\n', "names no class of cells"),
        (LABELS + '[classes]\n0 = "background"\nred = "cell"\n', "'red' is not a label value"),
        (LABELS + BINARY_CLASSES + '0255 = "other"\n', "255 and 0255 are one value; give it one class"),
        (LABELS + BINARY_CLASSES + '9 = "Average"\n', "'Average' cannot be a name in tables of results"),
        (LABELS + BINARY_CLASSES + '9 = "a|b"\n', "use another one, without | < > * `"),
    ],
)
def test_a_bad_dataset_toml_is_refused_with_its_name_and_the_setting(write, toml, told):
    folder = write(CELLS * 255, toml=toml)
    message = refusal_to_open(folder)
    assert told in message and "dataset.toml" in message


def test_a_dataset_toml_without_a_name_is_refused(write):
    folder = write(CELLS * 255)
    (folder / "dataset.toml").write_text(LABELS + BINARY_CLASSES)
    assert "setting name" in refusal_to_open(folder)


def test_a_dataset_toml_that_is_not_utf_8_is_refused(write):
    folder = write(CELLS * 255)
    (folder / "dataset.toml").write_bytes('name = "Zürich"\n'.encode("latin-1"))
    assert "not valid TOML" in refusal_to_open(folder)


def test_a_dataset_toml_with_a_byte_order_mark_is_read(write):
    """As Windows' Notepad writes it."""
    folder = write(CELLS * 255)
    text = (folder / "dataset.toml").read_bytes()
    (folder / "dataset.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert open_dataset(folder).name == "mine"
