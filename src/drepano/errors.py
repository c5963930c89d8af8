"""The error that a user sees as one line."""


class DrepanoError(Exception):
    """Something the user gave cannot be used.

    The message is one line that says which file or argument is meant, what is wrong with it and what to
    do. The command line prints it without a traceback.
    """


def first_line(error: BaseException) -> str:
    """The first line of what `error` says, or its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
