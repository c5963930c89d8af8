"""What a rerun goes by: the record of every finished field, and which files in OUT are ours."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drepano.errors import DrepanoError
from drepano.exports import FORMATS, PARQUET
from drepano.io import write_text

RECORDS = ".records"
"""Folder in OUT with one JSON file a finished field, written after all its other results."""

_FILES = "files"
"""In that folder: the suffix of the lists of files that were written for a field, and the name of the list of
those that were written for all."""

CLASSES, OVERLAY = ".classes.png", ".overlay.png"
RESULT_SUFFIXES = (CLASSES, OVERLAY, *(one.suffix for one in FORMATS.values()))
"""What the names of a field's own results can end with."""

TABLES = ("cells", "summary", "patients", "differences", "failures")
COCO, REPORT = "coco.json", "report.html"


def names_of_tables(formats: Sequence[str]) -> list[str]:
    """Of all files that a run writes over all fields."""
    suffixes = (".csv", ".parquet") if PARQUET in formats else (".csv",)
    names = [f"{table}{suffix}" for table in TABLES for suffix in suffixes]
    return [*names, *((COCO,) if "coco" in formats else ()), REPORT]


@dataclass(frozen=True)
class FieldIdentity:
    """What the results of a field depend on.

    Parameters
    ----------
    sha256 : str
        Of the image file.
    page : int or None
    settings : dict
        Model, cell diameter, precision, version.
    """

    sha256: str
    page: int | None
    settings: dict[str, str]


@dataclass(frozen=True)
class FieldRecord:
    """A finished field.

    Parameters
    ----------
    identity : FieldIdentity
    summary : dict
        A row of summary.csv: from `drepano.cells.summarise_field`, with debris, diameter and quality.
    cells : dict of lists
        Columns of the table of cells.
    outlines : list of lists of int
        Corners of every cell's outline, x and y in turn, simplified for the report.
    warnings : list of str
    seconds : float
        Time from reading the image to its last result.
    image : str
        Path of the image file; empty in records of earlier versions.
    """

    identity: FieldIdentity
    summary: dict[str, Any]
    cells: dict[str, list[Any]]
    outlines: list[list[int]]
    warnings: list[str]
    seconds: float
    image: str = ""


def write_record(path: Path, record: FieldRecord) -> None:
    """Write `record`, complete or not at all."""
    write_text(path, json.dumps(asdict(record)))


def read_finished(path: Path, results: Sequence[Path], identity: FieldIdentity) -> FieldRecord | None:
    """The record of a field that is done, complete, and was made the same way from the same image."""
    if not all(result.is_file() for result in results):
        return None
    record = read_record(path)
    return record if record is not None and record.identity == identity else None


def read_record(path: Path) -> FieldRecord | None:
    """The record of a finished field, None where there is none that can be read."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return FieldRecord(**{**stored, "identity": FieldIdentity(**stored["identity"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def names_by_image(out: Path) -> dict[tuple[str, int | None], list[str]]:
    """What earlier runs called the results in `out` of every image, by its path and page."""
    names: dict[tuple[str, int | None], list[str]] = defaultdict(list)
    for path in (out / RECORDS).glob("*.json"):
        record = read_record(path)
        if record is not None and record.image:
            names[record.image, record.identity.page].append(path.name.removesuffix(".json"))
    return names


def files_of_field(out: Path, name: str) -> frozenset[str]:
    """Names of the files in `out` that earlier runs wrote for a field, or were about to write."""
    noted = _read_names(note_path(out, name))
    if noted is None:  # versions before 0.4 noted none, but left a record
        done = os.path.isfile(out / RECORDS / f"{name}.json")  # noqa: PTH113  # no error for a name too long
        return frozenset(f"{name}{suffix}" for suffix in RESULT_SUFFIXES) if done else frozenset()
    return noted


def files_of_all(out: Path) -> frozenset[str]:
    """Names of the files in `out` that earlier runs wrote over all fields."""
    noted = _read_names(note_path(out))
    if noted is None:
        records = (out / RECORDS).glob("*.json")
        done = any(_read_names(record.with_suffix(f".{_FILES}")) is None for record in records)
        return frozenset(names_of_tables((PARQUET, "coco"))) if done else frozenset()
    return noted


def note_path(out: Path, field: str | None = None) -> Path:
    """The list of the files that were written for a field, or for all."""
    return out / RECORDS / (_FILES if field is None else f"{field}.{_FILES}")


def note_files(path: Path, names: Iterable[str]) -> None:
    """Note at a `note_path`, before they are written, what is."""
    write_text(path, json.dumps(sorted(names)))


def refuse_others_files(out: Path, names: Iterable[str], ours: frozenset[str]) -> None:
    """Refuse to write over a file that no earlier run wrote.

    Raises
    ------
    DrepanoError
        If there is one.
    """
    known = {name.casefold() for name in ours}
    for name in names:
        if name.casefold() not in known and os.path.lexists(out / name):
            raise DrepanoError(
                f"{out / name}: a result of that name would be written over it, and no earlier run wrote it; "
                "move it, or choose another folder for the results"
            )


def _read_names(path: Path) -> frozenset[str] | None:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return frozenset(names) if is_list else None
