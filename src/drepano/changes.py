"""What is not as it was, for a message about settings that do not fit what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 100
"""Characters of a value that a line has room for."""


def first_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The first key, in alphabetical order, whose value differs, with both values; None where none does.

    Parameters
    ----------
    before, after : mappings
        Nested ones have their keys joined by dots.

    Returns
    -------
    str
        Such as "budget.steps was 600, now 1200"; without values where these are long.
    """
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            inner = first_change(old, new)
            if inner is None:  # a key that one has with None and the other has not
                continue
            return f"{key}.{inner}"
        line = f"{key} was {old!r}, now {new!r}"
        return line if len(line) <= len(key) + 2 * _LONGEST else f"{key} differs"
    return None
