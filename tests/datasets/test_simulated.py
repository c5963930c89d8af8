"""What a simulated field is: drawn from a seed alone, of all eight categories, its truth exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import perimeter_crofton, regionprops

from drepano import taxonomy
from drepano.datasets.simulated import simulate_cell, simulate_field
from drepano.errors import DrepanoError
from drepano.field import Field


def simulated_fields(count, **options):
    return [simulate_field(seed, **options) for seed in range(count)]


def cells_of(category, count=12):
    return [simulate_cell(category, np.random.default_rng(seed)) for seed in range(count)]


def shape_of(cell):
    return regionprops(cell.mask.astype(np.uint8))[0]


def aspect_of(cell):
    return shape_of(cell).axis_major_length / shape_of(cell).axis_minor_length


def circularity_of(cell):
    return 4 * np.pi * cell.mask.sum() / perimeter_crofton(cell.mask, directions=4) ** 2


def roughness_of(cell):
    """Variation of the thickness well inside the cell, relative to its mean."""
    inner = cell.thickness[ndimage.binary_erosion(cell.mask, iterations=6)]
    return inner.std() / inner.mean()


def instances_that_touch(field):
    """Numbers of the cells that share a pixel's side with another cell."""
    touching = set()
    for one, other in (
        (field.instances[1:], field.instances[:-1]),
        (field.instances[:, 1:], field.instances[:, :-1]),
    ):
        meet = (one != other) & (one > 0) & (other > 0)
        touching |= set(one[meet].tolist()) | set(other[meet].tolist())
    return touching


def assert_truth_is_exact(field: Field, cells: int):
    assert ((field.classes > 0) == (field.instances > 0)).all()
    numbers = np.unique(field.instances[field.instances > 0])
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert len(numbers) <= cells
    for number in numbers:
        assert ndimage.label(field.instances == number)[1] == 1
        assert len(np.unique(field.classes[field.instances == number])) == 1
    assert field.classes.max(initial=0) < len(taxonomy.SCD)


# A field


def test_a_field_is_a_grey_picture_with_its_truth():
    field = simulate_field(7)
    assert (field.id, field.patient) == ("simulated-2-000007", "simulated-2")
    assert field.image.shape == (512, 512, 3) and field.image.dtype == np.uint8
    assert (field.image[..., 0] == field.image[..., 1]).all() and (
        field.image[..., 0] == field.image[..., 2]
    ).all()
    assert field.classes.shape == field.instances.shape == (512, 512)
    assert (field.classes.dtype, field.instances.dtype) == (np.uint8, np.int32)


def test_the_same_seed_gives_the_same_bits():
    first, second = simulate_field(3), simulate_field(3)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.classes.tobytes() == second.classes.tobytes()
    assert first.instances.tobytes() == second.instances.tobytes()


def test_another_seed_gives_another_field():
    first, second = simulate_field(0, size=(128, 128)), simulate_field(5, size=(128, 128))
    assert first.patient == second.patient
    assert (first.image != second.image).any() and (first.instances != second.instances).any()


