"""Files out: whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isnan
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from drepano.errors import DrepanoError


class OutputError(DrepanoError):
    """Nothing can be written there, and the next file will fare no better: stop the run."""


_CAUSES: dict[int | None, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another folder"),
    errno.EDQUOT: ("your share of the disk is used up", "free some space or choose another folder"),
    errno.EFBIG: (
        "the file is larger than is allowed here",
        "raise the limit (ulimit -f) or choose another disk",
    ),
    errno.EROFS: ("the disk is read-only", "choose another folder"),
    errno.EACCES: ("permission is denied", "choose a folder that you may write to"),
    errno.EPERM: ("permission is denied", "choose a folder that you may write to"),
    errno.ENOENT: ("no file can be made there", "check that the folder exists, or choose another"),
    errno.ENOTDIR: ("part of its path is a file, not a folder", "choose another folder"),
    errno.EEXIST: ("a file of that name stands where a folder is needed", "choose another folder"),
    errno.EISDIR: ("it is a folder or a device, not a file", "give the name of a file"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter name"),
}


def _output_error(path: Path, error: OSError) -> DrepanoError:
    reason = " ".join((error.strerror or str(error) or "the system refused").split())
    problem, remedy = _CAUSES.get(error.errno, (reason, "choose another folder"))
    kind = DrepanoError if error.errno == errno.ENAMETOOLONG else OutputError  # the next name may be shorter
    return kind(f"{path}: cannot be written, {problem}; {remedy}")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file so that its name only ever stands for a whole file.

    Do nothing but the writing inside the ``with``: every `OSError` there is taken as one of writing `path`.

    Parameters
    ----------
    path : Path
        The file to write; an older one is replaced. Its folder must exist.

    Yields
    ------
    Path
        A hidden name in the same folder, with the same suffix, to write to. It becomes `path` when the
        ``with`` ends, and is removed when it ends by an exception.

    Raises
    ------
    OutputError
        If the file cannot be written: disk full or read-only, no permission, no such folder, `path` is a
        folder or a device.
    DrepanoError
        If its name alone is too long.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        if path.exists() and not path.is_file():  # renaming over /dev/null would replace the device
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with its line ends as they are, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def storable(text: str) -> str:
    """`text` with the bytes of file names that are no UTF-8 written out, so that it can be stored."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\n", " ")


def remove_file(path: Path) -> None:
    """Remove a file, if there is one.

    Raises
    ------
    OutputError
        If it cannot be removed: it is open in another program (on Windows), or a folder.
    """
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        raise OutputError(
            f"{path}: cannot be replaced; close it where it is open, or choose another folder"
        ) from error
    except OSError as error:
        raise _output_error(path, error) from error


def without_nan(value: Any) -> Any:
    """None for every NaN: JSON has none."""
    if isinstance(value, dict):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and isnan(value) else value


def write_json(path: Path, data: Any) -> None:
    """Write `data` as JSON, every NaN as null, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_text(path, json.dumps(without_nan(data), indent=2, allow_nan=False))


def ensure_writable_folder(path: Path) -> None:
    """Make the folder `path`, with those above it, and prove that a file can be written there.

    Raises
    ------
    OutputError
        If the folder cannot be made, or no file can be written in it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path, prefix=".") as probe:
            probe.write(bytes(4096))
            probe.flush()
    except OSError as error:
        raise _output_error(path, error) from error
