"""The error that a user sees as one line, and what helps to word it."""

from collections.abc import Sequence

_MOST_NAMED = 3


class DrepanoError(Exception):
    """Something the user gave cannot be used.

    The message is one line that says which file or argument is meant, what is wrong with it and what to
    do. The command line prints it without a traceback.
    """


def first_line(error: BaseException) -> str:
    """The first line of what `error` says, or its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def some_of(names: Sequence[str]) -> str:
    """The first three of `names`, with dots where there are more."""
    return ", ".join([*names[:_MOST_NAMED], *(["..."] if len(names) > _MOST_NAMED else [])])
