"""Which fields there are to segment, and what their results are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from drepano.errors import DrepanoError, some_of
from drepano.io import Plane, find_images, list_planes, storable
from drepano.prediction.records import RECORDS, RESULT_SUFFIXES, files_of_field, names_by_image
from drepano.reports import Failure


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
    plane : Plane
        What it shows of the file's places.
    pages_known : bool
        False where the file's pages cannot be counted; reading it will tell what is wrong.
    """

    name: str
    path: Path
    page: int | None = None
    plane: Plane = field(default_factory=Plane)
    pages_known: bool = True

    @property
    def source(self) -> str:
        """The file as it was given, with the page where there are several."""
        path = storable(str(self.path))
        return path if self.page is None else f"{path} (page {self.page + 1})"


def list_fields(
    paths: Sequence[Path], out: Path, noted: Callable[[str], None] = lambda _: None
) -> tuple[list[FieldFile], list[Failure]]:
    """The fields in files and folders; every page of a multi-page file is a field of its own.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    out : Path
        Folder for the results; what earlier runs wrote there, or into another such folder, is no field.
    noted : callable
        Told which links are left out since they lead to files that are there already.

    Returns
    -------
    fields : list of FieldFile
        With names that differ: that of its earlier results, else the file's stem, where two are the same with
        its folder before it and its suffix after it. A file whose pages cannot be counted is one field.
    failures : list of Failure
        Paths that are not there, folders without images and folders that cannot be read.

    Raises
    ------
    DrepanoError
        If there is no field at all.
    """
    found: list[Path] = []
    failures: list[Failure] = []

    def failed(path: Path, error: DrepanoError) -> None:
        failures.append(Failure(storable(str(path)), storable(str(error))))

    for path in paths:
        try:
            found += find_images([path], failed)
        except DrepanoError as error:
            failed(path, error)
    once = {path.resolve(): path for path in reversed(found)}  # of two spellings the first
    files, links = [], []
    for path in dict.fromkeys(found):
        first = once[path.resolve()]
        if _is_result(path, out):
            continue
        if first == path:
            files.append(path)
        elif image_path(first) != image_path(path):
            links.append(storable(f"{path} leads to {first}"))
    if links:
        noted(f"left out, so that cells count once: {some_of(links)}")
    if not files:
        if failures:
            raise DrepanoError(f"{failures[0].reason}; nothing to segment")
        given = some_of([storable(str(path)) for path in paths])
        raise DrepanoError(f"{given}: only results of an earlier run, no image; give the images")
    fields = []
    for path, name in zip(files, _names(files), strict=True):
        try:
            planes = list_planes(path)
        except DrepanoError:
            fields.append(FieldFile(name, path, pages_known=False))
            continue
        if len(planes) == 1:
            fields.append(FieldFile(name, path))
        else:
            fields += [
                FieldFile(f"{name}.page{number + 1:03d}", path, number, plane)
                for number, plane in enumerate(planes)
            ]
    return _with_own_names(fields, out), failures


def _is_result(path: Path, out: Path) -> bool:
    """Whether an earlier run wrote `path`: its records say it, or, without any, its name and place."""
    suffixes = [suffix for suffix in RESULT_SUFFIXES if path.name.endswith(suffix)]
    if not (path.parent / RECORDS).is_dir():
        return bool(suffixes) and path.resolve().parent == out.resolve()
    fields = [path.name.removesuffix(suffix) for suffix in suffixes]
    return any(path.name in files_of_field(path.parent, field) for field in fields)


def image_path(path: Path) -> str:
    """As a record has it, wherever the program was begun."""
    return storable(os.path.abspath(path))  # noqa: PTH100  # a link stays what it is, wherever it leads


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


def _with_own_names(fields: Sequence[FieldFile], out: Path) -> list[FieldFile]:
    """The fields, each called as its earlier results, whatever else is given now, else as it is, or with a
    number behind that name where it is taken."""
    earlier = names_by_image(out)
    kept = [_earlier_name(one, earlier.get((image_path(one.path), one.page), ())) for one in fields]
    taken = {name.casefold() for name in kept if name is not None}
    named = []
    for one, earlier_name in zip(fields, kept, strict=True):
        name = earlier_name or _not_taken(storable(one.name), taken)
        taken.add(name.casefold())
        named.append(replace(one, name=name))
    return named


def _earlier_name(field: FieldFile, names: Collection[str]) -> str | None:
    return field.name if field.name in names else min(names, default=None)


def _not_taken(name: str, taken: Collection[str]) -> str:
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate
