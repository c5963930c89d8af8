"""SHA-256 of what is in files and images, as hexadecimal digits."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drepano.errors import DrepanoError


def file_digest(path: Path) -> str:
    """Of a file's bytes, however many; not read again while it is the last one asked for and unchanged.

    Raises
    ------
    DrepanoError
        If it cannot be read.
    """
    try:
        status = path.stat()
        return _digest_of(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise DrepanoError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error


@lru_cache(maxsize=1)  # the pages of a file come one after the other, and jobs ask for the same project
def _digest_of(path: Path, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def image_digest(image: NDArray[np.uint8]) -> str:
    """Of size and pixels: the same for copies of an image, whatever files they are in."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
