"""The command line: ``drepano COMMAND``."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer

from drepano import __version__
from drepano.cli import compare, data, evaluate, models, offsets, predict, train
from drepano.cli.console import err, out, say
from drepano.errors import DrepanoError

_INTERRUPTED = 130

app = typer.Typer(
    help="Segment, classify and count red blood cells of people with sickle cell disease. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("predict")(predict.predict)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("learning-curve")(compare.learning_curve)
app.command("offsets")(offsets.offsets)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"drepano {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the program itself."""


def _interrupt(*_: Any) -> None:
    """End as at Ctrl-C, with nothing half-written left, when a scheduler or the system asks for it."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; what the user got wrong is one line and exit code 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except DrepanoError as error:
        say("error", str(error))
        sys.exit(1)
    except MemoryError as error:
        say("error", f"not enough memory ({error}); use smaller images or numbers")
        sys.exit(1)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer turns Ctrl-C into this code without a word
            err.print(
                "interrupted; run the same command again to go on (drepano train: with --resume, "
                "once it has a checkpoint)"
            )
        raise
