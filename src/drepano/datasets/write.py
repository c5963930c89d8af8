"""Write fields as a folder data set, which `open_folder` reads back to the same arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from drepano.datasets.folder import CONFIG_NAME
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import atomic_path, ensure_writable_folder, write_class_map, write_label_map, write_text
from drepano.taxonomy import Taxonomy


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write fields to that becomes `folder` when all are there, so that two data sets never mix.

    Yields
    ------
    Path
        A hidden folder in `folder`. What it holds is moved up when the ``with`` ends, and removed when it
        ends by an exception.

    Raises
    ------
    DrepanoError
        If `folder` is no folder, holds anything but hidden files, or cannot be written.
    """
    _require_nothing_in(folder)
    ensure_writable_folder(folder)
    with TemporaryDirectory(prefix=".unfinished-", dir=folder) as name:
        yield Path(name)
        _require_nothing_in(folder)
        for part in sorted(Path(name).iterdir(), key=lambda part: part.name == CONFIG_NAME):
            part.rename(folder / part.name)


def _require_nothing_in(folder: Path) -> None:
    is_used = folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())
    if is_used or (folder.exists() and not folder.is_dir()):
        raise DrepanoError(f"{folder}: is not an empty folder; remove it or name another one")


def write_field(folder: Path, field: Field, taxonomy: Taxonomy) -> None:
    """Write image, class map and instance map of `field` under its id.

    Raises
    ------
    DrepanoError
        If the field has no maps, or nothing can be written.
    """
    if field.classes is None or field.instances is None:
        raise DrepanoError(f"field {field.id}: has no class and instance maps to write")
    for name in ("images", "labels", "instances"):
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
