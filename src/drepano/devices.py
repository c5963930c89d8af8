"""Which device computes, and how precisely."""

from __future__ import annotations

from drepano.errors import DrepanoError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")

_BFLOAT16_FEATURES = ("avx512bf16", "amx-bf16", "bf16")
"""LLVM's names for what a CPU needs to multiply bfloat16: two on x86, one on ARM."""


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


def check_precision(precision: str, device: str) -> None:
    """Refuse a precision that `device` does not compute in by itself, but imitates slowly.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}
    device : {"cpu", "cuda"}

    Raises
    ------
    DrepanoError
        If the precision is unknown or the device has no instructions for it.
    """
    if precision not in PRECISIONS:
        raise DrepanoError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    if precision == "bfloat16" and not _has_bfloat16(device):
        raise DrepanoError(f"precision bfloat16: this {device.upper()} does not have it; use float32")


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_capability() >= (8, 0)
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    return any(features.get(name, False) for name in _BFLOAT16_FEATURES)
