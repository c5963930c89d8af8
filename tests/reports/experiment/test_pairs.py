"""Pairs of methods as tables; on differences written by hand."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from drepano.reports.experiment.pairs import pairs_of_methods, pairs_of_sizes

NAN = float("nan")


def difference(first, second, verdict, figure="dice", **more):
    return {
        "figure": figure,
        "first": first,
        "second": second,
        "seeds": [3, 3],
        "mean": 0.0149,
        "low": 0.0126,
        "high": 0.0171,
        "fields": 90,
        "units": 90,
        "unit": "fields",
        "left_out": 0,
        "verdict": verdict,
        **more,
    }


THREE = [
    difference("dunet", "unet", "not told apart", mean=-0.00004, low=-0.1, high=0.2),
    difference("dunet", "pspnet", "better"),
    difference("unet", "pspnet", "worse"),
    difference("dunet", "unet", "worse", "hausdorff95", mean=1.2345, low=0.5, high=2.0),
]


def rows_under(markdown, heading):
    """Cells of the rows of the table under a heading, by the first of them; its head by ""."""
    lines = markdown.split(f"### {heading}\n\n")[1].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_dice_of_single_classes_has_a_table_of_its_own():
    both = [*THREE, difference("dunet", "unet", "better", "dice of Grl")]
    under = pairs_of_methods(both, classes=5).split("### dU-Net against")[1].split("\n\n")
    heads = [part.splitlines()[0] for part in under if part.startswith("|")][:2]
    assert heads == ["|  | Dice | HD95, px |", "|  | Dice of Grl |"]
    assert "| U-Net | **better**: +0.0149<br>+0.0126 to +0.0171 |" in under[2]


def test_counted_cells_have_a_table_of_their_own():
    counted = [difference("dunet", "unet", "better", name, mean=-1.5) for name in ("found together", "f1")]
    under = pairs_of_methods([*THREE, *counted], classes=5).split("### dU-Net against")[1].split("\n\n")
    heads = [part.splitlines()[0] for part in under if part.startswith("|")][:2]
    assert heads == [
        "|  | Dice | HD95, px |",
        "|  | counted cells: errors I + II + III a field | counted cells: F1 of a field |",
    ]
    assert "**better**: -1.50<br>" in under[2]
    assert "**better**: -1.5000<br>" in under[2]


def test_a_figure_of_fewer_seeds_than_the_pair_has_says_so():
    counted = difference("dunet", "unet", "better", "found together", mean=-1.5, seeds=[1, 3])
    markdown = pairs_of_methods([*THREE, counted], classes=5)
    assert "**better**: -1.50<br>+0.01 to +0.02<br>(seeds: 1 and 3)" in markdown
    assert markdown.count("(seeds:") == 1


def test_the_first_method_has_a_row_for_every_other_and_a_column_for_every_figure():
    rows = rows_under(pairs_of_methods(THREE, classes=2), "dU-Net against")
    assert rows[""] == ["Dice", "HD95, px"]
    assert rows["U-Net"] == [
        "not told apart: -0.0000<br>-0.1000 to +0.2000",
        "**worse**: +1.23<br>+0.50 to +2.00",
    ]
    assert rows["PSPNet"] == ["**better**: +0.0149<br>+0.0126 to +0.0171", ""]


def test_pairs_without_the_first_method_are_folded_away_and_still_tables_on_a_page():
    markdown = pairs_of_methods(THREE, classes=2)
    in_sight, folded = markdown.split("<details><summary>All other pairs</summary>")
    assert "### U-Net against" not in in_sight
    assert rows_under(folded, "U-Net against")["PSPNet"][0].startswith("**worse**")
    page = MarkdownIt("commonmark").enable("table").render(markdown)
    assert page.count("<table>") == 2
    assert page.index("<details>") < page.rindex("<table>") < page.index("</details>")


def test_two_methods_have_nothing_to_fold_away():
    assert "<details>" not in pairs_of_methods(THREE[:1], classes=2)


def test_no_pair_no_section():
    assert pairs_of_methods([], classes=2) == pairs_of_sizes([]) == ""


def test_a_single_training_has_no_interval():
    single = [difference("dunet", "unet", "no interval", low=NAN, high=NAN)]
    assert rows_under(pairs_of_methods(single, classes=2), "dU-Net against")["U-Net"] == [
        "no interval: +0.0149"
    ]


@pytest.mark.parametrize(
    ("verdicts", "caution"),
    [
        (["better", "no interval"], "2 comparisons, 1 of them with an interval of its own"),
        (["better", "worse"], "2 comparisons, each with an interval of its own"),
        (["no interval", "no interval"], "2 comparisons, none with an interval, so none"),
    ],
)
def test_comparisons_with_an_interval_are_counted_apart(verdicts, caution):
    low = {"no interval": NAN}
    pairs = [difference("dunet", "unet", verdict, low=low.get(verdict, 0.1)) for verdict in verdicts]
    assert caution in pairs_of_methods(pairs, classes=2)


def test_it_is_said_on_what_and_what_is_left_out():
    of_patients = {"units": 4, "unit": "patients"}
    markdown = pairs_of_methods(
        [
            difference("dunet", "unet", "better", left_out=2, **of_patients),
            difference("dunet", "pspnet", "better", left_out=27, **of_patients),
            difference("dunet", "unet", "better", "crops", fields=915, **of_patients),
            difference("dunet", "unet", "better", "mean recall", fields=915, **of_patients),
        ],
        classes=5,
    )
    assert "in common 90 fields of 4 patients and 915 crops of 4 patients." in markdown
    assert "(Dice: 2 to 27 values a pair)" in markdown
    assert "averages over the classes" in markdown
    assert "averages over the classes" not in pairs_of_methods(THREE, classes=2)
    assert "Left out" not in pairs_of_methods(THREE, classes=2)


def test_it_is_said_how_intervals_are_made():
    by_patient = [difference("dunet", "unet", "better", unit="patients", units=4)]
    for pairs, units in ((THREE, "fields"), (by_patient, "patients")):
        assert f"a bootstrap over {units} and seeds" in pairs_of_methods(pairs, classes=2)


def test_what_neither_method_has_is_said_to_be_the_same():
    none = [difference("dunet", "unet", "not told apart", "artefacts", mean=0.0, low=0.0, high=0.0)]
    assert rows_under(pairs_of_methods(none, classes=2), "dU-Net against")["U-Net"] == ["the same in all"]


def test_pairs_with_fewer_fields_in_common_are_a_range():
    fewer = difference("dunet", "pspnet", "better", fields=72)
    assert "in common 72 to 90 fields." in pairs_of_methods([*THREE, fewer], classes=2)


def test_a_learning_curve_has_a_row_a_pair():
    pair = difference("dunet with 10 fields", "unet with 20 fields", "better")
    markdown = pairs_of_sizes([pair])
    assert (
        "| dU-Net with 10 fields | U-Net with 20 fields | **better**: +0.0149<br>+0.0126 to +0.0171 |"
        in markdown
    )
