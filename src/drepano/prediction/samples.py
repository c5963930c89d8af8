"""Whose field it is: a sheet of samples, or a pattern on file names."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path

import pandas as pd

from drepano.errors import DrepanoError, some_of
from drepano.io import storable
from drepano.prediction.field_files import FieldFile
from drepano.reports import Failure
from drepano.times import is_time, read_time

PATIENT = "patient"
_FILE, _PAGE, _PLACE = "file", "page", "place"
_KNOWN = (_FILE, _PAGE, _PLACE, PATIENT)


@dataclass(frozen=True)
class Samples:
    """What is known of the fields besides their pixels.

    Parameters
    ----------
    keys : tuple of str
        "patient" first, then the sheet's other columns or the pattern's other groups.
    values : dict
        For a field's name its value of every key; fields that are not there are left out.
    failures : tuple of Failure
        Rows of the sheet without a field.
    places : dict
        For a field's name its place, a name and a number among places of that name, where it has a name:
        fields of one patient that have the same show the same cells.
    """

    keys: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    failures: tuple[Failure, ...] = ()
    places: dict[str, tuple[str, int]] = attribute(default_factory=dict)

    def place(self, field: FieldFile) -> tuple[object, ...]:
        """Equal for fields of one place: by its name where it has one, else by the file's metadata."""
        if field.name in self.places:
            return self.values[field.name][0], *self.places[field.name]
        return field.path, field.plane.place

    def united(self) -> list[str]:
        """A line for every named place that several fields of one group show."""
        groups = Counter((self.values[name], *place) for name, place in self.places.items())
        return [
            f"{fields} fields of {' '.join(values)} are of one place, {place}: shares take it once"
            for (values, place, _), fields in groups.items()
            if fields > 1
        ]

    def taken_apart(self, fields: Sequence[FieldFile]) -> list[str]:
        """A line for every file that does not say what its pages show, if no name says it either."""
        unsaid = Counter(
            field.path for field in fields if not field.plane.stated and field.name not in self.places
        )
        return [
            f"{storable(str(path))}: does not say what its {pages} pages show, so each is taken for a field "
            "of its own; if they show the same cells, name their place in a column place of --samples"
            for path, pages in unsaid.items()
            if pages > 1
        ]

    def misspelt(self) -> list[str]:
        """A line for every column whose values may not be meant as they are taken."""
        lines = []
        for number, key in enumerate(self.keys):
            values = list(dict.fromkeys(of_field[number] for of_field in self.values.values()))
            unread = [value for value in values if is_time(key) and value and read_time(value) is None]
            if unread and len(values) > 1:
                lines.append(
                    f"{key}: cannot tell what time is meant by {some_of(unread)}, so it is put in the order "
                    "of the alphabet; write 6, 6h, 06:30 or 2026-11-26"
                )
            spellings: dict[str, list[str]] = defaultdict(list)
            for value in values:
                spellings[value.casefold()].append(value)
            lines += [
                f"{key}: {' and '.join(alike)} are taken for different ones; if they are the same, write "
                "them alike"
                for alike in spellings.values()
                if len(alike) > 1 and not is_time(key)
            ]
        return lines

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table with the columns `keys`, which are text, after its column ``field``."""
        known = pd.DataFrame([self.values[name] for name in table["field"]], columns=list(self.keys))
        rest = table.drop(columns="field").reset_index(drop=True)
        return pd.concat([table["field"].reset_index(drop=True), known, rest], axis=1)


def samples_of_folders(fields: Sequence[FieldFile]) -> Samples:
    """A folder a patient, called as the folder, or by more of its path where two have the same name."""
    # Not what links lead to: a folder of links is a patient, wherever the files are kept.
    folders = {field.name: Path(os.path.abspath(field.path)).parent for field in fields}  # noqa: PTH100
    distinct = set(folders.values())
    parts = 1
    while len({folder.parts[-parts:] for folder in distinct}) < len(distinct):
        parts += 1
    return Samples(
        (PATIENT,),
        {name: (storable("/".join(folder.parts[-parts:])),) for name, folder in folders.items()},
    )


def read_samples(sheet: Path, fields: Sequence[FieldFile]) -> Samples:
    """Samples from a CSV file with the columns file, patient, page if wanted, and any others.

    Parameters
    ----------
    sheet : Path
        ``file`` is a path, from the sheet's folder where it is relative, or the name of one of the files.
        ``page``, from 1, has one page of it; of a file with such rows the pages without one are left out. A
        row without a page is that of all pages of its file. ``place`` names what the field shows, where the
        same cells are seen more than once.
    fields : sequence of FieldFile

    Raises
    ------
    DrepanoError
        If the sheet cannot be read, lacks a column or a field, names a page twice or one of several files of
        a name, or the place of some pages only that show one place.
    """
    rows, names = _read_table(sheet)
    keys = (PATIENT, *(name for name in names if name not in _KNOWN))
    pages: dict[Path, list[FieldFile]] = {}
    for field in fields:
        pages.setdefault(field.path.resolve(), []).append(field)
    values: dict[str, tuple[str, ...]] = {}
    places: dict[str, tuple[str, int]] = {}
    failures = []
    listed: set[Path] = set()  # files whose pages have rows of their own
    for row in rows:
        members = _fields_of(row[_FILE], sheet, pages)
        if not members:
            failures.append(
                Failure(str(sheet), f"{sheet}: {row[_FILE]} is not among the fields given; correct the name")
            )
        page = row.get(_PAGE, "")
        listed |= {field.path for field in members} if page else set()
        for field in _of_page(page, members, f"{sheet}: {row[_FILE]}"):
            if field.name in values and field.pages_known:
                where = f", page {page}," if page else ""
                raise DrepanoError(f"{sheet}: names {row[_FILE]}{where} twice; leave one row a file or page")
            values[field.name] = tuple(row[key] for key in keys)
            if row.get(_PLACE):
                places[field.name] = row[_PLACE], 0 if page else _place_in_file(field)
    _refuse_unlisted(
        str(sheet), [field for field in fields if field.path not in listed], values, "has no row for"
    )
    _refuse_partly_named(sheet, [field for field in fields if field.name in values], places)
    return Samples(keys, _with_times_alike(keys, values), tuple(failures), places)


def match_samples(pattern: str, fields: Sequence[FieldFile]) -> Samples:
    """Samples from file names by a regular expression with named groups.

    Parameters
    ----------
    pattern : str
        Such as ``(?P<patient>[A-Z]+[0-9]+)_(?P<time>[0-9]+)h``, searched for in the file name without suffix;
        a group "patient" is needed, and a group "place" names what the field shows, as in a sheet.
    fields : sequence of FieldFile

    Raises
    ------
    DrepanoError
        If it is no regular expression, has no such group, or does not fit every file name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DrepanoError(f"pattern {pattern!r}: no regular expression ({error}); correct it") from error
    if PATIENT not in compiled.groupindex:
        raise DrepanoError(
            f"pattern {pattern!r}: has no group called patient; write the part that names the patient as "
            "(?P<patient>...)"
        )
    keys = (PATIENT, *(name for name in compiled.groupindex if name not in (PATIENT, _PLACE)))
    found = {field.name: compiled.search(storable(field.path.stem)) for field in fields}
    values = {
        name: tuple(_normal(match[key] or "") for key in keys)
        for name, match in found.items()
        if match and match[PATIENT]
    }
    _refuse_unlisted(f"pattern {pattern!r}", fields, values, "does not fit")
    named = _PLACE in compiled.groupindex
    places = {
        field.name: (match[_PLACE], _place_in_file(field))
        for field, match in zip(fields, found.values(), strict=True)
        if match and named and match[_PLACE]
    }
    return Samples(keys, _with_times_alike(keys, values), places=places)


