"""What importing costs, and what the core never imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import drepano

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


def test_every_module_can_be_imported_where_torchvision_cannot():
    """A CPU build of torch beside PyPI's torchvision fails at import; only the comparison networks need it."""
    code = """
import importlib, pkgutil, sys
sys.modules["torchvision"] = None
sys.modules["segmentation_models_pytorch"] = None
import drepano
names = [module.name for module in pkgutil.walk_packages(drepano.__path__, "drepano.")]
for name in names:
    importlib.import_module(name)
print(" ".join(names))
"""
    names = run_python(code).split()
    assert {"drepano.segmenter", "drepano.prediction", "drepano.models.compare", "drepano.cli.main"} <= set(names)


def test_no_module_of_ours_asks_for_torchvision():
    """An import of torchvision fails on the spot, with the name of the file that asked for it."""
    code = """
import importlib, pkgutil, sys, traceback

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            ours = [f.filename for f in traceback.extract_stack() if "/drepano/" in f.filename]
            asking = [
                f.filename
                for f in traceback.extract_stack()
                if "importlib" not in f.filename and not f.filename.startswith("<")
            ]
            if ours and len(asking) > 1 and asking[-2] == ours[-1]:
                print("torchvision asked for by", ours[-1])
        return None

sys.meta_path.insert(0, Watch())
import drepano
for module in pkgutil.walk_packages(drepano.__path__, "drepano."):
    importlib.import_module(module.name)
"""
    assert run_python(code) == ""


def test_every_public_name_is_there():
    for name in drepano.__all__:
        assert getattr(drepano, name) is not None
    assert set(drepano.__all__) <= set(dir(drepano))


def test_subpackages_are_attributes():
    assert drepano.models.create is not None
    assert {"models", "cells", "io"} <= set(dir(drepano))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sickle'"):
        _ = drepano.sickle


def test_the_version_is_a_version():
    assert drepano.__version__.count(".") == 2
