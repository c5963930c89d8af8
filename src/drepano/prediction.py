"""Many fields in, a folder of results out: what ``drepano predict`` does."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from drepano.cells import COLUMNS, find_cells, measure_cells, summarise_field
from drepano.errors import DrepanoError
from drepano.io import (
    OutputError,
    atomic_path,
    count_pages,
    ensure_writable_folder,
    find_images,
    read_image,
    write_class_map,
    write_text,
)
from drepano.reports import Failure, ReportedField, draw_overlay, write_report
from drepano.segmenter import Segmenter

RECORDS = ".records"
"""Folder in OUT with one JSON file a finished field, written last: what a rerun goes by."""

RESULT_SUFFIXES = (".classes.png", ".overlay.png")
"""What the names of a field's own results end with."""

_SIZE_TOLERANCE = 1.5
_CELLS_TO_JUDGE_SIZE = 5


@dataclass(frozen=True)
class FieldFile:
    """One field to segment: a file, or one page of it.

    Parameters
    ----------
    name : str
        Base of the names of its results.
    path : Path
    page : int or None
        Page of a file with several, counted from 0.
    """

    name: str
    path: Path
    page: int | None = None

    @property
    def source(self) -> str:
        """The file as it was given, with the page where there are several."""
        return str(self.path) if self.page is None else f"{self.path} (page {self.page + 1})"


@dataclass(frozen=True)
class Outcome:
    """What became of one field: `record` where it is done, `reason` where it failed."""

    field: FieldFile
    record: dict[str, Any] | None = None
    reason: str = ""
    skipped: bool = False


def list_fields(paths: Sequence[Path], out: Path) -> list[FieldFile]:
    """The fields in files and folders; every page of a multi-page file is a field of its own.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    out : Path
        Folder for the results; what an earlier run wrote there is no field.

    Returns
    -------
    list of FieldFile
        With names that differ: the file's stem, and where two are the same its folder before it and its
        suffix after it. A file whose pages cannot be counted is listed as one field.

    Raises
    ------
    DrepanoError
        If a path is not there, or no image is found.
    """
    files = [path for path in find_images(paths) if not _is_result(path, out)]
    if not files:
        raise DrepanoError(f"{out}: holds results of an earlier run only; give the images they were made of")
    fields = []
    for path, name in zip(files, _names(files), strict=True):
        try:
            pages = count_pages(path)
        except DrepanoError:
            pages = 1  # reading it will tell what is wrong
        if pages == 1:
            fields.append(FieldFile(name, path))
        else:
            fields += [FieldFile(f"{name}.page{page + 1:03d}", path, page) for page in range(pages)]
    unique = _numbered([field.name for field in fields])
    return [replace(field, name=name) for field, name in zip(fields, unique, strict=True)]