@pytest.mark.parametrize("touching", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_truth_is_exact(seed, touching):
    field = simulate_field(seed, touching=touching)
    assert_truth_is_exact(field, cells=12)
    assert field.instances.max() == 12


@pytest.mark.parametrize("category", taxonomy.CATEGORIES)
def test_cells_have_the_class_of_their_category(category):
    field = simulate_field(1, size=(200, 200), cells=4, categories=[category])
    assert set(np.unique(field.classes)) == {0, taxonomy.SCD.index(category)}


def test_fields_hold_every_class():
    fields = simulated_fields(4, size=(256, 256))
    assert set(np.unique([field.classes for field in fields])) == set(range(len(taxonomy.SCD)))


def test_cells_stand_out_from_the_background_at_their_outlines():
    field = simulate_field(2, touching=0.0)
    grey = field.image[..., 0].astype(float)
    inside = field.instances > 0
    dark_rim = inside & ~ndimage.binary_erosion(inside, iterations=4)
    halo = ndimage.binary_dilation(inside, iterations=4) & ~inside
    background = np.median(grey[~inside])
    assert grey[halo].mean() > background + 10
    assert grey[dark_rim].mean() < background - 10


def test_the_background_is_free_of_cells_but_not_empty():
    field = simulate_field(0, cells=0)
    assert field.classes.max() == 0 and field.instances.max() == 0
    assert field.image.std() > 1


def test_no_cells_touch_where_none_shall():
    assert all(not instances_that_touch(field) for field in simulated_fields(5, touching=0.0))


def test_all_cells_touch_where_all_shall():
    for field in simulated_fields(3, touching=1.0):
        assert len(instances_that_touch(field)) >= 10  # the border may hide where a cell touches


def test_more_cells_touch_where_a_greater_share_shall():
    few, many = (
        sum(len(instances_that_touch(field)) for field in simulated_fields(4, touching=share))
        for share in (0.2, 0.8)
    )
    assert 0 < few < many


def test_some_cells_are_cut_by_the_border():
    cut = 0
    for field in simulated_fields(5):
        border = np.concatenate([field.instances[[0, -1]].ravel(), field.instances[:, [0, -1]].ravel()])
        cut += len(np.unique(border[border > 0]))
    assert cut > 0


@pytest.mark.parametrize("size", [(61, 97), (97, 61), (33, 33), (1, 1), (1, 200)])
def test_any_size_will_do(size):
    field = simulate_field(4, size=size)
    assert field.image.shape == (*size, 3)
    assert_truth_is_exact(field, cells=12)


def test_a_full_field_holds_fewer_cells_than_asked_for():
    field = simulate_field(0, size=(100, 100), cells=40)
    assert 2 <= field.instances.max() < 40


@pytest.mark.parametrize("diameter", [12.0, 20.5, 90.0])
def test_cells_have_the_size_asked_for(diameter):
    cell = simulate_cell("Discocyte", np.random.default_rng(0), diameter)
    assert np.sqrt(4 * cell.mask.sum() / np.pi) == pytest.approx(diameter, rel=0.2)
    field = simulate_field(0, size=(300, 300), cells=6, cell_diameter=diameter)
    assert_truth_is_exact(field, cells=6)


# Patients


def test_five_patients_take_turns():
    fields = simulated_fields(7, size=(40, 40), cells=0)
    assert [field.id for field in fields] == [f"simulated-{seed % 5}-{seed:06d}" for seed in range(7)]
    assert [field.patient for field in fields] == [f"simulated-{seed % 5}" for seed in range(7)]


def test_patients_differ_in_grey_level():
    fields = simulated_fields(5, size=(200, 200), cells=0)
    levels = sorted(float(np.median(field.image)) for field in fields)
    assert min(np.diff(levels)) > 3


# The eight categories


@pytest.mark.parametrize("category", taxonomy.CATEGORIES)
def test_a_cell_is_one_piece_within_its_patch(category):
    for cell in cells_of(category):
        assert cell.category == category
        assert cell.mask.shape == cell.thickness.shape
        assert ndimage.label(cell.mask)[1] == 1
        edges = np.concatenate([cell.mask[[0, -1]].ravel(), cell.mask[:, [0, -1]].ravel()])
        assert not edges.any()
        assert (cell.thickness >= 0).all()
        assert (cell.thickness[~ndimage.binary_dilation(cell.mask, iterations=2)] == 0).all()
        assert cell.thickness[cell.mask].mean() > 0.3


@pytest.mark.parametrize("category", taxonomy.CATEGORIES)
def test_a_cell_is_drawn_from_its_generator_alone(category):
    first, second = (simulate_cell(category, np.random.default_rng(5)) for _ in range(2))
    assert (first.thickness == second.thickness).all() and (first.mask == second.mask).all()


def test_discocytes_are_round():
    assert all(circularity_of(cell) > 0.9 and aspect_of(cell) < 1.2 for cell in cells_of("Discocyte"))


def test_ovals_are_longer_than_wide():
    assert all(1.1 < aspect_of(cell) < 1.7 for cell in cells_of("Oval"))


def test_elongated_cells_are_much_longer_than_wide():
    assert all(aspect_of(cell) > 1.6 for cell in cells_of("Elongated"))


def test_sickles_are_bent():
    sickles = [shape_of(cell).solidity for cell in cells_of("Sickle")]
    ovals = [shape_of(cell).solidity for cell in cells_of("Oval")]
    assert max(sickles) < min(ovals)
    assert all(aspect_of(cell) > 1.8 for cell in cells_of("Sickle"))


@pytest.mark.parametrize("category", ["Granular", "Echinocyte"])
def test_crenated_outlines_are_less_smooth_than_a_discocyte(category):
    crenated = np.mean([circularity_of(cell) for cell in cells_of(category)])
    assert crenated < np.mean([circularity_of(cell) for cell in cells_of("Discocyte")]) - 0.05


def test_reticulocytes_are_small():
    reticulocytes = np.mean([cell.mask.sum() for cell in cells_of("Reticulocyte")])
    assert reticulocytes < 0.85 * np.mean([cell.mask.sum() for cell in cells_of("Discocyte")])


@pytest.mark.parametrize("category", ["Reticulocyte", "Echinocyte", "Stomatocyte"])
def test_cells_with_something_inside_are_rougher_than_a_discocyte(category):
    rough = np.mean([roughness_of(cell) for cell in cells_of(category)])
    assert rough > 1.5 * np.mean([roughness_of(cell) for cell in cells_of("Discocyte")])


def test_a_stomatocyte_has_one_long_hollow():
    for cell in cells_of("Stomatocyte"):
        inner = ndimage.binary_erosion(cell.mask, iterations=6)
        hollow = inner & (cell.thickness < 0.7 * np.median(cell.thickness[inner]))
        pieces, count = ndimage.label(hollow)
        assert count == 1
        mouth = regionprops(pieces)[0]
        assert mouth.axis_major_length > 1.5 * mouth.axis_minor_length


# What cannot be used


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"seed": -1}, "seed"),
        ({"size": (0, 10)}, "size"),
        ({"size": (10, -1)}, "size"),
        ({"size": (10,)}, "size"),
        ({"cells": -1}, "cells"),
        ({"cell_diameter": 3.0}, "cell_diameter"),
        ({"cell_diameter": float("nan")}, "cell_diameter"),
        ({"cell_diameter": float("inf")}, "cell_diameter"),
        ({"categories": []}, "categories"),
        ({"categories": ["Discocyte", "Teardrop"]}, "Teardrop"),
        ({"touching": -0.1}, "touching"),
        ({"touching": 1.5}, "touching"),
        ({"touching": float("nan")}, "touching"),
    ],
)
def test_a_bad_argument_is_named_in_one_line(arguments, named):
    with pytest.raises(DrepanoError, match=named) as caught:
        simulate_field(**{"seed": 0, **arguments})
    assert "\n" not in str(caught.value)


def test_an_unknown_category_or_a_tiny_cell_cannot_be_drawn():
    with pytest.raises(DrepanoError, match="Teardrop"):
        simulate_cell("Teardrop", np.random.default_rng(0))
    with pytest.raises(DrepanoError, match="cell_diameter"):
        simulate_cell("Oval", np.random.default_rng(0), 2.0)
