"""Drepano: red blood cells of people with sickle cell disease, segmented, classified and counted.

The names below are imported when first used, so that ``import drepano`` stays fast and does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drepano.cells import measure_cells
    from drepano.errors import DrepanoError
    from drepano.field import Field, Segmentation
    from drepano.segmenter import Segmenter, load_model

__version__ = version("drepano")

_HOME = {
    "DrepanoError": "drepano.errors",
    "Field": "drepano.field",
    "Segmentation": "drepano.field",
    "Segmenter": "drepano.segmenter",
    "load_model": "drepano.segmenter",
    "measure_cells": "drepano.cells",
}
_SUBPACKAGES = (
    "cells",
    "datasets",
    "experiments",
    "exports",
    "io",
    "methods",
    "metrics",
    "models",
    "ops",
    "prediction",
    "quality",
    "reports",
    "training",
)

__all__ = [
    "DrepanoError",
    "Field",
    "Segmentation",
    "Segmenter",
    "load_model",
    "measure_cells",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _SUBPACKAGES:
        return import_module(f"drepano.{name}")
    raise AttributeError(f"module 'drepano' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
