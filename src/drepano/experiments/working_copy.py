"""The fields of an experiment at one scale, so that all methods see and are measured on the same pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from drepano.datasets import (
    FieldDataset,
    FieldSource,
    open_dataset,
    write_dataset_config,
    write_field,
)
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import write_text
from drepano.preprocessing import scale_image, scale_labels
from drepano.progress import Progress

CELL_DIAMETER = 45.0
"""Of the paper's fields of 512 px, in whose pixels its Hausdorff distances are."""
_DONE = "complete"


def write_working_copy(dataset: FieldDataset, folder: Path, progress: Progress) -> None:
    """Write the fields of `dataset`, scaled to cells of 45 px, into `folder`, unless they are there already.

    Raises
    ------
    DrepanoError
        If a field cannot be read, or nothing can be written.
    """
    if (folder / _DONE).is_file():
        return
    factor = CELL_DIAMETER / dataset.cell_diameter
    for number, field in enumerate(dataset, start=1):
        write_field(folder, _scaled(field, factor), dataset.taxonomy)
        progress("scaling fields", number, len(dataset))
    write_dataset_config(
        folder,
        name=dataset.name,
        taxonomy=dataset.taxonomy,
        licence=dataset.licence,
        origin=dataset.origin,
        cell_diameter=CELL_DIAMETER,
        patient=None,
    )
    write_text(folder / _DONE, "")


def open_working_copy(folder: Path, patients: Mapping[str, str | None]) -> FieldDataset:
    """The fields that `write_working_copy` wrote, with the patient of every field id.

    Raises
    ------
    DrepanoError
        If a field is not there, or cannot be read: when it is loaded at the latest.
    """

    def damaged(reason: object) -> DrepanoError:
        return DrepanoError(
            f"{reason}; {folder} is a scaled copy: delete it whole, and the same command makes it anew"
        )

    def load(source: FieldSource) -> Field:
        try:
            return copy.load(source)
        except DrepanoError as error:
            raise damaged(error) from error

    try:
        copy = open_dataset(folder)
    except DrepanoError as error:
        raise damaged(error) from error
    there = {source.id for source in copy.sources}
    if there != patients.keys():
        id_ = min(there ^ patients.keys())
        raise damaged(
            f"{folder}: field {id_} {'is lost' if id_ in patients else 'is not of this experiment'}"
        )
    sources = tuple(replace(source, patient=patients[source.id]) for source in copy.sources)
    return replace(copy, sources=sources, load=load)


def _scaled(field: Field, factor: float) -> Field:
    assert field.classes is not None and field.instances is not None
    return replace(
        field,
        image=scale_image(field.image, factor),
        classes=scale_labels(field.classes, factor),
        instances=scale_labels(field.instances, factor),
    )
