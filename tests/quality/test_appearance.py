"""A field in a few numbers, and how unlike others it is."""

from __future__ import annotations

import numpy as np
import pytest

from drepano.models import find_weights, read_card
from drepano.quality.appearance import FEATURES, UNLIKE, describe, distances, in_words, ranges, unlikeness


def test_numbers_of_a_field_that_was_drawn(field):
    numbers = describe(field())
    assert set(numbers) == set(FEATURES)
    assert numbers["background_level"] == pytest.approx(160, abs=1)
    assert numbers["contrast"] == pytest.approx(60, rel=0.05)
    assert numbers["covered"] == pytest.approx(9 * np.pi * 22.5**2 / 256**2, rel=0.03)
    assert numbers["dark_share"] == 1
    assert numbers["cell_colour"] < 0.05


@pytest.mark.parametrize(
    ("changes", "name", "more"),
    [
        ({"background": (200, 200, 200)}, "background_level", True),
        ({"background": (180, 160, 140)}, "background_colour", True),
        ({"shift": (-30, -30, -30)}, "contrast", False),
        ({"shift": (-20, -80, -80)}, "cell_colour", True),
        ({"shift": (60, 60, 60)}, "dark_share", False),
        ({"blur": 4.0}, "edge_width", True),
        ({"noise": 12.0}, "noise", True),
        ({"count": 2}, "covered", False),
    ],
)
def test_each_number_answers_to_what_it_is_named_after(field, changes, name, more):
    plain, changed = describe(field())[name], describe(field(**changes))[name]
    assert changed > plain * 1.2 if more else changed < plain * 0.8


@pytest.mark.parametrize("level", [0, 160, 255])
def test_a_flat_field_has_no_cells_to_describe(level):
    numbers = describe(np.full((40, 50, 3), level, np.uint8))
    assert numbers["background_level"] == level
    assert sum(numbers.values()) == level


KNOWN = {name: (10.0, 20.0) for name in FEATURES}
INSIDE = dict.fromkeys(FEATURES, 15.0)


def test_inside_all_ranges_nothing_is_unlike():
    assert unlikeness(INSIDE, KNOWN) == 0
    assert in_words(INSIDE, KNOWN) == []


def test_distance_is_in_widths_of_the_range():
    numbers = INSIDE | {"noise": 30.0, "covered": 5.0}
    assert distances(numbers, KNOWN)["noise"] == 1
    assert distances(numbers, KNOWN)["covered"] == -0.5
    assert unlikeness(numbers, KNOWN) == 1


def test_a_narrow_range_is_taken_as_wide_as_matters():
    narrow = KNOWN | {"background_level": (100.0, 100.0)}
    assert distances(INSIDE | {"background_level": 110.0}, narrow)["background_level"] == 0.5


def test_words_say_what_is_unlike_and_which_way_the_worst_first():
    numbers = INSIDE | {"noise": 31.0, "background_level": -30.0, "contrast": 25.0}
    assert in_words(numbers, KNOWN) == ["the background is darker", "the image is more noisy"]


def test_ranges_leave_out_the_farthest_hundredth():
    table = [dict.fromkeys(FEATURES, float(value)) for value in range(101)]
    assert set(ranges(table).values()) == {(1.0, 99.0)}


class TestShippedNetworks:
    def score(self, model, image):
        return unlikeness(describe(image), read_card(find_weights(model)).appearance)

    def test_stained_cells_are_unlike_for_scd_and_not_for_rbc(self, field):
        image = field(background=(225, 220, 225), shift=(-70, -120, -100), blur=1.0)
        assert self.score("scd", image) > UNLIKE
        assert self.score("rbc", image) < UNLIKE

    @pytest.mark.parametrize("model", ["scd", "rbc"])
    def test_noise_is_unlike(self, model):
        image = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
        assert self.score(model, image) > UNLIKE
