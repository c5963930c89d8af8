"""Segment every field and write what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import inf
from pathlib import Path

from drepano.errors import DrepanoError
from drepano.exports import check_formats
from drepano.io import OutputError, ensure_writable_folder, file_digest, storable
from drepano.prediction.field_files import FieldFile, image_path, list_fields
from drepano.prediction.one_field import Options, analyse_field, result_files, write_field
from drepano.prediction.records import (
    RECORDS,
    FieldIdentity,
    FieldRecord,
    files_of_all,
    files_of_field,
    names_of_tables,
    note_files,
    note_path,
    read_finished,
    read_record,
    refuse_others_files,
    write_record,
)
from drepano.prediction.repeats import Repeats, find_repeats
from drepano.prediction.samples import Samples, samples_of_folders
from drepano.prediction.tables import check_keys, write_tables_and_report
from drepano.progress import Progress
from drepano.reports import Failure
from drepano.segmenter import CellDiameter, Segmenter

Grouping = Callable[[Sequence[FieldFile]], Samples]
"""From the fields to whose they are."""

_PLAIN = Options()
_FINEST_SHARE = 0.0001


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
    options: Options = _PLAIN,
    grouping: Grouping = samples_of_folders,
    share_precision: float = 0.05,
    strict: bool = False,
    overwrite: bool = False,
    looked: Progress = lambda *_: None,
    started: Callable[[int], None] = lambda total: None,
    finished: Callable[[Outcome], None] = lambda outcome: None,
    noted: Callable[[str], None] = lambda note: None,
) -> list[Outcome]:
    """Segment every field, write its maps and tables, and a report over all of them.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    out : Path
        Gets ``<name>.classes.png`` and ``<name>.overlay.png`` for each field; ``cells.csv`` and
        ``summary.csv``, a row a cell and a field; ``patients.csv`` and ``differences.csv``; ``failures.csv``;
        ``report.html`` for all; and what `Options.formats` names, with "coco" also ``coco.json`` for all,
        with "parquet" the tables as Parquet too. What an earlier run wrote for a field stays until it is
        segmented anew.
    segmenter : Segmenter
    options : Options
    grouping : callable
        From the fields to `Samples`; by the folders that they are in where not given.
    share_precision : float
        Half width wanted of the interval of a patient's sickled share.
    strict : bool
        Leave fields with a warning out of the tables, and call them failed.
    overwrite : bool
        Segment again what was segmented before with the same model and settings.
    looked : callable
        Told how far the look at all fields is that comes first: a stage, and how much of how much of it is
        done. It finds those that show what others show, which is a warning (`find_repeats`).
    started, finished : callable
        Told the number of fields, then the outcome of each.
    noted : callable
        Told, before anything is segmented, what of samples and fields might not be meant so.

    Returns
    -------
    list of Outcome
        Paths without a field first, then one a field in the order of `paths`; what is bad does not stop the
        others.

    Raises
    ------
    DrepanoError
        If no field is found, a number is not positive, a format is unknown, `out` has a file that a result
        would be written over and no earlier run wrote, or (`OutputError`) nothing can be written to `out`.
    """
    check_formats(options.formats)
    _check_numbers(options.pixel_size, share_precision)
    if options.cell_diameter != "auto":
        segmenter.diameter_or_known(options.cell_diameter)  # refused once, not in every field
    fields, failures = list_fields(paths, out, noted)
    samples = grouping(fields)
    check_keys(samples, segmenter.card)
    failures += samples.failures
    fields = [field for field in fields if field.name in samples.values]
    for note in (*samples.misspelt(), *samples.united(), *samples.taken_apart(fields)):
        noted(note)
    refuse_others_files(out, names_of_tables(options.formats), files_of_all(out))
    for field in fields:
        results = [file.name for file in result_files(field, out, options.formats)]
        refuse_others_files(out, results, files_of_field(out, field.name))
    ensure_writable_folder(out)
    ensure_writable_folder(out / RECORDS)
    settings = _settings(segmenter, options)
    repeats = find_repeats(
        fields, samples, options.cell_diameter, segmenter.card.cell_diameter, options.channel, looked
    )
    for note in repeats.notes:
        noted(note)
    started(len(failures) + len(fields))
    outcomes = [Outcome(failure.source, reason=failure.reason) for failure in failures]
    for outcome in outcomes:
        finished(outcome)
    counted: set[str] = set()
    for field in fields:
        outcome = _predict_or_explain(field, out, segmenter, options, settings, overwrite)
        outcome = _warn_of_repeat(outcome, field.name, repeats, counted)
        if strict and outcome.record is not None and outcome.record.warnings:
            doubts = "; ".join(outcome.record.warnings)
            outcome = Outcome(field.source, field, reason=f"{field.source}: {doubts} (strict: not counted)")
        if outcome.record is not None and outcome.record.summary["cells"] > 0:
            counted.add(field.name)
        outcomes.append(outcome)
        finished(outcome)
    write_tables_and_report(
        out,
        [(one.field, one.record) for one in outcomes if one.field is not None and one.record is not None],
        [(one.field, Failure(one.source, one.reason)) for one in outcomes if one.reason],
        samples,
        share_precision,
        options,
        segmenter.card,
        {
            **settings,
            "fields grouped by": ", ".join(samples.keys),
            "precision wanted of the sickled share": f"{share_precision:g}",
            "fields with warnings": "left out" if strict else "counted",
        },
    )
    return outcomes


def _warn_of_repeat(outcome: Outcome, field: str, repeats: Repeats, counted: Collection[str]) -> Outcome:
    """With a warning where its cells are those of a field that is counted; not kept in the field's record."""
    record = outcome.record
    warning = repeats.warning(field, counted)
    if record is None or warning is None:
        return outcome
    warnings = [*record.warnings, warning]
    summary = {**record.summary, "warnings": "; ".join(warnings)}
    return replace(outcome, record=replace(record, warnings=warnings, summary=summary))


