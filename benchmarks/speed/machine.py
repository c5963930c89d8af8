"""Where and with what the measurements were made."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PACKAGES = (
    *("drepano", "torch", "torchvision", "numba", "llvmlite", "numpy"),
    *("onnx", "onnxscript", "onnxruntime", "openvino"),
)
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_MEASURED = ("src", "benchmarks/speed", "pyproject.toml")


def conditions() -> dict[str, Any]:
    return {
        "command": f"python -m benchmarks.speed {' '.join(sys.argv[1:])}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _output("git", "rev-parse", "HEAD"),
        "tree_clean": _output("git", "status", "--porcelain", "--", *_MEASURED) == "",
        "machine": _machine(),
        "load_before": os.getloadavg(),
        "versions": _versions(),
    }


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    described = dict(map(str.strip, line.split(":", 1)) for line in reversed(lines) if ":" in line)
    flags = described.get("flags", "").split()
    return {
        "cpu": described.get("model name", platform.machine()),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        **{flag: flag in flags for flag in _FLAGS},
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    found["C++ compiler"] = _output(compiler, "--version").split("\n")[0] if compiler else "not installed"
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
