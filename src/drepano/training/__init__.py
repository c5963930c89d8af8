"""Fit networks on data sets."""

from drepano.training.config import PRESET_NAMES, TrainingConfig, make_config
from drepano.training.run import can_resume, fit, versions, versions_of_run

__all__ = [
    "PRESET_NAMES",
    "TrainingConfig",
    "can_resume",
    "fit",
    "make_config",
    "versions",
    "versions_of_run",
]
