"""Simulated fields: shapes and optics, all eight categories, and a truth that is exact.

The embedded data set, for tests and for whoever has no microscope at hand. Nothing in it comes from a real
picture. A cell is a map of thickness (`simulate_cell`); a field is a layer of such cells in slightly
defocused light.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drepano import taxonomy
from drepano.datasets._simulated_cells import SimulatedCell, check_drawable, simulate_cell
from drepano.datasets._simulated_layer import Layer
from drepano.datasets._simulated_optics import PATIENTS, debris, illumination, photographed, transmitted
from drepano.errors import DrepanoError
from drepano.field import Field

__all__ = ["SimulatedCell", "simulate_cell", "simulate_field"]


def simulate_field(
    seed: int,
    size: tuple[int, int] = (512, 512),
    cells: int = 12,
    cell_diameter: float = 45.0,
    categories: Sequence[str] = taxonomy.CATEGORIES,
    touching: float = 0.3,
) -> Field:
    """Simulate one field; the same arguments give the same bits.

    Parameters
    ----------
    seed : int
        Which field: 0 or more. It also says whose blood it is, of five simulated patients that differ in
        grey level, contrast and focus.
    size : tuple of int
        Height and width, px.
    cells : int
        How many cells; there are fewer where no place is left for them.
    cell_diameter : float
        Diameter of a discocyte, px.
    categories : sequence of str
        Categories that the cells are drawn from, each as likely as the others.
    touching : float
        Share of the cells that are placed touching another one, 0 to 1; the others keep clear.

    Returns
    -------
    Field
        With classes (taxonomy "scd") and instances. Debris is background.

    Raises
    ------
    DrepanoError
        If an argument cannot be used.
    """
    _check(seed, size, cells, cell_diameter, categories, touching)
    rng = np.random.default_rng(seed)
    patient = PATIENTS[seed % len(PATIENTS)]
    layer = Layer(size, cell_diameter)
    for _ in range(cells):
        category = categories[int(rng.integers(len(categories)))]
        cell = simulate_cell(category, rng, cell_diameter)
        layer.place(cell, taxonomy.SCD.index(category), bool(rng.random() < touching), rng)

    light = transmitted(layer.thickness, patient, cell_diameter)[layer.field]
    light *= patient.grey * illumination(size, rng) * debris(size, cell_diameter, rng)
    grey = photographed(light, rng)
    patient_name = f"simulated-{seed % len(PATIENTS)}"
    return Field(
        id=f"{patient_name}-{seed:06d}",
        image=np.repeat(grey[:, :, None], 3, axis=2),
        classes=np.ascontiguousarray(layer.classes[layer.field]),
        instances=np.ascontiguousarray(layer.instances[layer.field]),
        patient=patient_name,
    )


def _check(
    seed: int,
    size: tuple[int, int],
    cells: int,
    cell_diameter: float,
    categories: Sequence[str],
    touching: float,
) -> None:
    if seed < 0:
        raise DrepanoError(f"seed {seed} is negative; give 0 or more")
    if len(size) != 2 or min(size) < 1:
        raise DrepanoError(f"size {size} is no height and width; give two positive numbers of pixels")
    if cells < 0:
        raise DrepanoError(f"cells {cells} is negative; give 0 or more")
    if not categories:
        raise DrepanoError(f"categories is empty; name at least one of {', '.join(taxonomy.CATEGORIES)}")
    check_drawable(categories, cell_diameter)
    if not 0 <= touching <= 1:
        raise DrepanoError(f"touching {touching} is no share; give a number from 0 to 1")
