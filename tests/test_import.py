"""What importing costs, and what the core never imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import drepano

SOURCE = Path(drepano.__file__).parent
HEAVY = ("torch", "pandas", "skimage", "scipy", "matplotlib", "lightning", "torchvision")


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_the_package_loads_nothing_heavy():
    loaded = run_python(f"import sys, drepano; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded.strip() == "[]"


def test_asking_the_command_line_for_help_loads_nothing_heavy():
    code = f"""
import sys
from drepano.cli.main import main
for command in ([], ["predict"], ["train"], ["evaluate"], ["models"], ["data"]):
    sys.argv = ["drepano", *command, "--help"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert run_python(code).splitlines()[-1] == "[]"


def test_all_but_training_works_where_torchvision_cannot_be_imported():
    """A CPU build of torch beside PyPI's torchvision fails at import.

    Training is left out because Lightning's torchmetrics imports an installed torchvision by itself.
    """
    code = """
import importlib, pkgutil, sys
sys.modules["torchvision"] = None
import drepano
names = [module.name for module in pkgutil.walk_packages(drepano.__path__, "drepano.")]
names = [name for name in names if not name.startswith("drepano.training")]
for name in names:
    importlib.import_module(name)
print(" ".join(names))
"""
    names = run_python(code).split()
    needed = {"drepano.segmenter", "drepano.prediction", "drepano.models.compare", "drepano.experiments"}
    assert needed <= set(names)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_of_ours_asks_for_torchvision(path):
    asked_for = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            asked_for |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            asked_for.add(node.module.partition(".")[0])
    assert "torchvision" not in asked_for


def test_every_public_name_is_there():
    for name in drepano.__all__:
        assert getattr(drepano, name) is not None
    assert set(drepano.__all__) <= set(dir(drepano))


def test_subpackages_are_attributes():
    assert drepano.models.create is not None
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")} - {"cli"}
    assert packages <= set(dir(drepano))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sickle'"):
        _ = drepano.sickle


def test_the_version_is_a_version():
    assert drepano.__version__.count(".") == 2
