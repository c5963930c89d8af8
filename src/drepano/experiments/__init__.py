"""Measuring methods on known truth: one network, or many on the same splits, seeds and budget."""

from drepano.experiments.evaluation import (
    evaluate_crops,
    evaluate_fields,
    summarise_crops,
    summarise_fields,
)

__all__ = ["evaluate_crops", "evaluate_fields", "summarise_crops", "summarise_fields"]
