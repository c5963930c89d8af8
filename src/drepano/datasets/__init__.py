"""Data sets: readers, composed and simulated fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drepano.datasets.bbbc041seg import is_bbbc041seg, open_bbbc041seg
from drepano.datasets.check import check_dataset, describe_margins
from drepano.datasets.chula import is_chula, open_chula
from drepano.datasets.composed import compose_field
from drepano.datasets.composed_dataset import write_composed_dataset
from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.datasets.fingerprint import field_facts, fingerprint
from drepano.datasets.folder import CONFIG_NAME, EXAMPLE, is_folder_dataset, open_folder
from drepano.datasets.simulated import simulate_cell, simulate_field
from drepano.datasets.simulated_dataset import write_simulated_dataset
from drepano.datasets.truth import describe_truth, describe_unnumbered_cells, look_at_truth
from drepano.datasets.write import new_folder, write_dataset_config, write_field
from drepano.datasets.xu2017 import CellCrop, is_xu2017, open_xu2017, read_crop
from drepano.errors import DrepanoError

__all__ = [
    "EXAMPLE",
    "CellCrop",
    "FieldDataset",
    "FieldSource",
    "check_dataset",
    "compose_field",
    "describe_margins",
    "describe_truth",
    "describe_unnumbered_cells",
    "field_facts",
    "fingerprint",
    "is_xu2017",
    "look_at_truth",
    "new_folder",
    "open_dataset",
    "open_xu2017",
    "read_crop",
    "simulate_cell",
    "simulate_field",
    "write_composed_dataset",
    "write_dataset_config",
    "write_field",
    "write_simulated_dataset",
]

_READERS = (
    (is_folder_dataset, open_folder),
    (is_xu2017, open_xu2017),
    (is_bbbc041seg, open_bbbc041seg),
    (is_chula, open_chula),
)


def open_dataset(folder: Path | str, strict: bool = True) -> FieldDataset:
    """The data set in `folder`: one with a ``dataset.toml``, or xu2017, BBBC041Seg or Chula RBC-12.

    Parameters
    ----------
    folder : path
    strict : bool
        Refuse a data set in which files are missing or have another's name; else its `problems` say which.

    Raises
    ------
    DrepanoError
        If the folder is not there or is none of these, or, with `strict`, there is such a file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DrepanoError(f"{folder}: is not a folder; give the folder of a data set")
    for recognises, read in _READERS:
        if recognises(folder):
            dataset = read(folder)
            break
    else:
        raise DrepanoError(
            f"{folder}: is no data set that is known; write a {CONFIG_NAME} into it "
            "(drepano data example prints one)"
        )
    dataset = _without_second_names(dataset)
    if strict and dataset.problems:
        more = len(dataset.problems) - 1
        others = f" (and {more} more: see drepano data check)" if more else ""
        raise DrepanoError(f"{dataset.problems[0]}{others}")
    return dataset


def _without_second_names(dataset: FieldDataset) -> FieldDataset:
    """The data set, with fields of a name that another has as problems."""
    first: dict[str, FieldSource] = {}
    for source in dataset.sources:
        first.setdefault(source.id, source)
    problems = [
        f"{source.image}: {first[source.id].image} has the same name; rename one of them"
        for source in dataset.sources
        if source is not first[source.id]
    ]
    return replace(dataset, sources=tuple(first.values()), problems=(*dataset.problems, *problems))
