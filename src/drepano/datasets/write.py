"""Write fields as a folder data set, which `open_folder` reads back to the same arrays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from drepano.datasets.folder import CONFIG_NAME
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import atomic_path, ensure_writable_folder, write_class_map, write_label_map, write_text
from drepano.taxonomy import Taxonomy

_PARTS = ("images", "labels", "instances")
_UNFINISHED = ".unfinished"
"""A file that is there while fields are being written."""


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """A folder to write fields to that holds nothing else, so that fields of two data sets never mix.

    One that was left unfinished is begun anew.

    Raises
    ------
    DrepanoError
        If it holds something else, is no folder, or cannot be written.
    """
    unfinished = folder / _UNFINISHED
    if unfinished.is_file():
        for name in _PARTS:
            shutil.rmtree(folder / name, ignore_errors=True)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DrepanoError(f"{folder}: is not an empty folder; remove it or name another one")
    ensure_writable_folder(folder)
    write_text(unfinished, "")
    yield
    unfinished.unlink()


def write_field(folder: Path, field: Field, taxonomy: Taxonomy) -> None:
    """Write image, class map and instance map of `field` under its id.

    Raises
    ------
    DrepanoError
        If the field has no maps, or nothing can be written.
    """
    if field.classes is None or field.instances is None:
        raise DrepanoError(f"field {field.id}: has no class and instance maps to write")
    for name in _PARTS:
        ensure_writable_folder(folder / name)
    with atomic_path(folder / "images" / f"{field.id}.png") as path:
        Image.fromarray(field.image).save(path)
    write_class_map(folder / "labels" / f"{field.id}.png", field.classes, taxonomy)
    write_label_map(folder / "instances" / f"{field.id}.png", field.instances)


def write_dataset_config(
    folder: Path,
    name: str,
    taxonomy: Taxonomy,
    licence: str,
    origin: str,
    cell_diameter: float,
    patient: str | None,
) -> None:
    """Write the ``dataset.toml`` of a folder whose fields `write_field` wrote.

    Parameters
    ----------
    patient : str, optional
        Regular expression whose brackets find the patient in a field's id.
    """
    settings: dict[str, object] = {
        "name": name,
        "licence": licence,
        "origin": origin,
        "images": "images",
        "labels": "labels",
        "instances": "instances",
        "cell_diameter": cell_diameter,
    }
    if patient is not None:
        settings["patient"] = patient
    # Strings and numbers of JSON are strings and numbers of TOML.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    lines += ["", "[classes]"]
    lines += [f"{index} = {json.dumps(name)}" for index, name in enumerate(taxonomy.classes)]
    write_text(folder / CONFIG_NAME, "\n".join(lines) + "\n")
