"""Devices and precisions: what is there is taken, what is not is said."""

from __future__ import annotations

import llvmlite.binding
import pytest
import torch

from drepano.devices import check_precision, resolve_device
from drepano.errors import DrepanoError


class TestDevice:
    def test_auto_is_a_gpu_where_there_is_one(self):
        assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")

    def test_the_cpu_is_always_there(self):
        assert resolve_device("cpu") == "cpu"

    def test_an_unknown_device_is_named(self):
        with pytest.raises(DrepanoError, match="'tpu' is unknown; use one of auto, cpu, cuda"):
            resolve_device("tpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_gpu_that_is_not_there_is_not_taken(self):
        with pytest.raises(DrepanoError, match="PyTorch sees no GPU here"):
            resolve_device("cuda")


class TestPrecision:
    @pytest.mark.parametrize("device", ["cpu", "cuda"])
    def test_float32_is_everywhere(self, device):
        check_precision("float32", device)

    def test_an_unknown_precision_is_named(self):
        with pytest.raises(DrepanoError, match="'int8' is unknown; use one of float32, bfloat16"):
            check_precision("int8", "cpu")

    @pytest.mark.parametrize("feature", ["avx512bf16", "amx-bf16", "bf16"])
    def test_a_cpu_with_the_instructions_may_use_bfloat16(self, monkeypatch, feature):
        monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: {feature: True})
        check_precision("bfloat16", "cpu")

    def test_a_cpu_without_them_may_not(self, monkeypatch):
        monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: {"avx2": True})
        with pytest.raises(DrepanoError, match="this CPU does not have it; use float32"):
            check_precision("bfloat16", "cpu")
