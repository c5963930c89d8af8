"""Networks, their weights files and the ones that are shipped."""

from drepano.models.card import DataUse, Metric, ModelCard
from drepano.models.inference import for_inference
from drepano.models.registry import NETWORK_NAMES, create
from drepano.models.weights import find_weights, load_network, read_card, save_model, shipped_models

__all__ = [
    "NETWORK_NAMES",
    "DataUse",
    "Metric",
    "ModelCard",
    "create",
    "find_weights",
    "for_inference",
    "load_network",
    "read_card",
    "save_model",
    "shipped_models",
]
