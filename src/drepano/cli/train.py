"""``drepano train``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drepano.cli.console import listed_patients, out, say, stage_progress

if TYPE_CHECKING:
    from drepano.datasets import FieldDataset


def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of data sets; drawn from equally often.")],
    run: Annotated[Path, typer.Option("--out", help="Folder for the run.")],
    preset: Annotated[str, typer.Option(help="Settings to begin with: default or paper.")] = "default",
    network: Annotated[str, typer.Option(help="dunet, unet, dynunet, pspnet or deeplabv3plus.")] = "dunet",
    name: Annotated[str, typer.Option(help="Name on the model card.")] = "model",
    binary: Annotated[bool, typer.Option("--binary", help="Merge all classes of cells into one.")] = False,
    patients: Annotated[
        str | None,
        typer.Option(
            help="Only these patients, separated by commas; of data sets that do not know theirs all fields."
        ),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Weights file to begin with; a dU-Net may begin from a U-Net.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Channels of the first level (unet, dunet, dynunet).")
    ] = None,
    scope: Annotated[
        float | None, typer.Option(help="Largest shift of a sampling position, px (dunet).")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Crops a step.")] = None,
    crop_size: Annotated[int | None, typer.Option(help="Side of the crops, px.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    loss: Annotated[str | None, typer.Option(help="ce, weighted-ce (rare classes more) or ce+dice.")] = None,
    touching_weight: Annotated[
        float | None,
        typer.Option(help="Weight in the loss of the background where two cells meet, 1 to 100."),
    ] = None,
    normalisation: Annotated[
        str | None,
        typer.Option(
            help="What of a field's light is taken out: background, or contrast (of its cells) too."
        ),
    ] = None,
    cell_diameter: Annotated[
        float | None, typer.Option(help="Scale the fields so that a cell has this diameter, px.")
    ] = None,
    validate_every: Annotated[
        int | None, typer.Option(help="Steps between validations and checkpoints.")
    ] = None,
    validation_share: Annotated[
        float | None,
        typer.Option(help="Share of the fields held out to watch the run; 0 trains on all of them."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="The same seed and number of threads give the same weights on a CPU.")
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a network on data sets; the end product is RUN/model.safetensors."""
    from drepano.datasets import open_dataset
    from drepano.errors import DrepanoError
    from drepano.training import fit, make_config

    changes: dict[str, Any] = {
        "steps": steps,
        "batch_size": batch_size,
        "crop_size": crop_size,
        "learning_rate": learning_rate,
        "loss": loss,
        "touching_weight": touching_weight,
        "normalisation": normalisation,
        "cell_diameter": cell_diameter,
        "validate_every": validate_every,
        "validation_share": validation_share,
    }
    options = {"width": width, "scope": scope}
    config = make_config(
        preset,
        network=network,
        network_options={key: value for key, value in options.items() if value is not None},
        seed=seed,
        **{key: value for key, value in changes.items() if value is not None},
    )
    datasets = [open_dataset(folder) for folder in data]
    if patients is not None:
        wanted = listed_patients(patients)
        if not any(dataset.patients for dataset in datasets):
            raise DrepanoError("--patients: no data set knows its patients; name them in dataset.toml")
        datasets = [_of_patients(dataset, wanted) for dataset in datasets]
    with stage_progress() as progress:
        weights = fit(
            datasets,
            config,
            run,
            name=name,
            binary=binary,
            start_from=start_from,
            resume=resume,
            device=device,
            progress=progress,
        )
    out.print(f"wrote {weights}")


def _of_patients(dataset: FieldDataset, wanted: Sequence[str]) -> FieldDataset:
    if dataset.patients:
        return dataset.of_patients(wanted)
    say("note", f"{dataset.name}: does not know its patients, and is trained on whole")
    return dataset
