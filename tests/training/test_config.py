"""What a run is told: two presets, and every setting checked before anything begins."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from drepano.errors import DrepanoError
from drepano.training import PRESET_NAMES, TrainingConfig, make_config


def test_the_paper_preset_is_the_first_authors_code():
    """Adam 1e-3 without schedule, plain cross-entropy, no augmentation, 20 000 steps of 2 at 512 px."""
    config = make_config("paper")
    assert (config.learning_rate, config.offset_learning_rate, config.schedule) == (1e-3, 1.0, "constant")
    assert (config.loss, config.augment) == ("ce", False)
    assert (config.steps, config.batch_size, config.crop_size) == (20_000, 2, 512)
    assert config.network == "dunet" and config.network_options == {}


def test_the_default_preset_augments_and_spares_the_offsets():
    config = make_config()
    assert config == make_config("default")
    assert config.augment and config.loss == "ce+dice" and config.schedule == "one-cycle"
    assert config.offset_learning_rate < 1


def test_a_change_changes_that_setting_only():
    plain, changed = make_config("paper"), make_config("paper", steps=7)
    assert changed.steps == 7
    assert {**changed.model_dump(), "steps": plain.steps} == plain.model_dump()


def test_presets_are_known_by_name():
    assert set(PRESET_NAMES) == {"paper", "default"}
    with pytest.raises(DrepanoError, match="preset 'best' is unknown; use one of paper, default"):
        make_config("best")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stepz": 5}, "stepz=5"),
        ({"steps": 0}, "steps=0"),
        ({"steps": "many"}, "steps='many'"),
        ({"crop_size": 8}, "crop_size=8"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"offset_learning_rate": 0}, "offset_learning_rate=0"),
        ({"loss": "dice"}, "loss='dice'"),
        ({"schedule": "cosine"}, "schedule='cosine'"),
        ({"validation_share": 1.0}, "validation_share=1.0"),
        ({"cell_diameter": -3}, "cell_diameter=-3"),
        ({"validate_every": 0}, "validate_every=0"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "seed="),
        ({"network_options": 3}, "network_options=3"),
        ({"network": "deeplabv3plus", "batch_size": 1}, "deeplabv3plus needs 2 crops a step or more"),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_told_in_one_line(changes, told):
    with pytest.raises(DrepanoError) as error:
        make_config("default", **changes)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_configuration_cannot_be_changed_and_survives_json():
    config = make_config("paper", network_options={"width": 4})
    with pytest.raises(ValidationError):
        config.steps = 3
    assert TrainingConfig.model_validate(json.loads(config.model_dump_json())) == config
