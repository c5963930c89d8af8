"""Measuring methods on known truth: one network, or many on the same splits, seeds and budget."""

from drepano.experiments.crops import evaluate_crops, summarise_crops
from drepano.experiments.evaluation import evaluate_fields, seen_in_training, summarise_fields

__all__ = [
    "evaluate_crops",
    "evaluate_fields",
    "seen_in_training",
    "summarise_crops",
    "summarise_fields",
]
