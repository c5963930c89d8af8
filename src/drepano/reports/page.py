"""Tables and figures of an experiment, or of offsets, on one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from drepano.io import write_text


def write_page(path: Path, markdown: str, figures: Mapping[str, bytes]) -> None:
    """Tables from `markdown` and figures, PNG by caption, on one page.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    environment = Environment(loader=PackageLoader("drepano.reports"), autoescape=True)
    page = environment.get_template("experiment.html.j2").render(
        title=markdown.splitlines()[0].removeprefix("# "),
        tables=Markup(MarkdownIt("commonmark").enable("table").render(markdown)),
        figures=[
            (caption, f"data:image/png;base64,{base64.b64encode(png).decode()}")
            for caption, png in figures.items()
        ],
    )
    write_text(path, page)
