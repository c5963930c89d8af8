"""Digests tell whether files and images are the same."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from drepano.errors import DrepanoError
from drepano.io import file_digest, image_digest


def test_of_a_file_it_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "large.ilp"
    content = os.urandom(3_000_000)
    path.write_bytes(content)
    assert file_digest(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_was_changed_has_another(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"before")
    before = file_digest(path)
    path.write_bytes(b"after")
    assert file_digest(path) != before


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DrepanoError, match=r"gone\.png: cannot be read"):
        file_digest(tmp_path / "gone.png")


def test_of_an_image_it_is_that_of_size_and_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    changed = image.copy()
    changed[7, 9, 1] ^= 1
    assert image_digest(image) == image_digest(image.copy()) == image_digest(np.asfortranarray(image))
    assert image_digest(image) != image_digest(changed)
    assert image_digest(image) != image_digest(image.reshape(50, 40, 3))
