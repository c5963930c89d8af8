"""Data sets: readers, composed and simulated fields."""

from __future__ import annotations

from pathlib import Path

from drepano.datasets.bbbc041seg import is_bbbc041seg, open_bbbc041seg
from drepano.datasets.chula import is_chula, open_chula
from drepano.datasets.composed import compose_field
from drepano.datasets.composed_dataset import composed_dataset
from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.datasets.folder import CONFIG_NAME, EXAMPLE, is_folder_dataset, open_folder
from drepano.datasets.write import write_dataset_config, write_field
from drepano.datasets.xu2017 import CellCrop, is_xu2017, open_xu2017, read_crop
from drepano.errors import DrepanoError

__all__ = [
    "CellCrop",
    "FieldDataset",
    "FieldSource",
    "compose_field",
    "composed_dataset",
    "open_bbbc041seg",
    "open_chula",
    "open_dataset",
    "open_folder",
    "open_xu2017",
    "read_crop",
    "write_dataset_config",
    "write_field",
]

_READERS = (
    (is_folder_dataset, open_folder),
    (is_xu2017, open_xu2017),
    (is_bbbc041seg, open_bbbc041seg),
    (is_chula, open_chula),
)


def open_dataset(folder: Path | str) -> FieldDataset:
    """The data set in `folder`: one with a ``dataset.toml``, or xu2017, BBBC041Seg or Chula RBC-12.

    Raises
    ------
    DrepanoError
        If the folder is not there, or is none of these.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DrepanoError(f"{folder}: is not a folder; give the folder of a data set")
    for recognises, read in _READERS:
        if recognises(folder):
            return read(folder)
    example = " | ".join(line for line in EXAMPLE.splitlines() if line and not line.startswith("#"))
    raise DrepanoError(
        f"{folder}: is no data set that is known; write a {CONFIG_NAME} into it, for instance: {example}"
    )
