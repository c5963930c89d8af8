"""Differences between groups of fields and between groups of patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from drepano.cells import compare_groups
from drepano.taxonomy import SCD


def fields(*rows):
    """A row a field: what is known of it, sickled cells, all cells; the others are Dic+Ovl."""
    return pd.DataFrame(
        [
            {
                **known,
                "cells": cells,
                "Dic+Ovl cells": cells - sickled,
                "El+Sk cells": sickled,
                "Grl cells": 0,
                "Ret+Sto+Ech cells": 0,
            }
            for known, sickled, cells in rows
        ]
    )


def sickled(table, **values):
    rows = table[table["class"] == "El+Sk"]
    for name, value in values.items():
        rows = rows[rows[name] == value]
    (row,) = rows.to_dict("records")
    return row


class TestFields:
    def test_patients_are_compared_class_by_class(self):
        table = fields(({"patient": "P"}, 3, 10), ({"patient": "P"}, 3, 10), ({"patient": "Q"}, 5, 5))
        rows = compare_groups(table, ["patient"], SCD)
        assert rows["class"].tolist() == list(SCD.cell_classes)
        row = sickled(rows)
        assert (row["first"], row["second"], row["differ_in"], row["over"]) == ("P", "Q", "patient", "fields")
        assert (row["first_count"], row["second_count"]) == (2, 1)
        assert (row["first_share"], row["second_share"]) == (0.3, 1)
        assert row["difference"] == pytest.approx(0.7), "the second less the first"

    def test_one_field_on_a_side_has_no_interval_and_no_verdict(self):
        table = fields(({"patient": "P"}, 3, 10), ({"patient": "Q"}, 5, 5))
        row = sickled(compare_groups(table, ["patient"], SCD))
        assert np.isnan(row["low"])
        assert pd.isna(row["more_than_chance"])

    def test_layers_and_times_of_one_place_count_once(self):
        patients = [({"patient": "P", "place": f"P{n % 2}"}, 5 + 5 * (n % 2), 50) for n in range(8)]
        patients += [({"patient": "Q", "place": f"Q{n % 2}"}, 12 + 10 * (n % 2), 50) for n in range(8)]
        row = sickled(compare_groups(fields(*patients), ["patient"], SCD))
        assert (row["first_count"], row["second_count"]) == (2, 2)
        assert row["more_than_chance"] is False

    def test_a_large_difference_is_more_than_chance(self):
        table = fields(*[({"patient": "P"}, 5, 50)] * 4, *[({"patient": "Q"}, 30, 50)] * 4)
        row = sickled(compare_groups(table, ["patient"], SCD))
        assert row["low"] > 0
        assert row["more_than_chance"] is True

    def test_the_same_difference_between_two_fields_each_that_differ_is_not(self):
        rows = [({"patient": "P"}, hits, 50) for hits in (0, 10)] + [
            ({"patient": "Q"}, hits, 50) for hits in (10, 50)
        ]
        assert sickled(compare_groups(fields(*rows), ["patient"], SCD))["more_than_chance"] is False

    def test_without_a_difference_there_is_none(self):
        table = fields(*[({"patient": name}, 5, 50) for name in "PQ" for _ in range(5)])
        assert not sickled(compare_groups(table, ["patient"], SCD))["more_than_chance"]

    def test_only_groups_that_differ_in_one_thing_are_compared(self):
        table = fields(*[({"patient": p, "time": t}, 0, 1) for p in "PQ" for t in (0, 6)])
        rows = compare_groups(table, ["patient", "time"], SCD)
        rows = rows[rows["over"] == "fields"]
        pairs = set(zip(rows["differ_in"], rows["first"], rows["second"], rows["same"], strict=True))
        assert pairs == {
            ("time", "0", "6", "patient P"),
            ("time", "0", "6", "patient Q"),
            ("patient", "P", "Q", "time 0"),
            ("patient", "P", "Q", "time 6"),
        }

    def test_one_group_has_nothing_to_be_compared_with(self):
        table = fields(({"patient": "P"}, 3, 10), ({"patient": "P"}, 3, 10))
        assert compare_groups(table, ["patient"], SCD).empty


class TestPlaces:
    """The same places of a patient at two times, as under falling oxygen."""

    def course(self, before, after):
        """Places and their sickled cells in per cent of 10 000."""
        return fields(
            *[({"patient": "P", "time": 0, "place": f"P{n}"}, 100 * hits, 10_000) for n, hits in before],
            *[({"patient": "P", "time": 6, "place": f"P{n}"}, 100 * hits, 10_000) for n, hits in after],
        )

    def test_they_are_compared_with_themselves(self):
        """By hand: rises of 10, 12 and 14 points, where the shares differ by 40 among places."""
        table = self.course([(1, 50), (2, 20), (3, 10)], [(1, 60), (2, 32), (3, 24)])
        row = sickled(compare_groups(table, ["patient", "time"], SCD))
        assert (row["over"], row["first_count"], row["second_count"]) == ("places", 3, 3)
        half = t.ppf(0.975, 2) * 0.02 / np.sqrt(3)
        assert row["difference"] == pytest.approx(0.12)
        assert (row["low"], row["high"]) == pytest.approx((0.12 - half, 0.12 + half))
        assert row["more_than_chance"] is True

    def test_as_other_places_they_would_not_be_told_apart(self):
        table = self.course([(1, 50), (2, 20), (3, 10)], [(4, 60), (5, 32), (6, 24)])
        row = sickled(compare_groups(table, ["patient", "time"], SCD))
        assert (row["over"], row["more_than_chance"]) == ("fields", False)

    def test_rows_of_the_same_number_are_no_place(self):
        """As two tables have that were read apart and put together."""
        table = self.course([(1, 50), (2, 20), (3, 10)], [(4, 60), (5, 32), (6, 24)]).drop(columns="place")
        repeated = table.set_axis([0, 1, 2, 0, 1, 2])
        pd.testing.assert_frame_equal(
            compare_groups(repeated, ["patient", "time"], SCD),
            compare_groups(table, ["patient", "time"], SCD),
        )

    def test_places_seen_once_are_left_out_where_half_are_seen_twice(self):
        table = self.course([(1, 50), (2, 20), (3, 30), (4, 90)], [(1, 60), (2, 32), (3, 41), (5, 0)])
        row = sickled(compare_groups(table, ["patient", "time"], SCD))
        assert (row["over"], row["first_count"]) == ("places", 3)
        assert row["difference"] == pytest.approx(0.11)

    @pytest.mark.parametrize(
        ("before", "after"),
        [((1, 2, 8, 9), (1, 2, 3, 4)), ((1, 2), (1, 2)), (range(1, 8), (1, 2, 3, *range(11, 15)))],
        ids=["two of four", "two of two", "three of seven"],
    )
    def test_too_few_pairs_are_no_pairs(self, before, after):
        table = self.course([(n, 10 + n) for n in before], [(n, 10 + n) for n in after])
        assert sickled(compare_groups(table, ["patient", "time"], SCD))["over"] == "fields"

    def test_corrected_with_no_confusion_it_is_the_same_but_for_what_the_test_leaves_open(self):
        table = self.course([(1, 50), (2, 20), (3, 10)], [(1, 60), (2, 32), (3, 24)])
        certain = sickled(compare_groups(table, ["patient", "time"], SCD, np.eye(4) * 1e6))
        assert certain["corrected difference"] == pytest.approx(certain["difference"])
        assert certain["corrected low"] == pytest.approx(certain["low"], abs=2e-3)
        assert certain["corrected high"] == pytest.approx(certain["high"], abs=2e-3)
        uncertain = sickled(compare_groups(table, ["patient", "time"], SCD, np.eye(4) * 20 + 1))
        widths = [row["corrected high"] - row["corrected low"] for row in (certain, uncertain)]
        assert widths[1] > 1.2 * widths[0]

    def test_corrected_ends_are_shares_of_cells(self):
        """Few cells and much confusion leave everything open."""
        rows = [
            ({"patient": "P", "time": when, "place": n}, hits, 4)
            for when, all_hits in ((0, (0, 4, 0)), (6, (4, 0, 4)))
            for n, hits in enumerate(all_hits)
        ]
        row = sickled(compare_groups(fields(*rows), ["patient", "time"], SCD, np.eye(4) + 1))
        assert (row["over"], row["corrected low"], row["corrected high"]) == ("places", -1, 1)

    def test_corrected_a_class_that_is_never_called_is_not_known_for_certain(self):
        rows = [({"patient": "P", "time": when, "place": n}, 0, 80) for when in (0, 6) for n in range(3)]
        row = sickled(compare_groups(fields(*rows), ["patient", "time"], SCD, np.eye(4) * 50 + 2))
        assert row["corrected low"] < -0.01
        assert row["corrected high"] > 0.01

    def test_patients_have_no_places_in_common(self):
        rows = [({"patient": p, "place": f"{n}"}, 10 * n, 100) for p in "PQ" for n in (1, 2, 3)]
        assert sickled(compare_groups(fields(*rows), ["patient"], SCD))["over"] == "fields"


class TestPatients:
    def arms(self, none, drug):
        """Shares in tenths of per cent of patients of two arms, each in two fields."""
        named = [(f"N{i}", "none", share) for i, share in enumerate(none)]
        named += [(f"D{i}", "some", share) for i, share in enumerate(drug)]
        return fields(
            *[({"patient": patient, "drug": arm}, share, 1000) for patient, arm, share in named for _ in "ab"]
        )

    def test_two_arms_are_compared_patient_by_patient_and_not_field_by_field(self):
        """Welch's interval by hand: shares 0.2, 0.3, 0.4 and 0.1, 0.2, 0.3 have equal variances 0.01."""
        row = sickled(
            compare_groups(self.arms([200, 300, 400], [100, 200, 300]), ["patient", "drug"], SCD),
            over="patients",
        )
        assert (row["differ_in"], row["first"], row["second"]) == ("drug", "none", "some")
        assert (row["first_count"], row["second_count"], row["same"]) == (3, 3, "")
        half = t.ppf(0.975, 4) * np.sqrt(0.01 / 3 + 0.01 / 3)
        assert (row["first_share"], row["second_share"]) == pytest.approx((0.3, 0.2))
        assert row["difference"] == pytest.approx(-0.1)
        assert (row["low"], row["high"]) == pytest.approx((-0.1 - half, -0.1 + half))
        assert row["more_than_chance"] is False

    def test_the_same_patients_at_two_times_are_compared_with_themselves(self):
        """Paired by hand: falls of 0.10, 0.11 and 0.12; a patient seen once is left out."""
        shares = {"P": (200, 100), "Q": (500, 390), "R": (800, 680)}
        table = fields(
            *[({"patient": p, "time": t}, both[t // 6], 1000) for p, both in shares.items() for t in (0, 6)],
            ({"patient": "S", "time": 0}, 0, 1000),
        )
        row = sickled(compare_groups(table, ["patient", "time"], SCD), over="patients")
        half = t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
        assert (row["first_count"], row["second_count"]) == (3, 3)
        assert (row["low"], row["high"]) == pytest.approx((-0.11 - half, -0.11 + half))
        assert row["more_than_chance"] is True

    def test_other_things_stay_equal(self):
        table = fields(
            *[
                ({"patient": f"{drug}{n}", "time": time, "drug": drug}, 100 * n + time, 1000)
                for drug in ("none", "some")
                for n in (1, 2)
                for time in (0, 6)
            ]
        )
        rows = compare_groups(table, ["patient", "time", "drug"], SCD)
        rows = rows[rows["over"] == "patients"]
        pairs = set(zip(rows["differ_in"], rows["first"], rows["second"], rows["same"], strict=True))
        assert pairs == {
            ("time", "0", "6", "drug none"),
            ("time", "0", "6", "drug some"),
            ("drug", "none", "some", "time 0"),
            ("drug", "none", "some", "time 6"),
        }

    def test_a_patient_on_a_side_is_no_group_of_patients(self):
        rows = compare_groups(self.arms([200], [100, 200]), ["patient", "drug"], SCD)
        assert (rows["over"] == "fields").all()

    def test_controls_without_a_single_sickled_cell_are_a_side_like_another(self):
        """Welch's interval by hand: no variance on one side leaves the degrees of freedom of the other."""
        arms = self.arms([0, 0, 0, 0, 0], [170, 240, 290, 310, 380])
        row = sickled(compare_groups(arms, ["patient", "drug"], SCD), over="patients")
        drug = np.array([0.17, 0.24, 0.29, 0.31, 0.38])
        half = t.ppf(0.975, 4) * drug.std(ddof=1) / np.sqrt(5)
        assert (row["low"], row["high"]) == pytest.approx((drug.mean() - half, drug.mean() + half))
        assert row["more_than_chance"] is True

    def test_one_patient_on_both_sides_of_many_does_not_cost_the_others(self):
        arms = self.arms([100, 110, 120, 130, 140], [300, 310, 320, 330, 340])
        shared = fields(*[({"patient": "S", "drug": drug}, 200, 1000) for drug in ("none", "some")])
        table = pd.concat([arms, shared], ignore_index=True)
        row = sickled(compare_groups(table, ["patient", "drug"], SCD), over="patients")
        assert (row["first_count"], row["second_count"]) == (6, 6)
        assert row["more_than_chance"] is True

    def test_one_patient_on_both_sides_of_few_does_not_either(self):
        arms = self.arms([100], [300, 310, 320, 330])
        shared = fields(*[({"patient": "S", "drug": drug}, 200, 1000) for drug in ("none", "some")])
        table = pd.concat([arms, shared], ignore_index=True)
        row = sickled(compare_groups(table, ["patient", "drug"], SCD), over="patients")
        assert (row["first_count"], row["second_count"]) == (2, 5)
        assert np.isfinite([row["low"], row["high"]]).all()

    def test_no_interval_is_wider_than_all_that_can_be(self):
        rows = compare_groups(self.arms([100, 900], [200, 950]), ["patient", "drug"], SCD, np.eye(4) * 100)
        row = sickled(rows, over="patients")
        assert (row["low"], row["high"]) == (-1, 1)
        assert (row["corrected low"], row["corrected high"]) == (-1, 1)

    def test_corrected_with_no_confusion_it_is_the_same(self):
        arms = self.arms([200, 300, 400], [600, 700, 850])
        row = sickled(compare_groups(arms, ["patient", "drug"], SCD, np.eye(4) * 1e6), over="patients")
        assert row["corrected difference"] == pytest.approx(row["difference"])
        assert row["corrected low"] == pytest.approx(row["low"], abs=2e-3)
        assert row["corrected high"] == pytest.approx(row["high"], abs=2e-3)

    def test_patients_who_do_not_vary_say_nothing_of_chance(self):
        rows = compare_groups(self.arms([0, 0], [200, 200]), ["patient", "drug"], SCD)
        row = sickled(rows, over="patients")
        assert row["difference"] == pytest.approx(0.2)
        assert np.isnan(row["low"])
        assert pd.isna(row["more_than_chance"])


class TestCorrected:
    """6 % of Dic+Ovl are called El+Sk, of Grl none: less Dic+Ovl then looks like less El+Sk."""

    CONFUSION = np.array([[376, 24, 0, 0], [0, 400, 0, 0], [0, 0, 400, 0], [0, 0, 0, 400]])

    def counted(self, patient, arm, discs):
        """400 cells without a sickled one, a share of `discs` of them Dic+Ovl and the others Grl."""
        called = round(400 * discs * 0.06)
        return {
            "patient": patient,
            "drug": arm,
            "cells": 400,
            "Dic+Ovl cells": round(400 * discs) - called,
            "El+Sk cells": called,
            "Grl cells": 400 - round(400 * discs),
            "Ret+Sto+Ech cells": 0,
        }

    def test_a_difference_that_false_calls_make_is_none_when_corrected(self):
        arms = {"none": (1.0, 0.95, 0.9, 1.0), "some": (0.2, 0.25, 0.3, 0.2)}
        table = pd.DataFrame(
            [self.counted(f"{arm}{i}", arm, discs) for arm in arms for i, discs in enumerate(arms[arm])]
        )
        row = sickled(compare_groups(table, ["patient", "drug"], SCD, self.CONFUSION), over="patients")
        assert row["more_than_chance"] is True
        assert row["corrected difference"] == pytest.approx(0, abs=0.003)
        assert row["corrected low"] < 0 < row["corrected high"]

    def test_so_it_is_between_two_patients(self):
        table = pd.DataFrame(
            [self.counted("P", "none", 1.0)] * 5 + [self.counted("Q", "none", 0.2)] * 5
        ).drop(columns="drug")
        row = sickled(compare_groups(table, ["patient"], SCD, self.CONFUSION))
        assert row["more_than_chance"] is True
        assert row["corrected difference"] == pytest.approx(0, abs=0.003)
        assert row["corrected low"] < 0 < row["corrected high"]

    def test_a_change_of_one_patient_is_surer_than_a_difference_of_two_who_are_confused_unlike(self):
        unlike = self.CONFUSION + np.array([[[80, -80, 0, 0]], [[0, 0, 0, 0]], [[-80, 80, 0, 0]]]) // 4
        rows = [
            ({"patient": patient, "time": time}, hits, 100)
            for patient, time, base in (("P", "0", 20), ("P", "6", 40), ("Q", "0", 40))
            for hits in (base, base + 4, base - 4)
        ]
        table = compare_groups(fields(*rows), ["patient", "time"], SCD, unlike)
        change, difference = (sickled(table, over="fields", differ_in=key) for key in ("time", "patient"))
        assert change["difference"] == pytest.approx(difference["difference"])
        widths = [row["corrected high"] - row["corrected low"] for row in (change, difference)]
        assert widths[0] < 0.8 * widths[1]

    def test_a_real_difference_stays_and_its_interval_is_about_as_wide(self):
        rows = [
            ({"patient": name}, hits, 100)
            for name, base in (("P", 10), ("Q", 40))
            for hits in (base, base + 4, base - 4)
        ]
        row = sickled(compare_groups(fields(*rows), ["patient"], SCD, self.CONFUSION))
        assert row["corrected low"] > 0
        assert row["corrected difference"] == pytest.approx(0.3 / 0.94, abs=0.01)
        width = row["high"] - row["low"]
        assert row["corrected high"] - row["corrected low"] == pytest.approx(width, rel=0.1)

    def test_a_side_without_cells_has_none(self):
        rows = [
            ({"patient": f"{drug}{n}", "drug": drug}, 0, 100 * (drug == "a")) for drug in "ab" for n in (1, 2)
        ]
        row = sickled(
            compare_groups(fields(*rows), ["patient", "drug"], SCD, self.CONFUSION), over="patients"
        )
        assert (row["first_count"], row["second_count"]) == (2, 0)
        assert np.isnan([row["corrected difference"], row["corrected low"]]).all()

    def test_without_a_confusion_there_are_no_such_columns(self):
        table = fields(({"patient": "P"}, 3, 10), ({"patient": "Q"}, 5, 5))
        assert "corrected low" not in compare_groups(table, ["patient"], SCD)
