"""One process at a time, also of several machines that see the same folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from drepano.io.files import OutputError

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


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

    Raises
    ------
    OutputError
        If the file cannot be made or written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
        held = True
    except Timeout:
        held = False
    except NotImplementedError:
        held = True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OutputError(
                f"{path}: cannot be locked ({error.strerror}); see who may write there"
            ) from error
        held = True
    try:
        yield held
    finally:
        with suppress(OSError):  # where its folder is gone, nobody else is kept waiting
            lock.release()
