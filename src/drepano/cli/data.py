"""``drepano data``: check, show, compose and simulate data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drepano.cli.console import out, progress_bar

app = typer.Typer(help="Check, show, compose and simulate data sets.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(help="Folder of a data set.")]


@app.command()
def compose(
    data: Annotated[Path, typer.Argument(help="Folder of xu2017, the crops of single cells.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the composed fields.")],
    fields: Annotated[int, typer.Option(help="Fields for each patient.")] = 100,
    patients: Annotated[str | None, typer.Option(help="Patients, separated by commas; default all.")] = None,
    size: Annotated[int, typer.Option(help="Side of a field, px.")] = 512,
    cells: Annotated[str, typer.Option(help="Cells to place in a field: a number or a range A-B.")] = "10-60",
    touching: Annotated[float, typer.Option(help="Share of cells placed against another one.")] = 0.3,
    natural: Annotated[
        bool, typer.Option("--natural", help="Draw classes as often as they occur, not equally often.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fields.")] = 0,
) -> None:
    """Compose fields from real cells; the cells of a field are of one patient."""
    from drepano.datasets import composed_dataset, open_dataset

    dataset = open_dataset(data)
    wanted = dataset.patients if patients is None else tuple(patients.split(","))
    lowest, _, highest = cells.partition("-")
    if not (lowest.isdigit() and (highest or lowest).isdigit()):
        raise typer.BadParameter(f"{cells!r} is neither a number nor a range such as 10-60", param_hint="--cells")
    with progress_bar() as progress:
        task = progress.add_task("composing", total=fields * len(wanted))
        written = composed_dataset(
            dataset,
            folder,
            patients=wanted,
            fields=fields,
            size=size,
            cells=(int(lowest), int(highest or lowest)),
            touching=touching,
            balanced=not natural,
            seed=seed,
            advance=lambda: progress.advance(task),
        )
    out.print(f"wrote {written} composed fields to {folder}")
