"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many tests at a time as there are cores


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


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as xu2017: two patients, two categories."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("crops")
    lines = ["dataset,class8,patient,field,file"]
    y, x = np.mgrid[:44, :44]
    for patient in ("P1", "P2"):
        for class8 in ("Discocytes", "Sickle-ISC"):
            aspect = 1.4 if class8 == "Sickle-ISC" else 1.0
            dark = 40 * (np.hypot((y - 22) * aspect, (x - 22) / aspect) < 13)
            image = 150 - dark + np.random.default_rng(len(lines)).normal(0, 1, dark.shape)
            path = folder / "images" / class8 / f"{patient}_{class8}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.astype(np.uint8)).save(path)
            lines.append(f"1,{class8},{patient},1,{path.name}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks and fields this small are slower with more threads, on a busy machine tenfold."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Look again and again whether something has happened; fail where it never does."""

    def wait(happened: Callable[[], object], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end
            time.sleep(0.2)

    return wait


@pytest.fixture(scope="session")
def is_running() -> Callable[[int], bool]:
    """Whether any process of a group is left, the program's own or those that it started."""

    def look(process_group: int) -> bool:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended just now
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) == process_group and state != "Z":
                    return True
        return False

    return look


@pytest.fixture
def make_card() -> Callable[[dict[str, Any]], Any]:
    """The card of a network of two classes, from its architecture."""
    from drepano.models import ModelCard

    return lambda architecture: ModelCard(
        name="small",
        architecture=architecture,
        taxonomy="rbc",
        classes=["background", "cell"],
        cell_diameter=45,
        training={},
        data=[],
        version="0",
    )


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl+C raises KeyboardInterrupt, also where the tests run in the background and SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