def _settings(segmenter: Segmenter, options: Options) -> dict[str, str]:
    """What the results depend on besides the image."""
    return {
        "model": segmenter.card.name,
        "model fingerprint": segmenter.fingerprint,
        "cell diameter": _diameter_in_words(options.cell_diameter, segmenter.card.cell_diameter),
        "pixel size": "from the files' metadata, where they have it"
        if options.pixel_size is None
        else f"{options.pixel_size:g} µm",
        "channel": str(options.channel + 1),
        "precision": segmenter.precision,
        "drepano": version("drepano"),
    }


def _check_numbers(pixel_size: float | None, share_precision: float) -> None:
    if pixel_size is not None and not 0 < pixel_size < inf:
        raise DrepanoError(f"pixel size {pixel_size:g}: give the side of a pixel in micrometres, above 0")
    if not _FINEST_SHARE <= share_precision < 1:
        raise DrepanoError(
            f"share precision {share_precision:g}: give a share from {_FINEST_SHARE} to below 1, such as 0.05"
        )


def _diameter_in_words(diameter: CellDiameter, known: float) -> str:
    if diameter is None:
        return f"not given; fields taken at their own scale, the network knows cells of {known:g} px"
    given = "estimated in every field" if diameter == "auto" else f"{diameter:g} px"
    return f"{given}, scaled to the network's {known:g} px"


def _predict_or_explain(
    field: FieldFile,
    out: Path,
    segmenter: Segmenter,
    options: Options,
    settings: dict[str, str],
    overwrite: bool,
) -> Outcome:
    record_path = out / RECORDS / f"{field.name}.json"
    results = result_files(field, out, options.formats)
    note = note_path(out, field.name)
    earlier = [file for name in files_of_field(out, field.name) if os.path.lexists(file := out / name)]
    try:
        identity = FieldIdentity(file_digest(field.path), field.page, settings)
        done = None if overwrite else read_finished(record_path, results, identity)
        if done is not None:
            return Outcome(field.source, field, done, skipped=True)
        if earlier:
            _refuse_another_image(out, field, read_record(record_path), identity)
        analysis = analyse_field(field, segmenter, options)
        if earlier:
            _remove([out / name for name in files_of_all(out)])  # tables that tell of what is replaced now
        _remove([record_path])
        note_files(note, {file.name for file in (*earlier, *results)})
        record = write_field(field, analysis, identity, out, options.formats)
        _remove([file for file in earlier if file not in results])
        note_files(note, {file.name for file in (*earlier, *results) if os.path.lexists(file)})
        write_record(record_path, record)
        return Outcome(field.source, field, record)
    except OutputError:
        raise
    except MemoryError:
        reason = "not enough memory for a field of this size; cut it into smaller fields"
    except DrepanoError as error:
        reason = storable(str(error))
    except OSError as error:
        reason = f"{error.strerror}; rename or move the file"
    if earlier:
        reason = f"{reason} (earlier results named {field.name} are still in {out})"
    else:
        _remove([note, *results])
    named = reason if storable(str(field.path)) in reason else f"{field.source}: {reason}"
    return Outcome(field.source, field, reason=named)


def _refuse_another_image(
    out: Path, field: FieldFile, earlier: FieldRecord | None, identity: FieldIdentity
) -> None:
    """Refuse to replace what another file's image has under the field's name; a file may move, or change.

    Raises
    ------
    DrepanoError
        If the field's name is that of another file's results.
    """
    if earlier is None or earlier.image in ("", image_path(field.path)):
        return
    if earlier.identity.sha256 != identity.sha256:
        raise DrepanoError(
            f"{field.source}: {out} has results named {field.name} of another image, {earlier.image}; choose "
            "another folder for the results"
        )


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)
