"""Fields in memory that a classical method can learn from in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drepano.datasets import FieldDataset, FieldSource
from drepano.field import Field
from drepano.taxonomy import Taxonomy

EXAMPLES = Path(__file__).parents[2] / "examples" / "chula-rbc12"

SHADES = Taxonomy("shades", ("background", "dark", "bright"))
CELL_DIAMETER = 16.0


@pytest.fixture(autouse=True)
def always_one_thread(one_thread: None) -> None:
    """See the fixture of all tests."""


def discs(seed: int, values: tuple[int, ...] = (1, 2, 1, 2), size: int = 80, noise: float = 2.0) -> Field:
    """Four discs of 16 px; class 1 is darker, class 2 brighter than the background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    grey = 150 + rng.normal(0, noise, (size, size))
    classes = np.zeros((size, size), np.uint8)
    instances = np.zeros((size, size), np.int32)
    for number, (value, (row, column)) in enumerate(
        zip(values, ((20, 20), (20, 60), (60, 20), (60, 60)), strict=True), start=1
    ):
        disc = np.hypot(y - row - rng.integers(-3, 4), x - column - rng.integers(-3, 4)) < CELL_DIAMETER / 2
        grey[disc] += {1: -60, 2: 60}[value]
        classes[disc], instances[disc] = value, number
    image = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Field(f"discs-{seed}", image, classes, instances)


@pytest.fixture
def make_discs() -> Callable[..., Field]:
    return discs


@pytest.fixture
def dataset_of() -> Callable[..., FieldDataset]:
    """Make a data set of fields in memory; its `load` notes what was read in a list of ids."""

    def make(fields: list[Field], read: list[str] | None = None) -> FieldDataset:
        by_id = {field.id: field for field in fields}

        def load(source: FieldSource) -> Field:
            if read is not None:
                read.append(source.id)
            return by_id[source.id]

        sources = tuple(FieldSource(field.id, Path(field.id)) for field in fields)
        return FieldDataset("discs", SHADES, sources, load, "MIT", CELL_DIAMETER, "a toy")

    return make


@pytest.fixture
def toy(dataset_of: Callable[..., FieldDataset]) -> FieldDataset:
    """Six fields of dark and bright discs."""
    return dataset_of([discs(seed) for seed in range(6)])


@pytest.fixture
def quiet() -> Callable[..., None]:
    return lambda *_: None


@pytest.fixture(params=sorted(EXAMPLES.glob("*.jpg"))[:1], ids=lambda path: path.stem)
def real_image(request: pytest.FixtureRequest) -> np.ndarray:
    """A quarter of a bundled stained smear."""
    from drepano.io import read_image

    return read_image(request.param)[:240, :320]
