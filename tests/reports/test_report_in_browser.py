"""The report of a real run, opened in Chromium or Chrome; skipped where there is none."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drepano.cli.main import app
from drepano.datasets.simulated_dataset import write_simulated_dataset

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--window-size=1300,900",
]

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    write_simulated_dataset(folder / "in", fields=4, size=256, cells=6, seed=0)
    (folder / "in" / "images" / "simulated-0-9.png").write_bytes(b"no picture")
    pattern = r"simulated-(?P<patient>\d)-(?P<time>\d+)"
    command = ["predict", str(folder / "in" / "images"), "--out", str(folder / "out"), "--pattern", pattern]
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 1, run.output
    return (folder / "out" / "report.html").read_text(encoding="utf-8")


def in_browser(page: str, script: str, folder: Path) -> tuple[Any, list[str]]:
    """What `script` returns once the page is there, and what the page wrote on the console."""
    assert BROWSER is not None
    asked = (
        "<script>addEventListener('load', () => "
        f"document.body.setAttribute('data-answer', JSON.stringify((() => {{{script}}})())))</script>"
    )
    file = folder / "page.html"
    file.write_text(page.replace("</body>", f"{asked}</body>"), encoding="utf-8")
    command = [BROWSER, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    answer = re.search(r'data-answer="([^"]*)"', done.stdout)
    assert answer, done.stderr[-2000:]
    return json.loads(html.unescape(answer[1])), [
        line for line in done.stderr.splitlines() if "CONSOLE" in line
    ]


def test_it_opens_without_a_word_and_loads_nothing(page: str, tmp_path: Path) -> None:
    loaded, words = in_browser(
        page, "return performance.getEntriesByType('resource').map(entry => entry.name.slice(0, 5))", tmp_path
    )
    assert words == []
    assert set(loaded) <= {"data:"}


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_no_wider_than_a_phone_or_a_screen(page: str, tmp_path: Path, width: int) -> None:
    """In a frame: windows without a head are at least some 500 px wide."""
    framed = f'<body><iframe width="{width}" height="800" srcdoc="{html.escape(page)}"></iframe></body>'
    shown, _ = in_browser(
        framed,
        """
        const frame = document.querySelector('iframe'), inside = frame.contentDocument.documentElement;
        return [inside.clientWidth, inside.scrollWidth, inside.querySelectorAll('svg.field').length];
        """,
        tmp_path,
    )
    visible, needed, fields = shown
    assert width - 20 <= visible <= width
    assert needed <= visible
    assert fields == 4


def test_a_class_can_be_switched_off_and_on(page: str, tmp_path: Path) -> None:
    shown, _ = in_browser(
        page,
        """
        const box = document.querySelector('#show-1');
        const seen = () => [...document.querySelectorAll('svg.field path')].map(
          path => [path.classList.contains('k1'), getComputedStyle(path).display !== 'none']);
        box.click(); const off = seen(); box.click(); return [off, seen()];
        """,
        tmp_path,
    )
    off, on = shown
    assert {of_class for of_class, _ in off} == {True, False}
    assert all(visible != of_class for of_class, visible in off)
    assert all(visible for _, visible in on)


def test_a_field_is_zoomed_with_ctrl_and_the_wheel_and_shown_whole_again(page: str, tmp_path: Path) -> None:
    widths, _ = in_browser(
        page,
        """
        const field = document.querySelector('svg.field'), frame = field.viewBox.baseVal;
        const { left, top, width, height } = field.getBoundingClientRect();
        const middle = { clientX: left + width / 2, clientY: top + height / 2, cancelable: true };
        const widths = [frame.width];
        const turn = (ctrlKey) =>
          field.dispatchEvent(new WheelEvent('wheel', { ...middle, ctrlKey, deltaY: -1 }));
        const scrolls = turn(false); widths.push(frame.width);
        turn(true); widths.push(frame.width);
        field.dispatchEvent(new MouseEvent('dblclick', middle)); widths.push(frame.width);
        return [...widths, frame.x, frame.y, scrolls];
        """,
        tmp_path,
    )
    whole, untouched, zoomed, again, *corner, scrolls = widths
    assert (untouched, scrolls) == (whole, True)
    assert zoomed == pytest.approx(whole / 1.2)
    assert again == whole
    assert corner == [0, 0]


def test_a_field_is_zoomed_and_moved_with_keys_and_a_zoomed_one_with_fingers(
    page: str, tmp_path: Path
) -> None:
    steps, _ = in_browser(
        page,
        """
        const field = document.querySelector('svg.field'), frame = field.viewBox.baseVal;
        const state = () => [frame.width, frame.x, field.style.touchAction];
        const press = (key) => {
          const event = new KeyboardEvent('keydown', { key, cancelable: true });
          return [field.dispatchEvent(event), ...state()];
        };
        field.focus();
        const pressed = ['ArrowLeft', '+', 'ArrowLeft', '0'];
        return [document.activeElement === field, state(), ...pressed.map(press)];
        """,
        tmp_path,
    )
    focused, (width, *start), scrolled, zoomed, moved, whole = steps
    assert focused
    assert start == [0, "pan-y"]
    assert scrolled == [True, width, 0, "pan-y"]
    assert zoomed == [False, pytest.approx(width / 1.2), pytest.approx(width / 12), "none"]
    assert moved == [False, pytest.approx(width / 1.2), pytest.approx(0, abs=1e-3), "none"]
    assert whole == [False, width, 0, "pan-y"]
