"""Measurements of trained networks against known truth."""

from drepano.experiments.evaluation import evaluate_crops, evaluate_fields, summarise_crops, summarise_fields

__all__ = ["evaluate_crops", "evaluate_fields", "summarise_crops", "summarise_fields"]
