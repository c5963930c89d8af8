"""Simulated fields written to a folder: a data set for whoever has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drepano.datasets.simulated import simulate_field
from drepano.datasets.write import new_folder, write_dataset_config, write_field
from drepano.taxonomy import SCD

_CELL_DIAMETER = 45.0
_APART = 100_000
"""Fields that the data sets of two seeds have before they would share any."""


def write_simulated_dataset(
    folder: Path, fields: int, size: int, cells: int, seed: int, advance: Callable[[], None] = lambda: None
) -> None:
    """Simulate `fields` square fields of side `size` px and write them with a ``dataset.toml``.

    Parameters
    ----------
    folder : Path
        New or empty.
    fields, size, cells, seed : int
        Field `i` is ``simulate_field(100_000 * seed + i, (size, size), cells)``.
    advance : callable
        Called after every field.

    Raises
    ------
    DrepanoError
        If the folder is not empty or a number cannot be used.
    """
    with new_folder(folder) as inside:
        for index in range(fields):
            number = _APART * seed + index
            field = simulate_field(number, size=(size, size), cells=cells, cell_diameter=_CELL_DIAMETER)
            write_field(inside, field, SCD)
            advance()
        write_dataset_config(
            inside,
            name="simulated" if seed == 0 else f"simulated, seed {seed}",
            taxonomy=SCD,
            licence="MIT",
            origin="simulated by drepano from shapes and optics",
            cell_diameter=_CELL_DIAMETER,
            patient="^(simulated-[0-9])-",
        )
