"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; it cannot be committed, so users lack it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not here: {SHARED_DATA} is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def xu2017(shared_data: Path) -> Path:
    """Single-cell crops of sickle-cell patients."""
    return shared_data / "xu2017"


@pytest.fixture(scope="session")
def bbbc041seg(shared_data: Path) -> Path:
    """Stained smears with masks."""
    return shared_data / "bbbc041seg"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl+C raises KeyboardInterrupt, also where the tests run in the background and SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