def _place_in_file(field: FieldFile) -> int:
    """Pages of which the file says nothing are of one place where their file has a place's name."""
    return field.plane.place if field.plane.stated else 0


def _with_times_alike(
    keys: Sequence[str], values: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The values with one time, such as 6 and 6.0, written in one way: as it is first."""
    first: dict[tuple[str, tuple[str, float]], str] = {}

    def alike(key: str, value: str) -> str:
        time = read_time(value) if is_time(key) else None
        return value if time is None else first.setdefault((key, time.same), value)

    return {name: tuple(map(alike, keys, of_field)) for name, of_field in values.items()}


def _refuse_unlisted(
    what: str, fields: Sequence[FieldFile], values: dict[str, tuple[str, ...]], problem: str
) -> None:
    unlisted = [storable(field.path.name) for field in fields if field.name not in values]
    if unlisted:
        raise DrepanoError(
            f"{what}: {problem} {len(unlisted)} of {len(fields)} fields ({some_of(unlisted)}); correct it, "
            "or leave these fields out"
        )


def _refuse_partly_named(
    sheet: Path, fields: Sequence[FieldFile], places: Mapping[str, tuple[str, int]]
) -> None:
    """Where the file's metadata say that pages show one place, all of them must have a name or none."""
    named: dict[tuple[Path, int], set[bool]] = defaultdict(set)
    for field in fields:
        named[field.path, field.plane.place].add(field.name in places)
    for (path, _), is_named in named.items():
        if len(is_named) == 2:
            raise DrepanoError(
                f"{sheet}: names the place of some pages of {storable(path.name)} that show the same place, "
                "and not of others; name it in all their rows, or in none"
            )


def _read_table(sheet: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a sheet, and the names of its columns, without those that are empty."""
    try:
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            lines = [[_normal(value.strip()) for value in line] for line in csv.reader(file, strict=True)]
        if any("\0" in value for line in lines for value in line):
            raise ValueError("it has null characters")
    except FileNotFoundError as error:
        raise DrepanoError(f"{sheet}: there is no such file; give the sheet of samples") from error
    except (OSError, ValueError, csv.Error) as error:
        raise DrepanoError(f"{sheet}: cannot be read as CSV ({error}); save it as CSV, UTF-8") from error
    header = _header(sheet, lines[0] if lines else [])
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(line):
            continue
        if any(line[len(header) :]) or any(
            value and not name for name, value in zip(header, line, strict=False)
        ):
            raise DrepanoError(f"{sheet}: row {number} has a value in a column without a name; name it")
        row = dict.fromkeys(filter(None, header), "") | dict(zip(header, line, strict=False))
        if not row[_FILE] or not row[PATIENT]:
            raise DrepanoError(f"{sheet}: row {number} has no file or no patient; fill it in")
        row.pop("", None)
        rows.append(row)
    return rows, [name for name in header if name]


def _header(sheet: Path, names: list[str]) -> list[str]:
    names = [name.lower() if name.lower() in _KNOWN else name for name in names]
    missing = [name for name in (_FILE, PATIENT) if name not in names]
    if missing:
        raise DrepanoError(
            f"{sheet}: has no column {missing[0]!r} (it has {', '.join(names) or 'none'}); a header with "
            "file, patient and any others, separated by commas, is needed"
        )
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise DrepanoError(f"{sheet}: has two columns {twice!r}; give each a name of its own")
    return names


def _of_page(page: str, members: list[FieldFile], named: str) -> list[FieldFile]:
    """The one of a file's fields that is this page, counted from 1; all of them where none is said, or the
    pages are not known."""
    if not page or not members or not members[0].pages_known:
        return members
    numbers = [1 + (field.page or 0) for field in members]
    chosen = [field for number, field in zip(numbers, members, strict=True) if _is_number(page, number)]
    if not chosen:
        has = f"its pages are 1 to {max(numbers)}" if max(numbers) > 1 else "its only page is 1"
        raise DrepanoError(f"{named} has no page {page}; {has}")
    return chosen


def _normal(name: str | Path) -> str:
    return unicodedata.normalize("NFC", str(name))


def _is_number(text: str, number: int) -> bool:
    """Spreadsheets write 1 as 1.0 where a column has empty places."""
    try:
        return float(text) == number
    except ValueError:
        return False


def _fields_of(file: str, sheet: Path, pages: dict[Path, list[FieldFile]]) -> list[FieldFile]:
    """Of a path, or of a name that one file has; Windows has backslashes, macOS writes é as two letters."""
    for spelling in (file, file.replace("\\", "/")):
        path = (sheet.parent / spelling).resolve()
        if path in pages:
            return pages[path]
        alike = [members for path_, members in pages.items() if _normal(path_) == _normal(path)]
        if len(alike) == 1:
            return alike[0]
    named = [
        members
        for path, members in pages.items()
        if _normal(file) in (_normal(path.name), _normal(members[0].path.name))
    ]
    if len(named) > 1:
        raise DrepanoError(
            f"{sheet}: {file} could be any of {len(named)} files of that name; write its path from the "
            "sheet's folder"
        )
    return named[0] if named else []
