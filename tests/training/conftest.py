"""A toy that a tiny network can learn in seconds: dark discs are class 1, bright discs class 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drepano.datasets import FieldDataset, FieldSource
from drepano.field import Field
from drepano.taxonomy import Taxonomy
from drepano.training import TrainingConfig, make_config


@pytest.fixture(autouse=True)
def always_one_thread(one_thread: None) -> None:
    """See the fixture of all tests."""


TOY = Taxonomy("toy", ("background", "dark", "bright"))


def toy_field(name: str, seed: int, size: int = 48) -> Field:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    grey = 150 + rng.normal(0, 2, (size, size))
    classes = np.zeros((size, size), np.uint8)
    instances = np.zeros((size, size), np.int32)
    for number, (row, column) in enumerate(((12, 12), (12, 34), (34, 12), (34, 34)), start=1):
        disc = np.hypot(y - row - rng.integers(-2, 3), x - column - rng.integers(-2, 3)) < 7
        value = int(rng.integers(1, 3))
        grey[disc] += -70 if value == 1 else 70
        classes[disc], instances[disc] = value, number
    image = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Field(name, image, classes, instances, patient=f"P{seed % 2}")


def make_dataset(
    fields: list[Field], name: str = "toy", taxonomy: Taxonomy = TOY, cell_diameter: float = 14.0
) -> FieldDataset:
    by_id = {field.id: field for field in fields}
    sources = tuple(FieldSource(field.id, Path(field.id), patient=field.patient) for field in fields)
    return FieldDataset(
        name, taxonomy, sources, lambda source: by_id[source.id], "MIT", cell_diameter, "a toy"
    )


@pytest.fixture
def toy() -> FieldDataset:
    """Ten fields of four discs."""
    return make_dataset([toy_field(f"f{i}", i) for i in range(10)])


@pytest.fixture
def dataset_of() -> Callable[..., FieldDataset]:
    """Make a data set of fields in memory."""
    return make_dataset


@pytest.fixture
def tiny() -> Callable[..., TrainingConfig]:
    """A configuration that trains in a moment, with some settings changed."""

    def make(**changes) -> TrainingConfig:
        settings = {
            "network": "unet",
            "network_options": {"width": 2},
            "steps": 4,
            "batch_size": 2,
            "crop_size": 32,
            "cell_diameter": 14.0,
            "validate_every": 2,
        }
        return make_config("default", **{**settings, **changes})

    return make
