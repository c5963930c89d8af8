"""What every method must do, whichever it is."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from drepano.cli.compare import _METHODS as METHODS_HELP
from drepano.errors import DrepanoError
from drepano.methods import _NETWORKS, METHODS, Budget, create_method, download_notices, is_network
from drepano.taxonomy import BINARY

BUDGET = Budget(steps=1, batch_size=2, crop_size=32, validate_every=1)
NEEDS_MORE = {"ilastik", "pspnet-imagenet", "deeplabv3plus-imagenet"}
"""An installed program, or a download."""


@pytest.mark.parametrize("name", sorted(set(METHODS) - NEEDS_MORE))
def test_it_learns_from_fields_and_segments_one(name, toy, make_discs, tmp_path, quiet):
    method = create_method(name, BUDGET)
    trained = method.fit(toy.with_ids(("discs-0", "discs-1")), BINARY, tmp_path, 0, quiet)
    image = make_discs(100).image[:70, :75]
    segmentation = trained.segment(image)
    assert segmentation.classes.shape == (70, 75)
    assert segmentation.classes.dtype == np.uint8
    assert segmentation.classes.max() <= 1
    assert segmentation.taxonomy == BINARY
    assert segmentation.probabilities.shape == (2, 70, 75)
    assert segmentation.probabilities.dtype == np.float32
    np.testing.assert_allclose(segmentation.probabilities.sum(axis=0), 1, atol=1e-5)


def test_what_a_network_is_trained_with_can_differ_from_the_preset():
    assert create_method("dunet-cross-entropy", BUDGET).config.loss == "ce"
    assert create_method("dunet", BUDGET).config.loss == "ce+dice"
    assert create_method("dunet-full-rate", BUDGET).config.offset_learning_rate == 1
    assert create_method("dunet", BUDGET).config.offset_learning_rate == 0.1


def test_all_networks_weigh_touching_cells_as_they_are_told_but_the_variant_of_its_own_weight():
    told = replace(BUDGET, touching_weight=5)
    weights = [create_method(name, told).config.touching_weight for name in ("unet", "dunet-touching-20")]
    assert weights == [5, 20]


def test_what_the_budget_leaves_open_is_its_presets():
    config = create_method("dunet", replace(BUDGET, preset="paper")).config
    assert (config.steps, config.batch_size, config.crop_size) == (1, 2, 32)
    assert (config.loss, config.schedule, config.augment) == ("ce", "constant", False)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dunet-cross-entropy", {"preset": "paper"}),
        ("dunet-unaugmented", {"preset": "paper"}),
        ("dunet-contrast-kept", {"preset": "paper"}),
        ("dunet-full-rate", {"preset": "paper"}),
        ("dunet-touching-20", {"touching_weight": 20}),
    ],
)
def test_a_variant_that_changes_nothing_is_refused(name, change):
    create_method(name, BUDGET)
    with pytest.raises(DrepanoError, match=f"method {name}: is dunet itself with these settings"):
        create_method(name, replace(BUDGET, **change))


def test_every_method_can_be_made_has_a_name_of_its_own_for_tables_and_stands_in_the_help():
    assert len(set(METHODS.values())) == len(METHODS)
    assert {name for name in METHODS if is_network(name)} == _NETWORKS.keys()
    assert all(re.search(rf"\b{name}\b(?!-)", METHODS_HELP) for name in METHODS)


def test_unknown_methods_are_refused():
    with pytest.raises(DrepanoError, match="method 'umet' is unknown; use some of dunet, unet"):
        create_method("umet", BUDGET)


def test_downloads_are_announced():
    pytest.importorskip("segmentation_models_pytorch")
    assert len(download_notices(["unet", "pspnet-imagenet", "deeplabv3plus-imagenet"])) == 2
