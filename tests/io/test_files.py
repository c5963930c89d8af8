"""Files stand whole under their names, or not at all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drepano.errors import DrepanoError
from drepano.io import OutputError, atomic_path, ensure_writable_folder, remove_file, write_bytes, write_text


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of its own that holds 64 KiB and is full."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
    try:
        with pytest.raises(OSError, match="No space left"):
            (folder / "ballast").write_bytes(bytes(100_000))
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_holds_what_was_written_and_nothing_lies_beside_it(tmp_path):
    write_text(tmp_path / "a.txt", "Erythrozyten\nin µm\n")
    write_bytes(tmp_path / "b.bin", b"\0\1")
    assert (tmp_path / "a.txt").read_bytes() == "Erythrozyten\nin µm\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\0\1"
    assert names(tmp_path) == ["a.txt", "b.bin"]


def test_an_older_file_is_replaced(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old and longer")
    write_text(target, "new")
    assert target.read_text() == "new"


def test_the_temporary_name_is_hidden_beside_the_target_with_its_suffix(tmp_path):
    with atomic_path(tmp_path / "table.csv") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".csv"
        temporary.touch()


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").touch()
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_name_of_the_longest_length_can_be_written(tmp_path):
    write_text(tmp_path / ("n" * 251 + ".txt"), "")


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, DrepanoError])
def test_an_exception_passes_and_leaves_the_older_file_alone(tmp_path, interruption):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(interruption), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise interruption
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_named_and_leaves_the_older_file_alone(full_disk):
    (full_disk / "ballast").unlink()
    target = full_disk / "cells.csv"
    write_text(target, "old")
    with pytest.raises(OutputError) as error:
        write_bytes(target, bytes(200_000))
    assert f"{target}: cannot be written, the disk is full; free some space" in one_line(error)
    assert target.read_text() == "old"
    assert names(full_disk) == ["cells.csv"]


def test_a_full_disk_is_no_writable_folder(full_disk):
    with pytest.raises(OutputError, match="the disk is full"):
        ensure_writable_folder(full_disk)
    assert names(full_disk) == ["ballast"]


def test_a_file_beyond_the_limit_of_the_process_leaves_nothing(tmp_path):
    program = """
import resource, sys
from pathlib import Path
from drepano.io import OutputError, write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), bytes(5000))
except OutputError as error:
    sys.exit(str(error))
"""
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.bin"], capture_output=True, text=True, check=False
    )
    assert "the file is larger than is allowed here" in run.stderr
    assert "Traceback" not in run.stderr
    assert names(tmp_path) == []


def test_a_target_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match="it is a folder or a device"):
        write_text(tmp_path, "text")


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="there is no /dev/null here")
def test_a_device_is_refused_rather_than_replaced():
    with pytest.raises(OutputError, match="it is a folder or a device"):
        write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError) as error:
        write_text(tmp_path / "absent" / "a.txt", "text")
    assert "a.txt: cannot be written, no file can be made there; check that the folder exists" in one_line(
        error
    )


def test_a_file_that_stands_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "OUT").write_text("a file")
    with pytest.raises(OutputError, match="part of its path is a file"):
        write_text(tmp_path / "OUT" / "a.txt", "text")
    with pytest.raises(OutputError, match="a file of that name stands where a folder is needed"):
        ensure_writable_folder(tmp_path / "OUT")
    with pytest.raises(OutputError, match="part of its path is a file"):
        ensure_writable_folder(tmp_path / "OUT" / "run")


def test_a_name_that_is_too_long_is_refused_and_says_nothing_of_the_next(tmp_path):
    with pytest.raises(DrepanoError, match="its name is too long") as refusal:
        write_text(tmp_path / ("n" * 300), "text")
    assert not isinstance(refusal.value, OutputError)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_proc_takes_no_files():
    with pytest.raises(OutputError, match="no file can be made there"):
        write_text(Path("/proc/a.txt"), "text")
    with pytest.raises(OutputError, match="no file can be made there"):
        ensure_writable_folder(Path("/proc"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission is denied"):
        ensure_writable_folder(tmp_path)


def test_a_writable_folder_is_made_with_those_above_it_and_stays_empty(tmp_path):
    folder = tmp_path / "a" / "b"
    ensure_writable_folder(folder)
    ensure_writable_folder(folder)
    assert names(folder) == []


def test_a_file_is_removed_if_it_is_there(tmp_path):
    (tmp_path / "a").touch()
    for _ in range(2):
        remove_file(tmp_path / "a")
        assert not list(tmp_path.iterdir())


def test_what_cannot_be_removed_is_named(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=f"{re.escape(str(tmp_path))}: .*it is a folder"):
        remove_file(tmp_path)

    def is_open(path, missing_ok):
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", is_open)
    with pytest.raises(OutputError, match="cannot be replaced; close it where it is open"):
        remove_file(tmp_path / "a")
