"""Composed fields written to a folder: the data set that the five-class network is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from drepano.datasets.composed import compose_field
from drepano.datasets.dataset import FieldDataset
from drepano.datasets.write import new_folder, write_dataset_config, write_field
from drepano.datasets.xu2017 import read_crop
from drepano.errors import DrepanoError


def write_composed_dataset(
    crops: FieldDataset,
    folder: Path,
    *,
    patients: Sequence[str],
    fields: int,
    size: int,
    cells: tuple[int, int],
    touching: float,
    balanced: bool,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Compose `fields` fields for each patient and write them with a ``dataset.toml``.

    Parameters
    ----------
    crops : FieldDataset
        The data set xu2017.
    cells : (int, int)
        Smallest and largest number of cells to place in a field.
    advance : callable
        Called after every field.

    Returns
    -------
    int
        Number of fields written.

    Raises
    ------
    DrepanoError
        If `crops` is not a data set of single-cell crops, no patient is named or one has none, a number
        cannot be used, or the folder is not empty.
    """
    if not 0 <= cells[0] <= cells[1]:
        raise DrepanoError(f"cells {cells[0]} to {cells[1]}: give the smaller number first, 0 or more")
    if min(fields, size) < 1 or seed < 0 or not 0 <= touching <= 1:
        raise DrepanoError(
            f"cannot compose {fields} fields of {size} px with seed {seed}, touching {touching}; "
            "give at least 1 field of 1 px, a seed of 0 or more and a share from 0 to 1"
        )
    if not crops.has_single_cells:
        raise DrepanoError(
            f"data set {crops.name}: has no crops of single cells to compose from; give xu2017's folder"
        )
    of_patients = [crops.of_patients([patient]) for patient in dict.fromkeys(patients)]
    if not of_patients:
        raise DrepanoError("no patient to compose fields of: name at least one")
    with new_folder(folder) as inside:
        for of_patient in of_patients:
            cells_of_patient = [read_crop(source) for source in of_patient.sources]
            counts = np.random.default_rng(seed).integers(cells[0], cells[1] + 1, size=fields)
            for index in range(fields):
                field = compose_field(
                    cells_of_patient,
                    seed=seed + index,
                    size=(size, size),
                    cells=int(counts[index]),
                    touching=touching,
                    balanced=balanced,
                )
                write_field(inside, field, crops.taxonomy)
                advance()
        write_dataset_config(
            inside,
            name="composed from xu2017",
            taxonomy=crops.taxonomy,
            licence=crops.licence,
            origin=f"composed fields of the cells of {crops.origin}",
            cell_diameter=crops.cell_diameter,
            patient="^composed-(.+)-[0-9]+$",
        )
    return fields * len(of_patients)
