"""``drepano models``: what networks there are and what is known about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drepano.cli.console import out

app = typer.Typer(
    help="List networks, show their cards, export them, add figures to a card.", no_args_is_help=True
)


@app.command("list")
def list_models() -> None:
    """Networks that come with the package."""
    from drepano.models import find_weights, read_card, shipped_models

    for name in shipped_models():
        card = read_card(find_weights(name))
        classes = ", ".join(card.classes)
        out.print(f"{name}: {classes} ({card.architecture['name']}, cells of {card.cell_diameter:g} px)")


@app.command()
def show(model: Annotated[str, typer.Argument(help="Shipped network or .safetensors file.")]) -> None:
    """The card of a network: architecture, classes, training data and licences, figures."""
    from drepano.models import find_weights, read_card

    out.print_json(read_card(find_weights(model)).model_dump_json())


@app.command()
def publish(
    model: Annotated[Path, typer.Argument(help="model.safetensors of a run.")],
    target: Annotated[Path, typer.Option("--out", help="File to write.")],
    name: Annotated[str, typer.Option(help="Name on the card.")],
    metrics: Annotated[Path, typer.Option(help="JSON file with a list of {name, value, conditions}.")],
    confusion: Annotated[
        Path | None,
        typer.Option(
            help="JSON file: for each patient of a test and each class of cells how many were called "
            "each class."
        ),
    ] = None,
    neck: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Cells are parted where the neck is narrower than this share of the narrower one; 0: never.",
            show_default="that of the card",
        ),
    ] = None,
    notes: Annotated[
        str | None, typer.Option(help="Free text on the card.", show_default="that of the card")
    ] = None,
) -> None:
    """Copy a network with measured figures on its card, in place of those that it has."""
    from drepano.models import Metric, load_network, save_model
    from drepano.models.card import parse_confusion, parse_metrics

    network, card = load_network(model)
    measured: list[Metric] = parse_metrics(metrics)
    changes: dict[str, Any] = {"name": name, "metrics": measured}
    if notes is not None:
        changes["notes"] = notes
    if confusion is not None:
        changes["cell_confusion"] = parse_confusion(confusion, len(card.classes) - 1)
    if neck is not None:
        changes["neck"] = neck
    save_model(target, network, card.model_copy(update=changes))
    out.print(f"wrote {target} ({target.stat().st_size / 1e6:.2f} MB)")


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Shipped network or .safetensors file.")],
    file_format: Annotated[str, typer.Option("--format", help="onnx or openvino.")] = "onnx",
    target: Annotated[
        Path | None, typer.Option("--out", help="File to write, .onnx or .xml.", show_default="MODEL.onnx")
    ] = None,
    field: Annotated[
        Path | None, typer.Option(help="Image to compare on.", show_default="a bundled stained smear")
    ] = None,
) -> None:
    """Write a network for ONNX Runtime or OpenVINO, run it there and compare it with ours on a real field.

    The file takes (image - median of each channel) / contrast as float32 (N, 3, H, W), H and W multiples
    of 8 (16 for DynUNet, 32 for DeepLabV3+; PSPNet cannot be exported), and gives logits (N, classes, H,
    W). The contrast is 64 where the card's "normalisation" is "background", else the field's own
    (drepano.preprocessing.measure_light).
    """
    from drepano.models import find_weights, load_network
    from drepano.models.export import CHECK_FIELD, SUFFIXES
    from drepano.models.export import export as write

    path = find_weights(model)
    network, card = load_network(path)
    out_file = target or Path(f"{path.stem}{SUFFIXES.get(file_format, '')}")
    check = write(network, card, out_file, file_format, field or CHECK_FIELD)
    files = [out_file, *([out_file.with_suffix(".bin")] if file_format == "openvino" else [])]
    for file in files:
        out.print(f"wrote {file} ({file.stat().st_size / 1e6:.2f} MB)")
    out.print(
        f"{check.runtime} on {check.field.name}: logits up to {check.largest_logit:.3g} differ by at most "
        f"{check.largest_difference:.2g}; {check.same_classes:.4%} of pixels have the same class"
    )
