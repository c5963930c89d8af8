"""What a rerun goes by: the record of every finished field, and the names of all files that are ours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drepano.errors import DrepanoError
from drepano.exports import FORMATS, PARQUET
from drepano.io import write_text

RECORDS = ".records"
"""Folder in OUT with one JSON file a finished field, written after all its other results."""

_NAMES = "names"
"""In that folder: all names under which runs have written into OUT."""

CLASSES, OVERLAY = ".classes.png", ".overlay.png"
RESULT_SUFFIXES = (CLASSES, OVERLAY, *(one.suffix for one in FORMATS.values()))
"""What the names of a field's own results can end with."""

TABLES = ("cells", "summary", "patients", "differences")
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
        From `drepano.cells.summarise_field`.
    cells : dict of lists
        Columns of the table of cells.
    outlines : list of lists of int
        Corners of every cell's outline, x and y in turn, simplified for the report.
    warnings : list of str
    seconds : float
        Time from reading the image to its last result.
    """

    identity: FieldIdentity
    summary: dict[str, Any]
    cells: dict[str, list[Any]]
    outlines: list[list[int]]
    warnings: list[str]
    seconds: float


def write_record(path: Path, record: FieldRecord) -> None:
    """Write `record`, complete or not at all."""
    write_text(path, json.dumps(asdict(record)))


def read_finished(path: Path, results: Sequence[Path], identity: FieldIdentity) -> FieldRecord | None:
    """The record of a field that is done, complete, and was made the same way from the same image."""
    if not all(result.is_file() for result in results):
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        record = FieldRecord(**{**stored, "identity": FieldIdentity(**stored["identity"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record if record.identity == identity else None


def our_names(out: Path) -> frozenset[str]:
    """Names of the files in `out` that earlier runs wrote, or were about to write.

    Versions before 0.4 noted none, but left records.
    """
    try:
        return frozenset(json.loads((out / RECORDS / _NAMES).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        done = [record.stem for record in (out / RECORDS).glob("*.json")]
        tables = names_of_tables((PARQUET, "coco")) if done else []
        return frozenset([*tables, *(f"{name}{suffix}" for name in done for suffix in RESULT_SUFFIXES)])


def refuse_others_files(out: Path, names: Iterable[str]) -> None:
    """Refuse to write over a file that no earlier run wrote.

    Raises
    ------
    DrepanoError
        If there is one.
    """
    ours = our_names(out)
    for name in names:
        if name not in ours and os.path.lexists(out / name):
            raise DrepanoError(
                f"{out / name}: a result of that name would be written over it, and no earlier run wrote it; "
                "move it, or choose another folder for the results"
            )


def claim_names(out: Path, names: Iterable[str]) -> frozenset[str]:
    """Note, before they are written, that files of these names in `out` are ours; all that are."""
    ours = our_names(out) | frozenset(names)
    write_text(out / RECORDS / _NAMES, json.dumps(sorted(ours)))
    return ours
