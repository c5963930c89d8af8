"""``drepano offsets``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drepano.cli.console import out


def offsets(
    image: Annotated[Path, typer.Argument(help="Image file of a field.")],
    at: Annotated[str, typer.Option(help="The pixel: row and column, Y,X.", metavar="Y,X")],
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for the figures, what they show, and a page.")
    ] = Path("offsets"),
    model: Annotated[
        str,
        typer.Option(
            help="The dU-Net: scd, rbc or a .safetensors file. Of a U-Net the regular grid is drawn."
        ),
    ] = "scd",
    cell_diameter: Annotated[
        float | None,
        typer.Option(help="Diameter of a typical cell in the image, px. Without it the image is as it is."),
    ] = None,
) -> None:
    """Draw where a pixel's kernels sample in U-Net and in dU-Net: the paper's Figures 4 and 6.

    At most 512 x 512 px around the pixel, at the network's scale, go through the network.
    """
    from drepano.experiments.offsets import summarise_offsets, trace_offsets
    from drepano.io import file_digest, read_image
    from drepano.models import find_weights, load_network
    from drepano.reports.sampling import write_sampling
    from drepano.training import versions

    pixel = _pixel(at)
    weights = find_weights(model)
    network, card = load_network(weights)
    pixels = read_image(image)
    trace = trace_offsets(network, card, pixels, pixel, cell_diameter)
    summary = {
        **summarise_offsets(trace, card.name, image.name, pixels.shape),
        "cell_diameter": cell_diameter,
        "weights_sha256": file_digest(weights),
        "versions": versions(),
    }
    magnitudes = {layer.name: layer.magnitudes for layer in trace.layers}
    for path in write_sampling(folder, summary, magnitudes, pixels):
        out.print(f"wrote {path}")


def _pixel(at: str) -> tuple[int, int]:
    from drepano.errors import DrepanoError

    try:
        row, column = map(int, at.split(","))
    except ValueError as error:
        raise DrepanoError(
            f"--at {at}: give row and column of a pixel as two whole numbers, for instance --at 120,310"
        ) from error
    return row, column
