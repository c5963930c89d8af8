"""What the commands share: where they print, how progress is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import isnan, nan
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from drepano.errors import DrepanoError
from drepano.progress import Progress as StageProgress

# Without markup: what is printed may hold names of files, and these may hold brackets.
out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

_LINE_EVERY = 60.0
"""Seconds between two lines of a stage."""
_STYLES = {"note": "yellow", "warning": "yellow"}


def say(kind: str, text: str) -> None:
    """A line on standard error that begins with what it is: note, warning, failed, problem or error."""
    err.print(Text.assemble((f"{kind}:", _STYLES.get(kind, "bold red")), f" {text}"))


def listed(text: str) -> list[str]:
    """What an option lists, separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def listed_patients(text: str) -> list[str]:
    """What --patients lists.

    Raises
    ------
    DrepanoError
        If that is nobody.
    """
    patients = listed(text)
    if not patients:
        raise DrepanoError(f"--patients {text!r}: names no patient; separate several by commas")
    return patients


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on standard error with time spent and time left; nothing where that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, get_time=monotonic) as progress:
        yield progress


@contextmanager
def stage_progress() -> Iterator[StageProgress]:
    """A callable for `drepano.training.fit` that shows a bar a stage.

    A stage that begins again has its bar begin again. Where standard error is no terminal a stage has a line
    with nothing done, then one a minute, with the time left, and one at its end.
    """
    with progress_bar() as progress:
        tasks: dict[str, TaskID] = {}
        last: dict[str, tuple[int, int]] = {}
        said: dict[str, float] = {}

        def show(stage: str, done: int, total: int, loss: float = nan) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
                said[stage] = monotonic()
            elif done < last[stage][0] or last[stage] == (done, total):
                progress.reset(tasks[stage], total=total)
            last[stage] = done, total
            text = stage if isnan(loss) else f"{stage}, loss {loss:.3f}"
            progress.update(tasks[stage], completed=done, total=total, description=text)
            if not err.is_terminal and (done in (0, total) or monotonic() - said[stage] >= _LINE_EVERY):
                said[stage] = monotonic()
                err.print(f"{text}: {done} of {total}{_time_left(progress, tasks[stage])}")

        yield show


def _time_left(progress: Progress, task: TaskID) -> str:
    """At the speed of the last half minute; nothing where that is not known, or all is done."""
    seconds = next(one.time_remaining for one in progress.tasks if one.id == task)
    return f", {timedelta(seconds=round(seconds))} left" if seconds else ""
