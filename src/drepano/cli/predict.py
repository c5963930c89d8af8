"""``drepano predict``"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drepano.cli.console import listed, out, progress_bar, say
from drepano.errors import DrepanoError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from drepano.segmenter import CellDiameter


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
        str | None,
        typer.Option(
            help="Diameter of a typical cell in these images, px, or auto to estimate it in every field. "
            "Without it they are taken at their own scale, which fits cells of about 45 px; a warning says "
            "when they are not."
        ),
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(
            help="Side of a pixel, micrometres: areas and lengths are then given in µm too. Without it that "
            "of the file's metadata, where there is one."
        ),
    ] = None,
    channel: Annotated[
        int,
        typer.Option(
            min=1,
            help="Channel of files whose metadata (OME, ImageJ, CZI, ND2, LIF) tell some apart; RGB is one.",
        ),
    ] = 1,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns file, patient and any others (time, oxygen, drug ...): fields "
            "that agree in all but the file are counted together. A column page, from 1, tells the pages of "
            "a file apart; a column place names what is seen more than once. Without a sheet every folder is "
            "a patient."
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="Instead of a sheet: a regular expression for file names with a group (?P<patient>...) "
            "and any others, (?P<place>...) as in a sheet."
        ),
    ] = None,
    share_precision: Annotated[
        float, typer.Option(help="Half width wanted of the interval of a patient's sickled share.")
    ] = 0.05,
    formats: Annotated[
        str,
        typer.Option(
            help="Other files to write, separated by commas: labels (16-bit TIFF), geojson (QuPath), imagej "
            "(ROI zip), coco, probabilities (OME-TIFF), parquet."
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16 (plain convolutions only) where the device has it.")
    ] = "float32",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Count fields with a warning as failed: out of all other tables, their pictures stay.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Redo fields that are done already.")
    ] = False,
) -> None:
    """Segment fields: class maps, overlays, tables of cells, fields and patients, and report.html."""
    from drepano.prediction import Options, Outcome, names_of_tables, predict_fields
    from drepano.segmenter import load_model

    wanted = tuple(listed(formats))
    options = Options(_diameter(cell_diameter), pixel_size, channel - 1, wanted)
    results = [(folder / name).resolve() for name in names_of_tables(wanted)]
    if samples is not None and samples.resolve() in results:
        raise DrepanoError(
            f"--samples {samples}: a result of that name would be written over it; rename it, or choose "
            "another --out"
        )
    segmenter = load_model(model, device, precision)
    with progress_bar() as progress:
        stages: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int, *_: float) -> None:
            if stage not in stages:
                stages[stage] = progress.add_task(stage)
            progress.update(stages[stage], completed=done, total=total)

        def show(outcome: Outcome) -> None:
            if outcome.record is None:
                say("failed", outcome.reason)
            else:
                cells = outcome.record.summary["cells"]
                how = "done before" if outcome.skipped else f"{outcome.record.seconds:.1f} s"
                out.print(f"{outcome.source}: cells: {cells}, {how}")
                for warning in outcome.record.warnings:
                    say("warning", f"{outcome.source}: {warning}")
            progress.advance(stages["segmenting"])

        outcomes = predict_fields(
            fields,
            folder,
            segmenter,
            options,
            _grouping(samples, pattern),
            share_precision,
            strict,
            overwrite,
            looked=advance,
            started=lambda total: advance("segmenting", 0, total),
            finished=show,
            noted=partial(say, "note"),
        )
    failed = sum(outcome.record is None for outcome in outcomes)
    out.print(f"{len(outcomes) - failed} fields done, {failed} failed; report: {folder / 'report.html'}")
    if failed:
        raise typer.Exit(1)


def _diameter(text: str | None) -> CellDiameter:
    """What ``--cell-diameter`` says: a number, "auto" or nothing."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text} is neither a number of pixels nor auto", param_hint="--cell-diameter"
        ) from error


def _grouping(samples: Path | None, pattern: str | None) -> Any:
    """How fields are grouped: by a sheet, by their names, or by their folders."""
    from drepano.prediction import match_samples, read_samples, samples_of_folders

    if samples is not None and pattern is not None:
        raise DrepanoError("--samples and --pattern: both say whose a field is; give one of them")
    if samples is not None:
        return partial(read_samples, samples)
    return samples_of_folders if pattern is None else partial(match_samples, pattern)
