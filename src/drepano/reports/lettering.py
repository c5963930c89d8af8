"""Words on pictures: a font that is always there, and texts that fit their place."""

from __future__ import annotations

import string
import textwrap

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

ELLIPSIS = "…"


def load_font(size: int) -> FreeTypeFont:
    """Pillow's own scalable font, so that no font has to be installed.

    Parameters
    ----------
    size : int
        Height of the letters, px.
    """
    font = ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; install the wheel from PyPI")
    return font


def printable(text: str) -> str:
    """One line that every encoder takes: white space joined, undecodable bytes of file names shown as such.

    Examples
    --------
    >>> printable("smear 1\\n\\udcff.png")
    'smear 1 \\\\udcff.png'
    """
    line = " ".join(text.split())
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters, its middle left out where it is longer.

    Both ends of a file name tell fields apart, the middle seldom does.

    Examples
    --------
    >>> shorten("patient-07-slide-2-field-113.tif", 16)
    'patient-…113.tif'
    """
    if len(text) <= length:
        return text
    kept = max(0, length - 1)
    tail = kept // 2
    return text[: kept - tail] + ELLIPSIS + text[len(text) - tail :]


def shorten_to_width(text: str, font: FreeTypeFont, width: float) -> str:
    """Text no wider than `width` px when written in `font`, its middle left out where it is wider."""
    if font.getlength(text) <= width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        length = (fits + too_long) // 2
        if font.getlength(shorten(text, length)) <= width:
            fits = length
        else:
            too_long = length
    return shorten(text, fits) if fits else ""


def wrap_to_width(text: str, font: FreeTypeFont, width: float) -> list[str]:
    """The words of a text in lines of at most about `width` px; a longer word has its middle left out."""
    letter = font.getlength(string.ascii_lowercase) / len(string.ascii_lowercase)
    lines = textwrap.wrap(text, max(1, int(width / letter)), break_long_words=False)
    return [shorten_to_width(line, font, width) for line in lines]