def predict_fields(
    paths: Sequence[Path],
    out: Path,
    segmenter: Segmenter,
    cell_diameter: float | None = None,
    overwrite: bool = False,
    started: Callable[[int], None] = lambda total: None,
    finished: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Segment every field, write its maps and tables, and a report over all of them.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    out : Path
        Gets ``<name>.classes.png`` and ``<name>.overlay.png`` for each field, and ``cells.csv``,
        ``summary.csv`` and ``report.html`` for all.
    segmenter : Segmenter
    cell_diameter : float, optional
        See `Segmenter.segment`.
    overwrite : bool
        Segment again what was segmented before with the same model and settings.
    started, finished : callable
        Told the number of fields, then the outcome of each.

    Returns
    -------
    list of Outcome
        One a field, in the order of `paths`; a bad field does not stop the others.

    Raises
    ------
    DrepanoError
        If no field is found, the diameter is not positive, or (`OutputError`) nothing can be written to
        `out`.
    """
    segmenter.diameter_or_known(cell_diameter)  # refused here, before it costs any earlier result
    fields = list_fields(paths, out)
    ensure_writable_folder(out / RECORDS)
    settings = _settings(segmenter, cell_diameter)
    outcomes = []
    started(len(fields))
    for field in fields:
        outcome = _predict_or_explain(field, out, segmenter, cell_diameter, settings, overwrite)
        outcomes.append(outcome)
        finished(outcome)
    _write_tables_and_report(out, segmenter, settings, outcomes)
    return outcomes


def _names(files: Sequence[Path]) -> list[str]:
    """A name for every file: its stem, longer where another file has the same; not always unique."""
    names = [path.stem for path in files]
    for longer in (
        lambda p: f"{p.parent.name}-{p.stem}",
        lambda p: f"{p.parent.name}-{p.stem}-{p.suffix[1:]}",
    ):
        taken = Counter(name.casefold() for name in names)
        names = [
            longer(path) if taken[name.casefold()] > 1 else name
            for name, path in zip(names, files, strict=True)
        ]
    return names


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, those that are taken already with a number behind them."""
    unique: dict[str, str] = {}
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in unique:
            number += 1
            candidate = f"{name}-{number}"
        unique[candidate.casefold()] = candidate
    return list(unique.values())


def _is_result(path: Path, out: Path) -> bool:
    """Whether an earlier run wrote `path`; it is found where `out` lies in a folder of fields."""
    return path.name.endswith(RESULT_SUFFIXES) and path.resolve().parent == out.resolve()


def _settings(segmenter: Segmenter, cell_diameter: float | None) -> dict[str, str]:
    """What the results depend on besides the image."""
    card = segmenter.card.model_dump_json().encode()
    known = f"{segmenter.card.cell_diameter:g} px"
    return {
        "model": segmenter.card.name,
        "model fingerprint": hashlib.sha256(card + segmenter.weights_digest).hexdigest()[:16],
        "cell diameter": f"not given; fields taken at their own scale, the network knows cells of {known}"
        if cell_diameter is None
        else f"{cell_diameter:g} px, scaled to the network's {known}",
        "drepano": version("drepano"),
    }


def _predict_or_explain(
    field: FieldFile,
    out: Path,
    segmenter: Segmenter,
    cell_diameter: float | None,
    settings: dict[str, str],
    overwrite: bool,
) -> Outcome:
    record_path = out / RECORDS / f"{field.name}.json"
    results = [out / f"{field.name}{suffix}" for suffix in RESULT_SUFFIXES]
    try:
        identity = {"source": field.source, "sha256": _digest(field.path), "settings": settings}
        done = None if overwrite else _finished_record(record_path, results, identity)
        if done is not None:
            return Outcome(field, done, skipped=True)
        record_path.unlink(missing_ok=True)
        record = identity | _predict(field, results, segmenter, cell_diameter)
        write_text(record_path, json.dumps(record))
        return Outcome(field, record)
    except OutputError:
        raise
    except MemoryError:
        reason = f"{field.source}: not enough memory for a field of this size; cut it into smaller fields"
    except DrepanoError as error:
        reason = str(error)
    for stale in (record_path, *results):
        stale.unlink(missing_ok=True)
    return Outcome(field, reason=reason)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DrepanoError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error


def _finished_record(path: Path, results: Sequence[Path], identity: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a field that is done, complete, and was made the same way from the same image."""
    if not all(result.is_file() for result in results):
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict):
        return None
    return record if all(record.get(key) == value for key, value in identity.items()) else None


def _predict(
    field: FieldFile, results: Sequence[Path], segmenter: Segmenter, cell_diameter: float | None
) -> dict[str, Any]:
    begin = time.perf_counter()
    image = read_image(field.path, page=field.page)
    segmentation = segmenter.segment(image, cell_diameter)
    instances = find_cells(segmentation)
    cells = measure_cells(segmentation, instances)
    taxonomy = segmentation.taxonomy
    class_map, overlay = results
    write_class_map(class_map, segmentation.classes, taxonomy)
    classes = {
        int(cell): taxonomy.index(name) for cell, name in zip(cells["cell"], cells["class"], strict=True)
    }
    with atomic_path(overlay) as path:
        Image.fromarray(draw_overlay(image, instances, classes, taxonomy, title=field.name)).save(path)
    return {
        "summary": summarise_field(cells, instances.shape, taxonomy),
        "warnings": _warnings(cells, segmentation.cell_diameter),
        "cells": cells.to_dict("list"),
        "seconds": time.perf_counter() - begin,
    }


def _warnings(cells: pd.DataFrame, cell_diameter: float) -> list[str]:
    if cells.empty:
        return ["no cells found"]
    whole = cells.loc[~cells["touches_border"]]
    if len(whole) < _CELLS_TO_JUDGE_SIZE:
        return []
    measured = float(np.median(2 * np.sqrt(whole["area_px"] / np.pi)))
    if 1 / _SIZE_TOLERANCE < measured / cell_diameter < _SIZE_TOLERANCE:
        return []
    return [
        f"cells look about {measured:.0f} px across where {cell_diameter:.0f} px were expected; "
        f"measure a few cells and give --cell-diameter"
    ]


def _write_tables_and_report(
    out: Path, segmenter: Segmenter, settings: dict[str, str], outcomes: Sequence[Outcome]
) -> None:
    taxonomy = segmenter.card.class_taxonomy
    done = [(outcome.field, outcome.record) for outcome in outcomes if outcome.record is not None]
    cells = [pd.DataFrame(record["cells"]).assign(field=field.name) for field, record in done]
    filled = [table for table in cells if len(table)]
    all_cells = pd.concat(filled) if filled else pd.DataFrame(columns=["field", *COLUMNS])
    columns = ["field", *summarise_field(pd.DataFrame(columns=COLUMNS), (1, 1), taxonomy)]
    summary = pd.DataFrame(
        [{"field": field.name, **record["summary"]} for field, record in done], columns=columns
    )
    write_text(out / "cells.csv", all_cells[["field", *COLUMNS]].to_csv(index=False))
    write_text(out / "summary.csv", summary.to_csv(index=False))
    write_report(
        out / "report.html",
        title="Red blood cells",
        fields=[
            ReportedField(
                name=field.name,
                source=field.source,
                overlay=out / f"{field.name}.overlay.png",
                warnings=tuple(record["warnings"]),
                seconds=record["seconds"],
            )
            for field, record in done
        ],
        failures=[Failure(outcome.field.source, outcome.reason) for outcome in outcomes if outcome.reason],
        summary=summary,
        taxonomy=taxonomy,
        model=segmenter.card.model_dump(),
        settings=settings,
    )
