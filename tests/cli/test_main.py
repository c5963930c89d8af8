"""The program itself: version, help, and one line for what the user got wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from drepano.methods import METHODS


def drepano(*arguments: str) -> subprocess.CompletedProcess:
    code = "from drepano.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def test_version() -> None:
    assert drepano("--version").stdout.strip() == f"drepano {version('drepano')}"


@pytest.mark.parametrize(
    "command", ["predict", "train", "evaluate", "compare", "learning-curve", "offsets", "data", "models"]
)
def test_every_command_has_help(command: str) -> None:
    result = drepano(command, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_help_of_compare_names_all_methods() -> None:
    words = re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*", drepano("compare", "--help").stdout)
    assert set(METHODS) <= set(words)


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = drepano("data", "check", str(tmp_path / "nowhere"))
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "nowhere" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot be asked to end")
def test_asked_to_end_it_says_so_and_leaves_nothing_half_written(tmp_path: Path, wait_until: Any) -> None:
    command = ("data", "simulate", "--out", str(tmp_path / "fields"), "--fields", "100000", "--size", "64")
    program = subprocess.Popen([sys.executable, "-m", "drepano", *command], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any(tmp_path.rglob("*.png")) or program.poll() is not None)
    program.send_signal(signal.SIGTERM)
    assert "interrupted" in program.communicate(timeout=60)[1]
    assert program.returncode == 130
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_unknown_kernel_in_the_environment_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREPANO_KERNEL", "fast")
    options = ("--network", "dunet", "--steps", "1", "--crop-size", "32", "--out", str(tmp_path / "run"))
    assert (
        drepano(
            "data", "simulate", "--out", str(tmp_path / "data"), "--fields", "4", "--size", "128"
        ).returncode
        == 0
    )
    result = drepano("train", str(tmp_path / "data"), *options)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "DREPANO_KERNEL='fast': expected one of auto, reference" in " ".join(result.stderr.split())
