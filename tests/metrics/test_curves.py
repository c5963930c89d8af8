"""ROC and calibration, against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve
from torchmetrics.functional.classification import multiclass_auroc, multiclass_calibration_error

from drepano.metrics import PixelCurves


def fields(count=3, classes=4, sharpness=2.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        true = torch.randint(0, classes, (23, 31), generator=generator)
        logits = torch.randn((classes, 23, 31), generator=generator) * sharpness
        logits.scatter_add_(0, true[None], torch.full((1, 23, 31), 1.5))
        yield true.numpy().astype(np.uint8), logits.softmax(0).numpy()


def gathered(fields, classes=4):
    curves = PixelCurves(classes)
    for true, probabilities in fields:
        curves.add(true, probabilities)
    return curves


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 6.0])
def test_auc_is_that_of_torchmetrics_over_all_pixels(sharpness):
    given = list(fields(sharpness=sharpness))
    probabilities = torch.from_numpy(np.stack([p for _, p in given]))
    true = torch.from_numpy(np.stack([t for t, _ in given]).astype(np.int64))
    expected = multiclass_auroc(probabilities, true, 4, average=None)
    ours = [curve.auc for curve in gathered(given).roc()]
    np.testing.assert_allclose(ours, expected.numpy(), atol=5e-4)


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 6.0])
def test_calibration_error_is_that_of_torchmetrics(sharpness):
    given = list(fields(sharpness=sharpness))
    probabilities = torch.from_numpy(np.stack([p for _, p in given]))
    true = torch.from_numpy(np.stack([t for t, _ in given]).astype(np.int64))
    expected = multiclass_calibration_error(probabilities, true, 4, n_bins=15)
    error, bins = gathered(given).calibration()
    assert error == pytest.approx(float(expected), abs=1e-6)
    assert bins[0].sum() == 3 * 23 * 31


def test_every_point_of_a_curve_is_one_of_sklearns_over_all_pixels():
    given = list(fields(sharpness=1.0))
    true = np.stack([t for t, _ in given]).ravel()
    for value, curve in enumerate(gathered(given).roc()):
        of_class = np.stack([p[value] for _, p in given]).ravel()
        exact = roc_curve(true == value, of_class, drop_intermediate=False)[:2]
        ours = curve.false_positive_rate, curve.true_positive_rate
        assert points(*ours) <= points(*exact)
        assert len(points(*ours)) > 500


def points(false_rate, true_rate):
    return set(zip(false_rate.round(9).tolist(), true_rate.round(9).tolist(), strict=True))


def test_fields_in_any_order_and_number_give_the_same_curves():
    given = list(fields())
    at_once = (np.concatenate([t for t, _ in given]), np.concatenate([p for _, p in given], axis=1))
    for other in (given[::-1], [at_once]):
        for ours, theirs in zip(gathered(given).roc(), gathered(other).roc(), strict=True):
            np.testing.assert_array_equal(ours.true_positive_rate, theirs.true_positive_rate)
            np.testing.assert_array_equal(ours.false_positive_rate, theirs.false_positive_rate)
        np.testing.assert_allclose(gathered(given).calibration()[1], gathered(other).calibration()[1])


def test_curves_of_fields_add_up_to_those_of_all():
    given = list(fields())
    total = gathered(given[:1])
    for one in given[1:]:
        total += gathered([one])
    for ours, theirs in zip(total.roc(), gathered(given).roc(), strict=True):
        np.testing.assert_array_equal(ours.true_positive_rate, theirs.true_positive_rate)
    np.testing.assert_allclose(total.calibration()[1], gathered(given).calibration()[1])


def test_curves_run_from_corner_to_corner_and_never_back():
    for curve in gathered(fields()).roc():
        for rates in (curve.false_positive_rate, curve.true_positive_rate):
            assert (rates[0], rates[-1]) == (0, 1)
            assert (np.diff(rates) >= 0).all()


def test_a_certain_and_right_network_has_an_area_of_1_and_is_calibrated():
    true = np.array([[0, 1], [1, 0]], np.uint8)
    certain = np.stack([true == 0, true == 1]).astype(np.float32)
    curves = gathered([(true, certain)], classes=2)
    assert [curve.auc for curve in curves.roc()] == [1, 1]
    assert curves.calibration()[0] == 0


def test_the_same_probability_everywhere_is_chance():
    true = np.array([[0, 1], [1, 0]], np.uint8)
    curves = gathered([(true, np.full((2, 2, 2), 0.5, np.float32))], classes=2)
    assert [curve.auc for curve in curves.roc()] == [0.5, 0.5]


def test_a_class_that_is_absent_has_no_curve():
    true = np.zeros((2, 2), np.uint8)
    curves = gathered([(true, np.full((2, 2, 2), 0.5, np.float32))], classes=2).roc()
    assert all(np.isnan(curve.auc) and len(curve.true_positive_rate) == 0 for curve in curves)


def test_without_pixels_nothing_is_defined():
    assert np.isnan(PixelCurves(3).calibration()[0])


def test_a_value_that_is_no_class_is_refused():
    """Else it would be counted as one of the others, of every class."""
    with pytest.raises(ValueError, match="class 2"):
        PixelCurves(2).add(np.full((2, 2), 2, np.uint8), np.full((2, 2, 2), 0.5, np.float32))


@pytest.mark.parametrize("wrong", [np.nan, -0.25])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match=f"probabilities hold {wrong}"):
        PixelCurves(2).add(np.zeros((2, 2), np.uint8), np.full((2, 2, 2), wrong, np.float32))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected \(3, 2, 2\)"):
        PixelCurves(3).add(np.zeros((2, 2), np.uint8), np.zeros((2, 2, 2), np.float32))
