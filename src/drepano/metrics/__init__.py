"""Metrics: pure functions on arrays."""

from drepano.metrics.pixel import dice_per_class

__all__ = ["dice_per_class"]
