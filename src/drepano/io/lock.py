"""One process at a time, also of several machines that see the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def hold(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock that the file at `path` is; it ends with the process at the latest, the file stays.

    Parameters
    ----------
    path : Path
        Made where there is none, in a folder that is there.
    wait : bool
        Until whoever holds it lets it go.

    Yields
    ------
    bool
        Whether it is held now. Where files cannot be locked, as on some network drives, it always is.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
        held = True
    except Timeout:
        held = False
    except (OSError, NotImplementedError):
        held = True
    try:
        yield held
    finally:
        lock.release()
