"""Figures of an experiment: what is drawn where, read from the figure before it becomes a PNG."""

from __future__ import annotations

import numpy as np
import pytest

from drepano.reports.experiment import figures
from drepano.taxonomy import SCD


@pytest.fixture
def panels(monkeypatch):
    """Draw, and give the panels that something was drawn on."""

    def draw(function, *arguments):
        drawn = []
        monkeypatch.setattr(figures, "_as_png", drawn.append)
        function(*arguments)
        return [panel for panel in drawn[0].axes if panel.has_data()]

    return draw


def lines(panel):
    """By label the points of every line."""
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines}


def roc(rates):
    return {"false_positive_rate": [0.0, 0.5, 1.0], "true_positive_rate": rates}


def test_a_panel_a_class_of_cells_and_a_line_a_method_for_roc(panels):
    summary = {
        "classes": ("background", "round", "long"),
        "methods": {
            "dunet": {
                "roc": [roc([0, 0, 1]), roc([0, 0.7, 1]), roc([0, 0.8, 1])],
                "auc": {"round": {"mean": 0.71}, "long": {"mean": 0.82}},
            },
            "unet": {
                "roc": [roc([0, 0, 1]), roc([0, 0.6, 1]), roc([])],
                "auc": {"round": {"mean": 0.61}, "long": {"mean": float("nan")}},
            },
        },
    }
    first, second = panels(figures.draw_roc, summary)
    assert (first.get_title(), second.get_title()) == ("round", "long")
    assert lines(first) == {
        "dU-Net (0.710)": ([0, 0.5, 1], [0, 0.7, 1]),
        "U-Net (0.610)": ([0, 0.5, 1], [0, 0.6, 1]),
    }
    assert list(lines(second)) == ["dU-Net (0.820)"]


