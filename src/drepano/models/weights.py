"""Weights files: safetensors with a model card in the metadata. Nothing is ever unpickled."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from drepano.errors import DrepanoError
from drepano.io import write_bytes
from drepano.models.card import ModelCard, parse_card
from drepano.models.registry import create

CARD_KEY = "drepano"
"""Of the model card in the metadata of a file."""


def shipped_models() -> list[str]:
    """Names of the networks that come with the package."""
    folder = files("drepano.models") / "shipped"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".safetensors"))


def find_weights(model: str | Path) -> Path:
    """Path of a shipped network or of a user's weights file.

    Raises
    ------
    DrepanoError
        If `model` is neither.
    """
    if str(model) in shipped_models():
        with as_file(files("drepano.models") / "shipped" / f"{model}.safetensors") as path:
            return path
    path = Path(model)
    if path.is_file():
        return path
    known = ", ".join(shipped_models())
    raise DrepanoError(
        f"model {str(model)!r}: neither a shipped network ({known}) nor a file; check the name"
    )


def save_model(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Write the weights of `network` with its card, under the final name only when complete."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(state, metadata={CARD_KEY: card.model_dump_json()}))


def read_card(path: Path) -> ModelCard:
    """The card of a weights file.

    Raises
    ------
    DrepanoError
        If the file is not safetensors, or has no card.
    """
    try:
        with safe_open(path, framework="pt") as weights:
            metadata = weights.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise DrepanoError(
            f"{path}: not a safetensors file ({error}); give the model.safetensors that drepano train writes "
            "(pickled checkpoints such as .pt or .ckpt are never opened)"
        ) from error
    if CARD_KEY not in metadata:
        raise DrepanoError(
            f"{path}: has no drepano model card; give the model.safetensors that drepano train writes"
        )
    return parse_card(metadata[CARD_KEY], str(path))


def load_network(path: Path) -> tuple[nn.Module, ModelCard]:
    """The network of a weights file, on the CPU and in evaluation mode, and its card.

    Raises
    ------
    DrepanoError
        If the file cannot be used; see `read_card`.
    """
    card = read_card(path)
    # What the encoder began with is overwritten by the file: nothing is downloaded for it.
    architecture = {option: value for option, value in card.architecture.items() if option != "pretrained"}
    try:
        taxonomy = card.class_taxonomy
        network = create(**({"num_classes": len(taxonomy)} | architecture))
    except (DrepanoError, TypeError, RuntimeError) as error:
        raise DrepanoError(f"{path}: the network of its model card cannot be made ({error})") from error
    if card.architecture.get("in_channels", 3) != 3:
        raise DrepanoError(
            f"{path}: its network takes {card.architecture['in_channels']} channels; images have 3"
        )
    if card.architecture.get("num_classes", len(taxonomy)) != len(taxonomy):
        raise DrepanoError(
            f"{path}: its model card names {len(taxonomy)} classes for a network of "
            f"{card.architecture['num_classes']}; the file was edited; train or download it again"
        )
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise DrepanoError(
            f"{path}: its weights do not fit its card's architecture {card.architecture} ({reason}); "
            "the file is damaged or was edited; train or download it again"
        ) from error
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise DrepanoError(
            f"{path}: has weights that are not finite; train it again with a lower learning rate"
        )
    return network.eval(), card
