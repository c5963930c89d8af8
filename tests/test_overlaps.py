"""Fields that show the same place are found, whatever lies between the two exposures, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from drepano.datasets import open_dataset, simulate_field
from drepano.overlaps import compare_pictures, find_overlaps, overlap_picture, picture_scale, shown_by_both

CELL_DIAMETER = 45
PLACE = simulate_field(0, size=(640, 800), cells=140).image


def pictures(*images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    return [overlap_picture(image, CELL_DIAMETER) for image in images]


def window(top: int, left: int, height: int = 400, width: int = 500) -> NDArray[np.uint8]:
    return PLACE[top : top + height, left : left + width]


@pytest.mark.parametrize(
    ("top", "left", "share"), [(0, 0, 1.0), (240, 0, 0.4), (0, 300, 0.4), (150, 200, 0.375), (240, 300, 0.16)]
)
def test_a_pair_is_found_with_its_shift_and_share(top: int, left: int, share: float) -> None:
    there = window(0, 0), window(top, left)
    for images, sign in ((there, 1), (there[::-1], -1)):
        (pair,) = find_overlaps(pictures(*images))
        shift = np.array(pair.shift) / picture_scale(there[0].shape, CELL_DIAMETER)
        np.testing.assert_allclose(shift, [sign * top, sign * left], atol=4)
        assert (pair.first, pair.second) == (0, 1)
        assert pair.share == pytest.approx(share, abs=0.02)
        assert pair.correlation > 0.8


def test_sizes_may_differ_and_the_share_is_that_of_the_smaller() -> None:
    (pair,) = find_overlaps(pictures(PLACE, window(200, 250, 300, 400)))
    assert pair.share == 1


def with_other_light(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half as bright on its left as on its right, with noise and a pointer in it."""
    changed = image * np.linspace(0.5, 1, image.shape[1])[None, :, None]
    changed += np.random.default_rng(0).normal(0, 2, image.shape)
    changed[150:, 240:250] = 60
    return np.clip(changed, 0, 255).astype(np.uint8)


def test_other_light_noise_and_a_pointer_do_not_hide_a_pair() -> None:
    assert len(find_overlaps(pictures(window(0, 0), with_other_light(window(0, 200))))) == 1


def test_where_a_shift_falls_between_pixels_does_not_matter() -> None:
    whole = pictures(PLACE)
    for by in range(100, 116, 3):
        (pair,) = find_overlaps([*whole, *pictures(window(by, by, 300, 300))])
        assert pair.correlation > 0.75


def test_fields_of_other_places_are_no_pair() -> None:
    images = [simulate_field(seed, size=(400, 500), cells=20).image for seed in range(8)]
    assert find_overlaps(pictures(*images)) == []
    assert len(compare_pictures(pictures(*images))) > 0


def test_packed_fields_are_compared_too() -> None:
    """Where all cells touch, the gaps between them are the parts that are counted."""
    rows, columns = np.mgrid[:400, :500]
    gaps = np.zeros(rows.shape, bool)
    for row, column in np.random.default_rng(0).integers(0, 400, (40, 2)):
        gaps |= (rows - row) ** 2 + (columns - column) ** 2 < 15**2
    field = np.repeat(np.where(gaps, 200, 120).astype(np.uint8)[..., None], 3, axis=2)
    images = [
        field + np.random.default_rng(seed).integers(0, 9, field.shape, dtype=np.uint8) for seed in (1, 2)
    ]
    assert len(find_overlaps(pictures(*images))) == 1


@pytest.mark.parametrize("cells", [1, 2])
def test_one_or_two_like_cells_in_every_field_are_no_pair(cells: int) -> None:
    """Laid on each other, they are the same."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:400, :500]
    images = []
    for _ in range(12):
        field = rng.normal(170, 2, (400, 500))
        for row, column in rng.integers(40, 360, (cells, 2)):
            field[(rows - row) ** 2 + (columns - column) ** 2 < 22**2] = 110
        images.append(np.repeat(field.astype(np.uint8)[..., None], 3, axis=2))
    assert find_overlaps(pictures(*images)) == []


def test_an_overlap_of_fewer_than_eight_cells_is_not_looked_for() -> None:
    """Eight squares of 12 px are 1152 px: 29 rows of 40 px are more, 28 fewer."""
    place = gaussian_filter(np.random.default_rng(0).normal(size=(300, 40)), 2)
    place = np.sign(place).astype(np.float32)
    assert len(find_overlaps([place[:100], place[71:171]])) == 1
    assert find_overlaps([place[:100], place[72:172]]) == []


def test_flat_fields_and_none_at_all_are_no_pair() -> None:
    flat = np.full((400, 500, 3), 170, np.uint8)
    assert find_overlaps(pictures(flat, flat)) == []
    assert find_overlaps([]) == []


def with_bars(image: NDArray[np.uint8]) -> None:
    image[:50] = image[-60:] = image[:, :60] = image[:, -80:] = 0


def with_round_view(image: NDArray[np.uint8]) -> None:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    image[(rows - 200) ** 2 + (columns - 250) ** 2 > 190**2] = 0


@pytest.mark.parametrize("cut", [with_bars, with_round_view])
def test_bars_and_corners_that_all_fields_have_are_not_compared(
    cut: Callable[[NDArray[np.uint8]], None],
) -> None:
    images = [simulate_field(seed, size=(400, 500), cells=25).image.copy() for seed in range(6)]
    for image in images:
        cut(image)
    assert find_overlaps(pictures(*images)) == []


def test_pictures_are_never_larger_than_their_fields_nor_than_can_be_compared() -> None:
    field = window(0, 0)
    assert overlap_picture(field, cell_diameter=1).shape == (256, 320)
    assert overlap_picture(field[:50, :60], cell_diameter=1).shape == (50, 60)
    assert overlap_picture(field, cell_diameter=5000).shape == (1, 1)


def test_progress_tells_how_many_pairs_have_been_compared() -> None:
    told: list[tuple[int, int]] = []
    find_overlaps(pictures(*[window(0, 0)] * 4), lambda done, total: told.append((done, total)))
    assert told == [(1, 6), (3, 6), (6, 6)]


@pytest.mark.parametrize("shift", [(0, 0), (2, 3), (-2, 3), (2, -3), (-4, -1)])
def test_what_both_show_is_the_same_in_both(shift: tuple[int, int]) -> None:
    place = np.arange(20 * 30).reshape(20, 30)
    one, other = place[5:12, 8:16], place[5 + shift[0] : 14 + shift[0], 8 + shift[1] : 15 + shift[1]]
    first, second = shown_by_both(one, other, shift)
    assert first.size > 0
    np.testing.assert_array_equal(first, second)


def test_what_does_not_meet_has_nothing_in_common() -> None:
    one, other = shown_by_both(np.ones((4, 5)), np.ones((4, 5)), (4, 0))
    assert one.size == other.size == 0


def test_real_fields_of_one_place_are_found(shared_data: Path) -> None:
    """Fields 40 and 41 share two fifths, behind a pointer in one of them; 42 and 43 are of other places."""
    dataset = open_dataset(shared_data / "chula-rbc12")
    sources = sorted(
        (one for one in dataset.sources if one.id in ("40", "41", "42", "43")), key=lambda one: one.id
    )
    images = [overlap_picture(dataset.load(one).image, dataset.cell_diameter) for one in sources]
    (pair,) = find_overlaps(images)
    assert (pair.first, pair.second) == (0, 1)
    assert pair.share == pytest.approx(0.4, abs=0.02)
