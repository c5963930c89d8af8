"""How commands show progress where standard error is no terminal, as in a log."""

from __future__ import annotations

from math import nan

import pytest
from rich.console import Console

from drepano.cli import console


@pytest.fixture
def clock(monkeypatch):
    """Seconds since the start, to be set by hand."""
    time = [0.0]
    monkeypatch.setattr(console, "monotonic", lambda: time[0])
    return time


@pytest.fixture
def log(monkeypatch, capsys):
    """Makes standard error no terminal; returns its lines so far."""
    monkeypatch.setattr(console, "err", Console(stderr=True, force_terminal=False, soft_wrap=True))
    return lambda: capsys.readouterr().err.splitlines()


def test_a_stage_has_a_line_a_minute_and_one_at_its_end(clock, log):
    with console.stage_progress() as progress:
        for step in range(1, 8):
            clock[0] += 20
            progress("training", step, 7, 0.5)
    assert log() == ["training, loss 0.500: 4 of 7, 0:01:00 left", "training, loss 0.500: 7 of 7"]


def test_a_stage_that_begins_with_nothing_done_says_so(clock, log):
    with console.stage_progress() as progress:
        progress("jobs", 0, 8, nan)
        progress("jobs", 1, 8, nan)
    assert log() == ["jobs: 0 of 8"]


def test_stages_have_minutes_of_their_own(clock, log):
    with console.stage_progress() as progress:
        progress("reading", 1, 9, nan)
        clock[0] += 61
        progress("training", 1, 9, nan)
        progress("reading", 2, 9, nan)
    assert log() == ["reading: 2 of 9"]


@pytest.fixture
def resets(monkeypatch):
    """The totals with which bars began anew."""
    totals = []
    monkeypatch.setattr(console.Progress, "reset", lambda *_, total: totals.append(total))
    return totals


def test_a_job_that_is_left_to_another_run_does_not_begin_the_bar_anew(resets):
    with console.stage_progress() as progress:
        for done, total in ((0, 8), (2, 8), (2, 7), (3, 7)):
            progress("jobs", done, total, nan)
    assert resets == []


def test_a_stage_that_begins_again_has_its_bar_begin_anew(resets):
    with console.stage_progress() as progress:
        for done, total in ((1, 3), (3, 3), (1, 2), (2, 2), (1, 1), (1, 1)):
            progress("reading", done, total, nan)
    assert resets == [2, 1, 1]
