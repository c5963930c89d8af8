"""What a training run is told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drepano.errors import DrepanoError
from drepano.preprocessing import Normalisation


class TrainingConfig(BaseModel):
    """Settings of one run; `preset` gives the two sets of defaults.

    Parameters
    ----------
    network : str
        Name in `drepano.models.create`.
    network_options : dict
        Its options, such as ``{"width": 8}``.
    steps, batch_size, crop_size : int
        Optimiser steps; crops a step; side of the square crops in px.
    learning_rate : float
        Of Adam.
    offset_learning_rate : float
        Factor on the learning rate of offset convolutions: with the full rate the deep layers' offsets
        saturate, and tanh passes no gradient there.
    schedule : {"constant", "one-cycle"}
    loss : {"ce", "weighted-ce", "ce+dice"}
        Cross-entropy, unweighted or with `class_weights.balanced_weights`, or the unweighted one's sum with
        the soft Dice loss over the classes of cells.
    touching_weight : float
        Of the cross-entropy where two cells meet, which a network is to see as background.
    normalisation : {"background", "contrast"}
        What of a field's light is taken out before the network sees it; see `drepano.preprocessing`.
    augment : bool
        Flips, quarter turns, zoom and photometric changes.
    cell_diameter : float
        Diameter in px to which the fields' cells are scaled.
    validation_share : float
        Share of the fields held out to watch the run, drawn at random over fields; at least one of two or
        more, or with 0 none. A patient may be on both sides. Never used to choose anything: the network of
        the last step is kept.
    validate_every : int
        Steps between validations and between checkpoints.
    seed : int
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["paper", "default"]
    network: str = "dunet"
    network_options: dict[str, Any] = {}
    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    crop_size: int = Field(ge=16, le=4096)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    offset_learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "one-cycle"]
    loss: Literal["ce", "weighted-ce", "ce+dice"]
    touching_weight: float = Field(default=1.0, ge=1, le=100)
    normalisation: Normalisation
    augment: bool
    cell_diameter: float = Field(default=45.0, ge=4, le=1000)
    validation_share: float = Field(default=0.1, ge=0, lt=1)
    validate_every: int = Field(default=100, gt=0)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _enough_crops(self) -> TrainingConfig:
        # Its pooling leaves one pixel a crop, and batch normalisation wants more than one value.
        if self.network == "deeplabv3plus" and self.batch_size < 2:
            raise ValueError("deeplabv3plus needs 2 crops a step or more")
        return self


_PRESETS: dict[str, dict[str, Any]] = {
    # The first author's code: Adam 1e-3, plain cross-entropy, no augmentation.
    "paper": {
        "steps": 20_000,
        "batch_size": 2,
        "crop_size": 512,
        "offset_learning_rate": 1.0,
        "schedule": "constant",
        "loss": "ce",
        "normalisation": "background",
        "augment": False,
    },
    "default": {
        "steps": 2_000,
        "batch_size": 4,
        "crop_size": 256,
        "learning_rate": 4e-3,
        "offset_learning_rate": 0.1,
        "schedule": "one-cycle",
        "loss": "ce+dice",
        "normalisation": "contrast",
        "augment": True,
    },
}

PRESET_NAMES = tuple(_PRESETS)


def make_config(preset: str = "default", **changes: Any) -> TrainingConfig:
    """The configuration of a preset with some settings changed.

    Raises
    ------
    DrepanoError
        If there is no such preset or setting, or a value is not allowed.
    """
    if preset not in _PRESETS:
        raise DrepanoError(f"preset {preset!r} is unknown; use one of {', '.join(_PRESETS)}")
    try:
        return TrainingConfig.model_validate({"preset": preset, **_PRESETS[preset], **changes})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        where = f"training setting {name}={first['input']!r}" if name else "training settings"
        raise DrepanoError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
