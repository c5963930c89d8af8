"""``drepano evaluate``"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drepano.cli.console import listed_patients, out, progress_bar, say

if TYPE_CHECKING:
    from drepano.datasets import FieldDataset


def evaluate(
    model: Annotated[str, typer.Argument(help="Shipped network (rbc, scd) or .safetensors file.")],
    data: Annotated[Path, typer.Argument(help="Folder of a data set with known truth.")],
    result: Annotated[Path, typer.Option("--out", help="JSON file for the figures; a CSV is put beside it.")],
    patients: Annotated[str | None, typer.Option(help="Only these patients, separated by commas.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16 (plain convolutions only) where the device has it.")
    ] = "float32",
) -> None:
    """Measure a network: Dice and counts on fields, or the class of single crops (xu2017)."""
    from drepano.datasets import open_dataset
    from drepano.errors import DrepanoError
    from drepano.experiments import (
        evaluate_crops,
        evaluate_fields,
        seen_in_training,
        summarise_crops,
        summarise_fields,
    )
    from drepano.io import ensure_writable_folder, without_nan, write_json, write_text
    from drepano.segmenter import load_model

    if result.suffix != ".json":
        raise DrepanoError(f"{result}: the figures are written as JSON; give a name that ends with .json")
    rows = result.with_suffix(".csv")
    if not _is_of_earlier_run(result):
        for path in (result, rows):
            if path.exists():
                raise DrepanoError(
                    f"{path}: would be written over, and no earlier run wrote it; give another name"
                )
    ensure_writable_folder(result.parent)
    segmenter = load_model(model, device, precision)
    dataset = open_dataset(data)
    if patients is not None:
        dataset = dataset.of_patients(listed_patients(patients))
    if len(dataset) == 0:
        raise DrepanoError(f"{data}: has nothing to measure on; give a data set with images")
    if not dataset.has_single_cells:
        for note in _look_at_truth(dataset):
            say("note", note)
    with progress_bar() as progress:
        task = progress.add_task("evaluating", total=len(dataset))

        def advance() -> None:
            progress.advance(task)

        if dataset.has_single_cells:
            segment = partial(segmenter.segment, cell_diameter=dataset.cell_diameter)
            table, summarise = evaluate_crops(segment, dataset, advance), summarise_crops
        else:
            table, summarise = evaluate_fields(segmenter, dataset, advance), summarise_fields
    seen = seen_in_training(segmenter.card, dataset)
    if seen is not None:
        say("note", seen)
    summary = {
        "model": segmenter.card.name,
        "model fingerprint": segmenter.fingerprint,
        "architecture": segmenter.card.architecture,
        "data": dataset.name,
        "patients": list(dataset.patients),
        **summarise(table),
    }
    write_json(result, summary)
    write_text(rows, table.to_csv(index=False))
    out.print_json(data=without_nan(summary))


def _is_of_earlier_run(result: Path) -> bool:
    """Whether the file holds figures that this command wrote."""
    try:
        return "model fingerprint" in json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _look_at_truth(dataset: FieldDataset) -> list[str]:
    """Read all fields, so that a bad one is told before anything is segmented; what of their truth might not
    be meant so."""
    from drepano.datasets import describe_truth, describe_unnumbered_cells, look_at_truth

    with progress_bar() as progress:
        fields = progress.track(dataset, len(dataset), description="reading fields")
        facts = [
            look_at_truth(source, field, dataset.cell_diameter)
            for source, field in zip(dataset.sources, fields, strict=True)
        ]
    return [*describe_unnumbered_cells(dataset), *describe_truth(dataset, facts)]
