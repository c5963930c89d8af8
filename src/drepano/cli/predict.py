"""``drepano predict``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drepano.cli.console import err, out, progress_bar


def predict(
    fields: Annotated[list[Path], typer.Argument(help="Image files, folders of images, or both.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    model: Annotated[
        str,
        typer.Option(
            help="scd (four classes of cells, unstained), rbc (cell or not), or a .safetensors file."
        ),
    ] = "scd",
    cell_diameter: Annotated[
        float | None,
        typer.Option(
            help="Diameter of a typical cell in these images, px. Without it they are taken at their own "
            "scale, which fits cells of about 45 px; a warning says when they are not."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16 (plain convolutions only) where the device has it.")
    ] = "float32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Redo fields that are done already.")
    ] = False,
) -> None:
    """Segment fields: class maps, overlays, cells.csv, summary.csv and report.html."""
    from rich.markup import escape

    from drepano.prediction import Outcome, predict_fields
    from drepano.segmenter import load_model

    segmenter = load_model(model, device, precision)
    with progress_bar() as progress:
        task = progress.add_task("segmenting", total=None)

        def show(outcome: Outcome) -> None:
            if outcome.record is None:
                err.print(f"[bold red]failed:[/] {escape(outcome.reason)}")
            else:
                cells = outcome.record.summary["cells"]
                how = "done before" if outcome.skipped else f"{outcome.record.seconds:.1f} s"
                out.print(f"{escape(outcome.source)}: cells: {cells}, {how}")
                for warning in outcome.record.warnings:
                    err.print(f"[yellow]warning:[/] {escape(outcome.source)}: {escape(warning)}")
            progress.advance(task)

        outcomes = predict_fields(
            fields,
            folder,
            segmenter,
            cell_diameter,
            overwrite,
            started=lambda total: progress.update(task, total=total),
            finished=show,
        )
    failed = sum(outcome.record is None for outcome in outcomes)
    out.print(f"{len(outcomes) - failed} fields done, {failed} failed; report: {folder / 'report.html'}")
    if failed:
        raise typer.Exit(1)
