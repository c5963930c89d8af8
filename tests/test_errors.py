"""How messages are worded."""

from __future__ import annotations

import pytest

from drepano.errors import some_of


@pytest.mark.parametrize(
    ("names", "told"), [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (list("abcd"), "a, b, c, ...")]
)
def test_up_to_three_are_named(names: list[str], told: str) -> None:
    assert some_of(names) == told
