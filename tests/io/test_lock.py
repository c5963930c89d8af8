"""A lock is one process's at a time, and no obstacle where files cannot be locked."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from filelock import FileLock

from drepano.io import OutputError, hold

HOLDER = """
import sys, time
from pathlib import Path
from drepano.io import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def is_free(path):
    with hold(path, wait=False) as held:
        return held


def test_what_nobody_holds_is_free_again_and_again(path):
    assert is_free(path) and is_free(path)


def test_it_is_free_when_the_process_that_held_it_is_killed(path, wait_until):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert not is_free(path)
    finally:
        holder.kill()
        holder.communicate()
    wait_until(lambda: is_free(path))


def test_it_is_free_after_an_error(path):
    with pytest.raises(ZeroDivisionError), hold(path):
        raise ZeroDivisionError
    assert is_free(path)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("flock")])
def test_where_files_cannot_be_locked_one_goes_on(path, monkeypatch, error):
    def acquire(*_, **__):
        raise error

    monkeypatch.setattr(FileLock, "acquire", acquire)
    assert is_free(path)


def test_a_file_that_may_not_be_written_is_named(path, monkeypatch):
    def acquire(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.raises(OutputError, match=r"lock: cannot be locked \(Permission denied\)"):
        is_free(path)
