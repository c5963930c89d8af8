"""Results of jobs, written by hand."""

from __future__ import annotations

import pytest

from drepano.experiments.plan import Plan
from drepano.experiments.splits import Split
from drepano.methods import Budget

_CLASSES = ("background", "cell")
_ERRORS = {"joined": 1, "artefacts": 0, "incomplete": 2, "misclassified": 0, "missed": 0, "true_cells": 20}


def _field(name, dice, cells=20):
    values = {figure: [1.0, dice] for figure in ("dice", "jaccard", "hausdorff95", "surface_dice")}
    return {
        "field": name,
        "patient": None,
        "cells": cells,
        **values,
        "hausdorff": [1.0, None],
        "cell_errors": _ERRORS,
    }


def _result(method, split, seed, fields, **more):
    return {
        "job": {"method": method, "split": split, "seed": seed},
        "fields": fields,
        "detection": {"f1": 0.9, "panoptic_quality": 0.8},
        "confusion": [[90, 1], [2, 7]],
        "cell_confusion": [[0, 1], [2, 17]],
        "cell_recall": [0.9],
        "roc": [{"false_positive_rate": [0, 1], "true_positive_rate": [0, 1], "auc": 0.5}] * 2,
        "calibration": {"error": 0.01, "pixels": [0, 100], "confidence": [None, 0.9], "right": [None, 0.8]},
        "settings": {"config": {"seed": 0, "steps": 9}},
        "versions": {"drepano": "2"},
        "fit_seconds": 2.0,
        **more,
    }


def _of(results, *methods):
    """As `read_results` gives them: those of `methods`, method by method."""
    return [one for method in methods for one in results if one["job"]["method"] == method]


def _crop(name, patient, right):
    return {"crop": name, "patient": patient, "true": "Grl", "predicted": "Grl" if right else "El+Sk"}


@pytest.fixture
def field():
    """Make the row of a field."""
    return _field


@pytest.fixture
def result():
    """Make the result of a job."""
    return _result


@pytest.fixture
def of():
    """Results of some methods, method by method."""
    return _of


@pytest.fixture
def crop():
    """Make the row of a crop."""
    return _crop


@pytest.fixture
def plan():
    return Plan(
        kind="compare",
        data={"name": "two fields"},
        taxonomy="binary",
        classes=_CLASSES,
        group="field",
        patients={"a": None, "b": None, "c": None},
        budget=Budget(),
        splits=(Split("fold-1", ("c",), ("a", "b")), Split("fold-2", ("a", "b"), ("c",))),
        notes=(),
    )


@pytest.fixture
def results():
    return [
        _result("unet", "fold-1", 0, [_field("a", 0.8), _field("b", None)]),
        _result("unet", "fold-1", 1, [_field("a", 0.9), _field("b", 0.7)]),
        _result("unet", "fold-2", 0, [_field("c", 0.6, cells=25)]),
        _result("unet", "fold-2", 1, [_field("c", 0.6, cells=25)]),
        _result("dunet", "fold-1", 0, [_field("a", 0.9), _field("b", 0.9)]),
        _result("dunet", "fold-2", 0, [_field("c", 0.9)]),
    ]
