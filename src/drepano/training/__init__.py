"""Fit networks on data sets."""

from drepano.training.config import PRESET_NAMES, TrainingConfig, make_config
from drepano.training.fit import fit

__all__ = ["PRESET_NAMES", "TrainingConfig", "fit", "make_config"]
