"""``drepano data``: check, show, compose and simulate data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drepano.cli.console import err, listed_patients, out, progress_bar, say, stage_progress

app = typer.Typer(help="Check, show, compose and simulate data sets.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(help="Folder of a data set.")]


@app.command()
def compose(
    data: Annotated[Path, typer.Argument(help="Folder of xu2017, the crops of single cells.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the composed fields.")],
    fields: Annotated[int, typer.Option(help="Fields for each patient.", min=1)] = 100,
    patients: Annotated[str | None, typer.Option(help="Patients, separated by commas; default all.")] = None,
    size: Annotated[int, typer.Option(help="Side of a field, px.", min=16, max=8192)] = 512,
    cells: Annotated[str, typer.Option(help="Cells to place in a field: a number or a range A-B.")] = "10-60",
    touching: Annotated[float, typer.Option(help="Share of cells placed against another one.")] = 0.3,
    natural: Annotated[
        bool, typer.Option("--natural", help="Draw classes as often as they occur, not equally often.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fields.", min=0)] = 0,
) -> None:
    """Compose fields from real cells; the cells of a field are of one patient."""
    from drepano.datasets import open_dataset, write_composed_dataset

    dataset = open_dataset(data)
    wanted = dataset.patients if patients is None else tuple(listed_patients(patients))
    lowest, _, highest = cells.partition("-")
    if not (lowest.isdigit() and (highest or lowest).isdigit()):
        raise typer.BadParameter(
            f"{cells!r} is neither a number nor a range such as 10-60", param_hint="--cells"
        )
    with progress_bar() as progress:
        task = progress.add_task("composing", total=fields * len(wanted))
        written = write_composed_dataset(
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


@app.command()
def simulate(
    folder: Annotated[Path, typer.Option("--out", help="Folder for the simulated fields.")],
    fields: Annotated[int, typer.Option(help="How many fields.", min=1)] = 20,
    size: Annotated[int, typer.Option(help="Side of a field, px.", min=16, max=8192)] = 512,
    cells: Annotated[int, typer.Option(help="Cells in a field; fewer where there is no room.", min=0)] = 12,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fields.", min=0)] = 0,
) -> None:
    """Draw fields from shapes and optics alone, with exact truth."""
    from drepano.datasets import write_simulated_dataset

    with progress_bar() as progress:
        task = progress.add_task("simulating", total=fields)
        write_simulated_dataset(folder, fields, size, cells, seed, advance=lambda: progress.advance(task))
    out.print(f"wrote {fields} simulated fields to {folder}")


@app.command()
def example() -> None:
    """Print a dataset.toml to begin with: drepano data example > DATA/dataset.toml."""
    from drepano.datasets import EXAMPLE

    out.print(EXAMPLE, end="")


@app.command()
def check(data: Data) -> None:
    """Read a whole data set, list everything that is wrong with it, and print its fingerprint.

    A data set of your own is a folder with images, label maps of the same names, and a dataset.toml, of which
    `drepano data example` prints one.
    """

    from drepano.datasets import check_dataset, open_dataset

    dataset = open_dataset(data, strict=False)
    with stage_progress() as progress:
        result = check_dataset(dataset, progress)
    for line in result.left_out:
        err.print(f"left out: {line}")
    for line in result.notes:
        say("note", line)
    for line in result.patients:
        err.print(f"patient {line}")
    for line in result.problems:
        say("problem", line)
    out.print_json(data={"name": dataset.name, "classes": dataset.taxonomy.classes, **result.fingerprint})
    if result.problems:
        err.print(f"problems: {len(result.problems)}")
        raise typer.Exit(1)
    err.print("no problems")


@app.command()
def show(
    data: Data,
    picture: Annotated[Path, typer.Option("--out", help="PNG file to write.")],
    fields: Annotated[int, typer.Option(help="How many fields, spread evenly.", min=1)] = 16,
    columns: Annotated[int, typer.Option(help="Fields in a row.", min=1)] = 4,
) -> None:
    """Draw a contact sheet: fields with the outlines of their true cells, for eyes."""
    import numpy as np
    from PIL import Image

    from drepano.datasets import open_dataset
    from drepano.errors import DrepanoError
    from drepano.io import atomic_path
    from drepano.reports import draw_contact_sheet

    if picture.suffix.lower() != ".png":
        raise DrepanoError(f"{picture}: the contact sheet is a PNG file; give a name that ends with .png")
    dataset = open_dataset(data)
    if len(dataset) == 0:
        raise DrepanoError(f"{data}: has no fields to show")
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(fields, len(dataset))).round().astype(int))
    sheet = draw_contact_sheet([dataset[int(i)] for i in chosen], dataset.taxonomy, columns=columns)
    with atomic_path(picture) as path:
        Image.fromarray(sheet).save(path)
    out.print(f"wrote {picture}: {len(chosen)} of {len(dataset)} fields")
