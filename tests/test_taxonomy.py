"""Classes: their order is their pixel value, the background comes first."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from drepano.errors import DrepanoError
from drepano.taxonomy import (
    BINARY,
    CATEGORIES,
    MERGED_CLASS,
    SCD,
    SICKLED_CLASS,
    Taxonomy,
    from_classes,
)


def test_the_papers_five_classes_in_the_papers_order():
    assert SCD.classes == ("background", "Dic+Ovl", "El+Sk", "Grl", "Ret+Sto+Ech")
    assert SCD.cell_classes == SCD.classes[1:]
    assert len(SCD) == 5
    assert SCD.name == "scd"


def test_the_binary_taxonomy_knows_cell_and_background():
    assert BINARY.classes == ("background", "cell")
    assert len(BINARY) == 2


@pytest.mark.parametrize(
    ("category", "merged", "value"),
    [
        ("Discocyte", "Dic+Ovl", 1),
        ("Oval", "Dic+Ovl", 1),
        ("Elongated", "El+Sk", 2),
        ("Sickle", "El+Sk", 2),
        ("Granular", "Grl", 3),
        ("Reticulocyte", "Ret+Sto+Ech", 4),
        ("Stomatocyte", "Ret+Sto+Ech", 4),
        ("Echinocyte", "Ret+Sto+Ech", 4),
    ],
)
def test_each_of_the_eight_categories_has_its_merged_class(category, merged, value):
    assert MERGED_CLASS[category] == merged
    assert SCD.index(category) == SCD.index(merged) == value


def test_all_categories_are_merged_into_classes_that_exist():
    assert len(CATEGORIES) == 8
    assert set(MERGED_CLASS) == set(CATEGORIES)
    assert set(MERGED_CLASS.values()) == set(SCD.cell_classes)
    assert SICKLED_CLASS in SCD.cell_classes


def test_a_taxonomy_of_its_own_may_use_the_eight_categories():
    eight = Taxonomy("eight", ("background", *CATEGORIES))
    assert [eight.index(category) for category in CATEGORIES] == list(range(1, 9))


@pytest.mark.parametrize("taxonomy", [BINARY, SCD])
def test_every_class_has_its_value(taxonomy):
    assert [taxonomy.index(name) for name in taxonomy.classes] == list(range(len(taxonomy)))


@pytest.mark.parametrize(("taxonomy", "name"), [(SCD, "cell"), (BINARY, "Sickle"), (SCD, "")])
def test_a_class_of_another_taxonomy_is_refused_with_the_ones_there_are(taxonomy, name):
    with pytest.raises(
        DrepanoError, match=f"class '{name}' is not in taxonomy '{taxonomy.name}'.*background"
    ):
        taxonomy.index(name)


@pytest.mark.parametrize("classes", [(), ("background",), ("cell", "background"), ("cell",)])
def test_the_background_comes_first_and_a_class_of_cells_after_it(classes):
    with pytest.raises(
        DrepanoError, match="name 'background' first and at least one class of cells after it"
    ):
        Taxonomy("mine", classes)


def test_no_class_is_named_twice():
    with pytest.raises(DrepanoError, match="a class is named twice"):
        Taxonomy("mine", ("background", "cell", "cell"))


def test_every_class_has_its_own_colour_and_the_background_is_black():
    eight = Taxonomy("eight", ("background", *CATEGORIES))
    for taxonomy in (BINARY, SCD, eight):
        assert len(taxonomy.colours) == len(taxonomy)
        assert taxonomy.colours[0] == (0, 0, 0)
        assert len(set(taxonomy.colours)) == len(taxonomy)
        assert all(0 <= part <= 255 for colour in taxonomy.colours for part in colour)


def test_more_classes_than_colours_use_the_colours_again():
    many = Taxonomy("many", ("background", *(f"class {i}" for i in range(20))))
    assert len(many.colours) == 21
    assert (0, 0, 0) not in many.colours[1:]


def test_class_names_that_are_known_give_the_known_taxonomy():
    assert from_classes(["background", "cell"]) is BINARY
    assert from_classes(iter(SCD.classes)) is SCD


def test_other_class_names_give_a_taxonomy_of_their_own():
    assert from_classes(["background", "RBC", "WBC"]) == Taxonomy("custom", ("background", "RBC", "WBC"))


def test_the_same_classes_in_another_order_are_another_taxonomy():
    assert from_classes(["background", *reversed(SCD.cell_classes)]) != SCD


@pytest.mark.parametrize(
    "seen",
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ],
    ids=["all cones", "protanopia", "deuteranopia", "tritanopia"],
)
def test_colours_of_cells_are_told_apart_by_colour_blind_eyes(seen):
    """The matrices are those of Machado, Oliveira and Fernandes (2009), Table 1, for linear RGB.

    A difference of 10 by CIEDE2000 is several times what eyes notice between two patches side by side.
    """
    colours = np.array(SCD.colours[1:]) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    light = np.clip(linear @ np.transpose(seen), 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    lab = rgb2lab(encoded)
    assert min(deltaE_ciede2000(one, other) for one, other in combinations(lab, 2)) > 10
