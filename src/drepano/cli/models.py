"""``drepano models``: what networks there are and what is known about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drepano.cli.console import out

app = typer.Typer(help="List networks, show their cards, add figures to a card.", no_args_is_help=True)


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
    notes: Annotated[str, typer.Option(help="Free text on the card.")] = "",
) -> None:
    """Copy a network with measured figures added to its card."""
    from drepano.models import Metric, load_network, save_model
    from drepano.models.card import parse_metrics

    network, card = load_network(model)
    measured: list[Metric] = parse_metrics(metrics)
    save_model(target, network, card.model_copy(update={"name": name, "metrics": measured, "notes": notes}))
    out.print(f"wrote {target} ({target.stat().st_size / 1e6:.2f} MB)")
