"""Segment every field and write what was found."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from drepano.cells import (
    compare_groups,
    find_cells,
    measure_cells,
    no_cells,
    summarise_field,
    summarise_groups,
)
from drepano.errors import DrepanoError
from drepano.io import (
    OutputError,
    atomic_path,
    ensure_writable_folder,
    pixel_size,
    read_image,
    write_class_map,
    write_text,
)
from drepano.prediction.field_files import FieldFile, list_fields, printable
from drepano.prediction.records import (
    RECORDS,
    RESULT_SUFFIXES,
    FieldIdentity,
    FieldRecord,
    read_finished,
    write_record,
)
from drepano.prediction.samples import Samples, samples_of_folders
from drepano.reports import Failure, Groups, ReportedField, draw_overlay, write_report
from drepano.segmenter import Segmenter
from drepano.taxonomy import Taxonomy

_FORMAT = "%.6g"
_SIZE_TOLERANCE = 1.5
_CELLS_TO_JUDGE_SIZE = 5


Grouping = Callable[[Sequence[FieldFile]], Samples]
"""From the fields to whose they are."""


@dataclass(frozen=True)
class Scale:
    """How large things are in the fields.

    Parameters
    ----------
    cell_diameter : float, optional
        Of a typical cell, px; see `Segmenter.segment`.
    pixel_size : float, optional
        Side of a pixel in micrometres; without it that of the file's metadata, where there is one.
    """

    cell_diameter: float | None = None
    pixel_size: float | None = None


_AS_IT_IS = Scale()


@dataclass(frozen=True)
class Outcome:
    """What became of one field, or of a path in which there was none.

    Parameters
    ----------
    source : str
        The file, with its page where it has several.
    field : FieldFile or None
        None for a path that is not there or a folder without images.
    record : FieldRecord or None
        None where it failed.
    reason : str
        Why it failed.
    skipped : bool
        Whether it was done before.
    """

    source: str
    field: FieldFile | None = None
    record: FieldRecord | None = None
    reason: str = ""
    skipped: bool = False


def predict_fields(
    paths: Sequence[Path],
    out: Path,
    segmenter: Segmenter,
    scale: Scale = _AS_IT_IS,
    grouping: Grouping = samples_of_folders,
    share_precision: float = 0.05,
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
        Gets ``<name>.classes.png`` and ``<name>.overlay.png`` for each field; ``cells.csv`` and
        ``summary.csv``, a row a cell and a field; ``patients.csv`` and, where there are groups to compare,
        ``differences.csv``; and ``report.html`` for all.
    segmenter : Segmenter
    scale : Scale
    grouping : callable
        From the fields to `Samples`; by the folders that they are in where not given.
    share_precision : float
        Half width wanted of the interval of a patient's sickled share.
    overwrite : bool
        Segment again what was segmented before with the same model and settings.
    started, finished : callable
        Told the number of fields, then the outcome of each.

    Returns
    -------
    list of Outcome
        Paths without a field first, then one a field in the order of `paths`; what is bad does not stop the
        others.

    Raises
    ------
    DrepanoError
        If no field is found, the diameter is not positive, or (`OutputError`) nothing can be written to
        `out`.
    """
    segmenter.diameter_or_known(scale.cell_diameter)  # refused here, before it costs any earlier result
    fields, failures = list_fields(paths, out)
    samples = grouping(fields)
    failures += samples.failures
    ensure_writable_folder(out)
    ensure_writable_folder(out / RECORDS)
    settings = _settings(segmenter, scale)
    started(len(failures) + len(fields))
    outcomes = [Outcome(failure.source, reason=failure.reason) for failure in failures]
    for outcome in outcomes:
        finished(outcome)
    for field in fields:
        outcome = _predict_or_explain(field, out, segmenter, scale, settings, overwrite)
        outcomes.append(outcome)
        finished(outcome)
    _write_tables_and_report(out, segmenter, settings, outcomes, samples, share_precision)
    return outcomes


def _settings(segmenter: Segmenter, scale: Scale) -> dict[str, str]:
    """What the results depend on besides the image."""
    card = segmenter.card.model_dump_json().encode()
    known = f"{segmenter.card.cell_diameter:g} px"
    return {
        "model": segmenter.card.name,
        "model fingerprint": hashlib.sha256(card + segmenter.weights_digest).hexdigest()[:16],
        "cell diameter": f"not given; fields taken at their own scale, the network knows cells of {known}"
        if scale.cell_diameter is None
        else f"{scale.cell_diameter:g} px, scaled to the network's {known}",
        "pixel size": "from the files' metadata, where they have it"
        if scale.pixel_size is None
        else f"{scale.pixel_size:g} µm",
        "precision": segmenter.precision,
        "drepano": version("drepano"),
    }


