"""Which device computes."""

from __future__ import annotations

from drepano.errors import DrepanoError

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda"; "auto" is a GPU where PyTorch sees one.

    Raises
    ------
    DrepanoError
        If the device is unknown or not there.
    """
    import torch

    if device not in DEVICES:
        raise DrepanoError(f"device {device!r} is unknown; use one of {', '.join(DEVICES)}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise DrepanoError("device 'cuda': PyTorch sees no GPU here; use --device cpu or auto")
    return "cuda" if device != "cpu" and available else "cpu"
