"""Tables and report over all fields."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from drepano.cells import compare_groups, no_cells, summarise_field, summarise_groups
from drepano.errors import DrepanoError
from drepano.exports import FORMATS, PARQUET, merge_coco
from drepano.io import atomic_path, read_image, remove_file, storable, write_text
from drepano.models import ModelCard
from drepano.prediction.field_files import FieldFile
from drepano.prediction.one_field import FIELD_COLUMNS, Options
from drepano.prediction.records import (
    CLASSES,
    COCO,
    REPORT,
    TABLES,
    FieldRecord,
    files_of_all,
    names_of_tables,
    note_files,
    note_path,
)
from drepano.prediction.samples import PATIENT, Samples
from drepano.reports import Failure, Groups, OutlinedCell, ReportedField, write_report
from drepano.taxonomy import Taxonomy

_FORMAT = "%.6g"
_OF_FAILURES = ("file", "page", "reason")
"""Columns, after those that name the group."""
_GONE = "the image has gone since it was segmented, so the report cannot show it"


def write_tables_and_report(
    out: Path,
    done: Sequence[tuple[FieldFile, FieldRecord]],
    failures: Sequence[tuple[FieldFile | None, Failure]],
    samples: Samples,
    share_precision: float,
    options: Options,
    card: ModelCard,
    settings: dict[str, str],
) -> None:
    """Write what ``drepano predict`` leaves for all fields together; of earlier runs nothing else is left.

    Parameters
    ----------
    out : Path
    done : sequence of (FieldFile, FieldRecord)
    failures : sequence of (FieldFile or None, Failure)
        None for a path without a field.
    samples : Samples
        Of all fields that are done.
    share_precision, options
        As `predict_fields` takes them.
    card : ModelCard
    settings : dict
        What the run was asked to do.
    """
    taxonomy = card.class_taxonomy
    cells, fields = _tables(done, samples, taxonomy)
    of_samples = samples.join(fields)
    confusion = _confusion(card)
    patients = summarise_groups(of_samples, cells, samples.keys, taxonomy, confusion, share_precision)
    differences = compare_groups(of_samples, samples.keys, taxonomy, confusion)
    asked_for = names_of_tables(options.formats)
    for name in files_of_all(out):  # first of all, so that old and new ones never stand side by side
        remove_file(out / name)
    note_files(note_path(out), asked_for)
    whole = (samples.join(cells), of_samples, patients, differences, _failures_table(failures, samples))
    tables = dict(zip(TABLES, whole, strict=True))
    for name, table in tables.items():
        write_text(out / f"{name}.csv", table.to_csv(index=False, float_format=_FORMAT))
        if PARQUET in options.formats:
            with atomic_path(out / f"{name}.parquet") as path:
                table.to_parquet(path, index=False)
    if "coco" in options.formats:
        merge_coco(
            out / COCO,
            [(out / f"{field.name}{FORMATS['coco'].suffix}", storable(str(field.path))) for field, _ in done],
        )
    write_report(
        out / REPORT,
        title="Red blood cells",
        fields=[
            ReportedField(
                name=field.name,
                source=field.source,
                image=partial(_picture, field, out, options.channel),
                cells=_outlined(record),
                warnings=(*record.warnings, *(() if os.path.isfile(field.path) else (_GONE,))),  # noqa: PTH113
                seconds=record.seconds,
            )
            for field, record in done
        ],
        failures=[failure for _, failure in failures],
        summary=places_of_groups(fields, samples),
        cells=cells,
        groups=Groups(patients, differences, samples.keys, share_precision),
        taxonomy=taxonomy,
        model=card.model_dump(),
        settings=settings,
    )


def places_of_groups(fields: pd.DataFrame, samples: Samples) -> pd.DataFrame:
    """The fields with a ``place`` that is one only within a group, as shares count it: not over times."""
    places = zip(fields["field"], fields["place"], strict=True)
    in_groups = [(*samples.values[field], place) for field, place in places]
    return fields.assign(place=pd.Series(in_groups, fields.index, dtype=object))


def check_keys(samples: Samples, card: ModelCard) -> None:
    """Refuse columns of samples that have the name of a result.

    Raises
    ------
    DrepanoError
        If there is one.
    """
    cells, fields = _tables([], samples, card.class_taxonomy)
    unnamed = fields.assign(**{PATIENT: []})
    groups = summarise_groups(unnamed, cells, [PATIENT], card.class_taxonomy, _confusion(card))
    results = {*cells.columns, *fields.columns, *groups.columns, *_OF_FAILURES} - {PATIENT}
    for key in samples.keys:
        if key in results:
            raise DrepanoError(f"samples: {key!r} is the name of a result; rename that column")


def _picture(field: FieldFile, out: Path, channel: int) -> NDArray[np.uint8]:
    """The field's image; white, of the same size, where it has gone since it was segmented."""
    try:
        return read_image(field.path, field.page, channel)
    except (DrepanoError, OSError):
        with Image.open(out / f"{field.name}{CLASSES}") as classes:
            return np.full((classes.height, classes.width, 3), 255, np.uint8)


def _failures_table(failures: Sequence[tuple[FieldFile | None, Failure]], samples: Samples) -> pd.DataFrame:
    """A row a failure; whose it is stays empty where there is no field."""
    rows = []
    for field, failure in failures:
        file, page = (failure.source, None) if field is None else _file_and_page(field)
        of_sample = samples.values.get(field.name, ()) if field is not None else ()
        names = dict(zip(samples.keys, of_sample, strict=False))
        rows.append({**names, "file": file, "page": page, "reason": failure.reason})
    return pd.DataFrame(rows, columns=[*samples.keys, *_OF_FAILURES]).astype({"page": "Int64"})


def _file_and_page(field: FieldFile) -> tuple[str, int | None]:
    """The file as it was given, and its page, from 1, where it has several."""
    return storable(str(field.path)), None if field.page is None else field.page + 1


def _confusion(card: ModelCard) -> NDArray[np.int64] | None:
    return np.array(card.cell_confusion) if card.cell_confusion else None


def _outlined(record: FieldRecord) -> list[OutlinedCell]:
    columns = ("cell", "class", "class_probability", "uncertain", "touches_border")
    rows = zip(*(record.cells[name] for name in columns), record.outlines, strict=True)
    return [
        OutlinedCell(number, name, probability, uncertain, not border, tuple(ring))
        for number, name, probability, uncertain, border, ring in rows
    ]


def _tables(
    done: Sequence[tuple[FieldFile, FieldRecord]], samples: Samples, taxonomy: Taxonomy
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a cell, and a row a field; with all columns also where there is no row."""
    nothing = no_cells(taxonomy)
    cells = [pd.DataFrame(record.cells).assign(field=field.name) for field, record in done]
    filled = [table for table in cells if len(table)] or [nothing.assign(field=[])]
    columns = ["field", "file", "page", "place", *summarise_field(nothing, (1, 1), taxonomy), *FIELD_COLUMNS]
    first = {samples.place(field): field.name for field, _ in reversed(done)}
    rows = []
    for field, record in done:
        file, page = _file_and_page(field)
        names = {"field": field.name, "file": file, "page": page, "place": first[samples.place(field)]}
        rows.append({**names, **record.summary})
    all_cells = pd.concat(filled, ignore_index=True)[["field", *nothing.columns]]
    return all_cells, pd.DataFrame(rows, columns=columns).astype({"page": "Int64"})