def _predict_or_explain(
    field: FieldFile,
    out: Path,
    segmenter: Segmenter,
    scale: Scale,
    settings: dict[str, str],
    overwrite: bool,
) -> Outcome:
    record_path = out / RECORDS / f"{field.name}.json"
    results = [out / f"{field.name}{suffix}" for suffix in RESULT_SUFFIXES]
    ours = False
    try:
        ours = record_path.is_file()
        identity = FieldIdentity(_digest(field.path), field.page, settings)
        done = None if overwrite else read_finished(record_path, results, identity)
        if done is not None:
            return Outcome(field.source, field, done, skipped=True)
        record_path.unlink(missing_ok=True)
        record = _predict(field, identity, results, segmenter, scale)
        write_record(record_path, record)
        return Outcome(field.source, field, record)
    except OutputError:
        raise
    except MemoryError:
        reason = "not enough memory for a field of this size; cut it into smaller fields"
    except DrepanoError as error:
        reason = printable(str(error))
    except OSError as error:
        reason = f"{error.strerror}; rename or move the file"
    if ours:
        for stale in (record_path, *results):
            with suppress(OSError):
                stale.unlink(missing_ok=True)
    named = reason if printable(str(field.path)) in reason else f"{field.source}: {reason}"
    return Outcome(field.source, field, reason=named)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DrepanoError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error


def _predict(
    field: FieldFile,
    identity: FieldIdentity,
    results: Sequence[Path],
    segmenter: Segmenter,
    scale: Scale,
) -> FieldRecord:
    begin = time.perf_counter()
    image = read_image(field.path, page=field.page)
    segmentation = segmenter.segment(image, scale.cell_diameter)
    instances = find_cells(segmentation)
    side = scale.pixel_size or pixel_size(field.path)
    cells = measure_cells(segmentation, instances, image, side)
    taxonomy = segmentation.taxonomy
    class_map, overlay = results
    write_class_map(class_map, segmentation.classes, taxonomy)
    classes = {
        int(cell): taxonomy.index(name) for cell, name in zip(cells["cell"], cells["class"], strict=True)
    }
    with atomic_path(overlay) as path:
        Image.fromarray(draw_overlay(image, instances, classes, taxonomy, title=field.name)).save(path)
    return FieldRecord(
        identity=identity,
        summary=summarise_field(cells, instances.shape, taxonomy, side),
        cells={str(name): column.tolist() for name, column in cells.items()},
        warnings=_warnings(cells, segmentation.cell_diameter),
        seconds=time.perf_counter() - begin,
    )


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
        f"measure a few and try --cell-diameter {measured:.0f}"
    ]


def _write_tables_and_report(
    out: Path,
    segmenter: Segmenter,
    settings: dict[str, str],
    outcomes: Sequence[Outcome],
    samples: Samples,
    precision: float,
) -> None:
    taxonomy = segmenter.card.class_taxonomy
    done = [(o.field, o.record) for o in outcomes if o.field is not None and o.record is not None]
    cells, summary = _tables(done, taxonomy)
    _write_table(out / "cells.csv", cells)
    _write_table(out / "summary.csv", summary)
    of_samples = samples.join(summary)
    confusion = np.array(segmenter.card.cell_confusion) if segmenter.card.cell_confusion else None
    patients = summarise_groups(of_samples, cells, samples.keys, taxonomy, confusion, precision)
    differences = compare_groups(of_samples, samples.keys, taxonomy)
    _write_table(out / "patients.csv", patients)
    _write_table(out / "differences.csv", differences)
    write_report(
        out / "report.html",
        title="Red blood cells",
        fields=[
            ReportedField(
                name=field.name,
                source=field.source,
                overlay=out / f"{field.name}.overlay.png",
                warnings=tuple(record.warnings),
                seconds=record.seconds,
            )
            for field, record in done
        ],
        failures=[Failure(outcome.source, outcome.reason) for outcome in outcomes if outcome.reason],
        summary=summary,
        groups=Groups(patients, differences, samples.keys, precision),
        taxonomy=taxonomy,
        model=segmenter.card.model_dump(),
        settings=settings,
    )


def _tables(
    done: Sequence[tuple[FieldFile, FieldRecord]], taxonomy: Taxonomy
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a cell, and a row a field; with all columns also where there is no row."""
    nothing = no_cells(taxonomy)
    cells = [pd.DataFrame(record.cells).assign(field=field.name) for field, record in done]
    filled = [table for table in cells if len(table)] or [nothing.assign(field=[])]
    columns = ["field", *summarise_field(nothing, (1, 1), taxonomy)]
    rows = [{"field": field.name, **record.summary} for field, record in done]
    all_cells = pd.concat(filled, ignore_index=True)[["field", *nothing.columns]]
    return all_cells, pd.DataFrame(rows, columns=columns)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, float_format=_FORMAT))
