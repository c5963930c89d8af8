"""Times as sheets of samples write them: 6, 6h, 6 hours, 06:30, 2026-11-26, 26.11.2026."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_HOURS = {
    "ms": 1 / 3.6e6,
    "s": 1 / 3600,
    "min": 1 / 60,
    "h": 1.0,
    "d": 24.0,
    "w": 168.0,
    "months": 730.5,
    "years": 8766.0,
}
_SPELLINGS = {
    "ms": ("msec", "millisecond", "milliseconds"),
    "s": ("sec", "secs", "second", "seconds"),
    "min": ("mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "w": ("wk", "wks", "week", "weeks"),
    "months": ("mo", "mos", "month"),
    "years": ("y", "yr", "yrs", "year"),
}
_UNITS = {name: unit for unit, others in _SPELLINGS.items() for name in (unit, *others)}
_NUMBER = re.compile(
    r"(?P<number>[-+]?(0,\d+|\d+([.]\d+|,(?!\d{3}(?!\d))\d+)?))\s*(?P<unit>[a-zµ]*)", re.IGNORECASE
)
"""Three digits after a comma may be thousands, but behind a 0: no time."""
_CLOCK = re.compile(r"(?P<hours>\d{1,3}):(?P<minutes>[0-5]\d)(:(?P<seconds>[0-5]\d))?")
_DATES = (
    re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?P<clock>( .*)?)"),
    re.compile(r"(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})(?P<clock>( .*)?)"),
)
"""Besides those of ISO 8601. Of 11/26/2026 nobody knows in which country it was written: no time."""
_DATE = "date"


@dataclass(frozen=True)
class Time:
    """A time.

    Parameters
    ----------
    number : float
        Of a date, hours since 1970.
    unit : str
        "ms", "s", "min", "h", "d", "w", "months", "years", "date"; any other as it is written, in the
        singular; "" for none.
    """

    number: float
    unit: str

    @property
    def order(self) -> tuple[bool, str, float]:
        """By what times are sorted: numbers alone and those of known units by their size, then the others."""
        known = self.unit in _HOURS or self.unit in ("", _DATE)
        return not known, "" if known else self.unit, self._hours

    @property
    def same(self) -> tuple[str, float]:
        """Equal for one time however it is written: 6, 6.0; 24h, 1 d; 0 with whatever unit."""
        if not self.number and self.unit != _DATE:
            return "", 0.0
        return ("h" if self.unit in _HOURS else self.unit), round(self._hours * 3600, 3)

    @property
    def _hours(self) -> float:
        return self.number * _HOURS.get(self.unit, 1.0)


def is_time(key: str) -> bool:
    """Whether a column of that name holds times."""
    return key.strip().lower() == "time"


def read_time(text: str) -> Time | None:
    """The time that `text` says, None where it says none."""
    text = text.strip()
    if (date := _read_date(text)) is not None:
        return date
    if match := _NUMBER.fullmatch(text):
        unit = match["unit"].lower()
        single = unit.removesuffix("s") if len(unit) > 2 else unit
        return Time(float(match["number"].replace(",", ".")), _UNITS.get(unit, single))
    if match := _CLOCK.fullmatch(text):
        seconds = int(match["seconds"] or 0)
        return Time(int(match["hours"]) + int(match["minutes"]) / 60 + seconds / 3600, "h")
    return None


def _read_date(text: str) -> Time | None:
    for pattern in _DATES:
        if match := pattern.fullmatch(text):
            text = f"{match['year']}-{match['month']:0>2}-{match['day']:0>2}{match['clock']}"
    if text.isdigit() and len(text) != len("20261126"):
        return None
    try:
        date = datetime.fromisoformat(re.sub(r" (?=\d:)", " 0", text))
    except ValueError:
        return None
    return Time((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() / 3600, _DATE)


def on_one_axis(times: Sequence[Time]) -> tuple[list[float], str] | None:
    """All times as numbers of one unit, and that unit in words; None where units have nothing in common.

    0 needs no unit. Known units become the largest of them, dates days since the first.
    """
    units = {time.unit for time in times if time.number}
    if not units:
        return [0.0] * len(times), ""
    if _DATE in units:
        if any(time.unit != _DATE for time in times):
            return None
        first = min(time.number for time in times)
        day = datetime.fromtimestamp(first * 3600, UTC).date()
        return [(time.number - first) / 24 for time in times], f"days since {day}"
    if len(units) == 1:
        return [time.number for time in times], units.pop()
    if not units <= _HOURS.keys():
        return None
    largest = max(units, key=lambda unit: _HOURS[unit])
    return [time.number * _HOURS.get(time.unit, 0.0) / _HOURS[largest] for time in times], largest
