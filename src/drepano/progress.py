"""How long work tells what it is at."""

from __future__ import annotations

from math import nan
from typing import Protocol


class Progress(Protocol):
    """Told a stage, how much of how much of it is done, and of training the last loss."""

    def __call__(self, stage: str, done: int, total: int, loss: float = nan, /) -> None: ...
