"""Fields that show the same place are found, whatever lies between the two exposures, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drepano.datasets import find_overlaps, open_dataset, overlap_picture, simulate_field
from drepano.datasets.overlaps import PICTURE_CELL_DIAMETER, shown_by_both

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
        shift = np.array(pair.shift) * CELL_DIAMETER / PICTURE_CELL_DIAMETER
        np.testing.assert_allclose(shift, [sign * top, sign * left], atol=4)
        assert (pair.first, pair.second) == (0, 1)
        assert pair.share == pytest.approx(share, abs=0.02)
        assert pair.correlation > 0.8


def test_sizes_may_differ_and_the_share_is_that_of_the_smaller() -> None:
    (pair,) = find_overlaps(pictures(PLACE, window(200, 250, 300, 400)))
    assert pair.share == 1


def test_other_light_noise_and_a_pointer_do_not_hide_a_pair() -> None:
    one, other = window(0, 0), window(0, 200).astype(float)
    other *= np.linspace(0.7, 1.1, other.shape[1])[None, :, None]
    other += np.random.default_rng(0).normal(0, 5, other.shape)
    other[150:, 240:250] = 0
    assert len(find_overlaps(pictures(one, np.clip(other, 0, 255).astype(np.uint8)))) == 1


def test_fields_of_other_places_are_no_pair() -> None:
    images = [simulate_field(seed, size=(400, 500), cells=20).image for seed in range(8)]
    assert find_overlaps(pictures(*images)) == []


def test_one_like_cell_in_either_field_is_no_pair() -> None:
    """Laid on each other, the two are the same."""
    images = []
    for place in ((60, 70), (300, 400), (200, 90)):
        field = np.full((400, 500, 3), 170, np.uint8)
        rows, columns = np.ogrid[:400, :500]
        field[(rows - place[0]) ** 2 + (columns - place[1]) ** 2 < 22**2] = 110
        images.append(field + np.random.default_rng(sum(place)).integers(0, 5, field.shape, dtype=np.uint8))
    assert find_overlaps(pictures(*images)) == []


def test_an_overlap_of_fewer_than_eight_cells_is_not_looked_for() -> None:
    assert find_overlaps(pictures(window(0, 0), window(240, 300, 400, 500))) != []
    assert find_overlaps(pictures(window(0, 0, 300, 400), window(240, 330, 300, 400))) == []


def test_flat_fields_and_none_at_all_are_no_pair() -> None:
    flat = np.full((400, 500, 3), 170, np.uint8)
    assert find_overlaps(pictures(flat, flat)) == []
    assert find_overlaps([]) == []


def test_bars_that_all_fields_have_are_not_compared() -> None:
    images = [simulate_field(seed, size=(400, 500), cells=8).image.copy() for seed in range(4)]
    for image in images:
        image[:, :60] = image[:, -80:] = 0
    assert find_overlaps(pictures(*images)) == []
    assert pictures(images[0])[0].shape[1] == round(360 * PICTURE_CELL_DIAMETER / CELL_DIAMETER)


def test_progress_tells_how_many_have_been_compared() -> None:
    told: list[int] = []
    find_overlaps(pictures(window(0, 0), window(0, 0), window(0, 0)), told.append)
    assert told == [1, 2, 3]


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