def test_rows_of_confusion_are_the_truth_and_add_up_to_one(panels):
    summary = {"classes": ("background", "cell"), "methods": {"unet": {"confusion": [[30, 10], [0, 5]]}}}
    (panel,) = panels(figures.draw_confusion, summary)
    np.testing.assert_allclose(panel.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    texts = {tuple(map(float, text.get_position())): text.get_text() for text in panel.texts}
    assert texts[1, 0] == "25.0", "column 1 of row 0: predicted cell, truly background"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted", "true")


def test_calibration_has_the_share_right_over_the_confidence(panels):
    bins = {
        "pixels": [0, 1, 10_000, 30_000],
        "confidence": [None, 0.2, 0.6, 0.9],
        "right": [None, 0, 0.5, 0.95],
    }
    summary = {"methods": {"unet": {"calibration": bins, "calibration_error": {"mean": 0.05}}}}
    (panel,) = panels(figures.draw_calibration, summary)
    x, y = lines(panel)["U-Net (0.0500)"]
    np.testing.assert_array_equal([x, y], [[0.6, 0.9], [0.5, 0.95]])
    assert 0.4 < panel.get_xlim()[0] < 0.5 and 0.4 < panel.get_ylim()[0] < 0.5


def pair(second, mean, low, high, verdict, figure="dice"):
    ends = {"mean": mean, "low": low, "high": high}
    return {"figure": figure, "first": "dunet", "second": second, "verdict": verdict, **ends}


def test_differences_have_a_panel_a_figure_and_a_row_for_every_other_method(panels):
    drawn = panels(
        figures.draw_differences,
        [
            pair("unet", 0.01, -0.01, 0.03, "not told apart"),
            pair("pspnet", 0.04, 0.02, 0.06, "better"),
            pair("pspnet", 1.5, 1.0, 2.0, "worse", "hausdorff"),
            {**pair("pspnet", 0.1, 0.1, 0.1, "better"), "first": "unet"},
        ],
    )
    assert [panel.get_title() for panel in drawn] == [
        "Dice\n(right is better)",
        "Hausdorff, px\n(left is better)",
    ]
    dice, distance = drawn
    assert [label.get_text() for label in distance.get_yticklabels()] == ["U-Net", "PSPNet"]
    of_unet, mean_of_unet, of_pspnet, mean_of_pspnet, zero = (
        line.get_xydata().tolist() for line in dice.lines
    )
    assert (of_unet, mean_of_unet) == ([[-0.01, 0], [0.03, 0]], [[0.01, 0]])
    assert (of_pspnet, mean_of_pspnet) == ([[0.02, 1], [0.06, 1]], [[0.04, 1]])
    assert [x for x, _ in zero] == [0, 0]
    assert dice.lines[0].get_color() != dice.lines[2].get_color() != distance.lines[0].get_color()
    assert distance.get_xlim()[0] < 0 < 2 < distance.get_xlim()[1]


def test_what_lies_far_beyond_all_other_differences_is_written_at_the_edge(panels):
    near = [pair(name, 0.01, 0.0, 0.02, "not told apart") for name in ("unet", "pspnet", "dynunet")]
    (panel,) = panels(figures.draw_differences, [*near, pair("region-growing", 0.5, 0.4, 0.6, "better")])
    (text,) = panel.texts
    assert text.get_text() == "+0.5000 \u25b6"
    assert text.get_position()[1] == 3
    assert panel.get_xlim()[1] < 0.1


def test_an_interval_that_goes_on_beyond_the_panel_ends_in_an_arrow(panels):
    near = [pair(name, 0.01, 0.0, 0.02, "not told apart") for name in ("unet", "pspnet", "dynunet")]
    (panel,) = panels(
        figures.draw_differences, [*near, pair("region-growing", 0.02, -0.9, 0.03, "not told apart")]
    )
    (arrow,) = [line for line in panel.lines if line.get_marker() == "<"]
    assert arrow.get_ydata()[0] == 3
    assert panel.get_xlim()[0] < arrow.get_xdata()[0] < 0


def test_a_difference_without_an_interval_is_a_dot(panels):
    nan = float("nan")
    (panel,) = panels(figures.draw_differences, [pair("unet", 0.0, nan, nan, "no interval")])
    assert [0.0, 0] in [line.get_xydata().tolist()[0] for line in panel.lines]
    assert panel.get_xlim() == (-1, 1)


def test_a_learning_curve_goes_up_in_numbers_of_fields_not_of_letters(panels):
    def point(mean):
        return {"mean": mean, "sd_over_seeds": 0.01}

    summary = {"curves": {"unet": {"100": point(0.9), "20": point(0.8), "9": point(0.7)}}}
    (panel,) = panels(figures.draw_learning_curve, summary)
    x, y = panel.lines[0].get_data()
    assert (list(x), list(y)) == ([9, 20, 100], [0.7, 0.8, 0.9])


def test_thousandths_do_not_look_like_a_rise(panels):
    one_seed = {"sd_over_seeds": float("nan")}
    points = {"10": {"mean": 0.974, **one_seed}, "20": {"mean": 0.976, **one_seed}}
    (panel,) = panels(figures.draw_learning_curve, {"curves": {"unet": points}})
    low, high = panel.get_ylim()
    assert (round(low, 6), round(high, 6)) == (0.965, 0.985)


def test_validation_has_a_panel_a_method_and_a_line_a_training(panels):
    curve = {"steps": [1, 2], "losses": [0.5, 0.4]}
    first, second = panels(figures.draw_validation, {"dunet": [curve, curve], "unet": [curve]})
    assert (first.get_title(), second.get_title()) == ("dU-Net", "U-Net")
    assert (len(first.lines), len(second.lines)) == (2, 1)


def test_a_single_look_at_the_validation_fields_can_be_seen(panels):
    (panel,) = panels(figures.draw_validation, {"unet": [{"steps": [20], "losses": [0.5]}]})
    assert panel.lines[0].get_marker() == "."


def test_maps_show_field_truth_and_every_method_in_the_colours_of_the_classes(panels):
    image = np.full((2, 3, 3), 9, np.uint8)
    true, map_of_unet = np.array([[0, 1, 2], [3, 4, 0]], np.uint8), np.array([[4, 3, 2], [1, 0, 0]], np.uint8)
    field, truth, unet = panels(figures.draw_maps, image, true, {"unet": map_of_unet}, SCD)
    assert [panel.get_title() for panel in (field, truth, unet)] == ["field", "truth", "U-Net"]
    palette = np.array(SCD.colours)
    for panel, picture in ((field, image), (truth, palette[true]), (unet, palette[map_of_unet])):
        np.testing.assert_array_equal(panel.images[0].get_array(), picture)
