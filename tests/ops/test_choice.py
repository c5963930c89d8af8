"""Which kernel computes a deformable layer: what is asked for, else the fastest that can."""

from __future__ import annotations

import re

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from drepano.ops import KERNELS, deformable_conv2d
from drepano.ops.choice import VARIABLE, _choose


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def without_packages(monkeypatch):
    """As if neither numba nor triton were installed."""
    monkeypatch.setattr("drepano.ops.choice._INSTALLED", frozenset())


def tensors(size=(19, 21), dtype=torch.float32, channels=3):
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator).to(dtype)
        for name, shape in {
            "input": (2, channels, *size),
            "offset_weight": (18, channels, 3, 3),
            "weight": (5, channels, 3, 3),
            "bias": (5,),
        }.items()
    }


def layer(kernel=None, **changes):
    return deformable_conv2d(**tensors() | changes, kernel=kernel)


def test_the_kernels_tell_apart():
    """They agree but for rounding; so the bits show below which one was taken."""
    reference, compiled = layer("reference"), layer("numba")
    assert not torch.equal(reference, compiled)
    torch.testing.assert_close(reference, compiled, rtol=1e-4, atol=1e-4)


class TestAsked:
    @pytest.mark.parametrize("kernel", ["reference", "numba"])
    def test_for_by_the_environment_variable(self, monkeypatch, kernel):
        monkeypatch.setenv("DREPANO_KERNEL", kernel)
        assert torch.equal(layer(), layer(kernel))

    @pytest.mark.parametrize(("keyword", "variable"), [("reference", "numba"), ("numba", "reference")])
    def test_for_by_both_the_keyword_counts(self, monkeypatch, keyword, variable):
        expected = layer(keyword)
        monkeypatch.setenv("DREPANO_KERNEL", variable)
        assert torch.equal(layer(keyword), expected)

    def test_to_choose_by_the_keyword_it_does_whatever_the_variable_says(self, monkeypatch):
        monkeypatch.setenv("DREPANO_KERNEL", "reference")
        assert torch.equal(layer("auto"), layer("numba"))

    @pytest.mark.parametrize("kernel", ["auto", ""])
    def test_to_choose_by_the_variable_or_left_to_choose_by_an_empty_one(self, monkeypatch, kernel):
        monkeypatch.setenv("DREPANO_KERNEL", kernel)
        assert torch.equal(layer(), layer("numba"))

    def test_for_an_unknown_one_by_the_keyword(self):
        expected = "kernel='cuda': expected one of auto, reference, numba, triton"
        with pytest.raises(ValueError, match=re.escape(expected)):
            layer("cuda")

    def test_for_an_unknown_one_by_the_variable(self, monkeypatch):
        monkeypatch.setenv("DREPANO_KERNEL", "Numba")
        expected = (
            "environment variable DREPANO_KERNEL='Numba': expected one of auto, reference, numba, triton"
        )
        with pytest.raises(ValueError, match=re.escape(expected)):
            layer()
        assert layer("numba").isfinite().all()

    def test_there_are_these(self):
        assert KERNELS == ("auto", "reference", "numba", "triton")


class TestLeftToChoose:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("kernel", [None, "auto"])
    def test_it_takes_the_compiled_one_on_the_cpu(self, kernel, dtype):
        given = tensors(dtype=dtype)
        chosen = deformable_conv2d(**given, kernel=kernel)
        assert torch.equal(chosen, deformable_conv2d(**given, kernel="numba"))
        assert not torch.equal(chosen, deformable_conv2d(**given, kernel="reference"))

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
    def test_one_row_or_column_is_enough_for_it(self, size):
        given = tensors(size)
        chosen = deformable_conv2d(**given)
        assert torch.equal(chosen, deformable_conv2d(**given, kernel="numba"))
        torch.testing.assert_close(
            chosen, deformable_conv2d(**given, kernel="reference"), rtol=1e-4, atol=1e-5
        )

    def test_it_takes_the_reference_where_numba_is_not_installed(self, without_packages):
        assert torch.equal(layer(), layer("reference"))


class TestOnAGpu:
    """Of tensors that are described only: no GPU is needed."""

    @pytest.fixture
    def on_a_gpu(self):
        with FakeTensorMode():
            yield lambda dtype=torch.float32: torch.empty(2, 3, 19, 21, dtype=dtype, device="cuda")

    @pytest.fixture(autouse=True)
    def with_triton(self, monkeypatch):
        monkeypatch.setattr("drepano.ops.choice._INSTALLED", frozenset({"numba", "triton"}))
        monkeypatch.setattr("drepano.ops.choice._fault_of_triton", lambda device: None)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_it_takes_triton(self, on_a_gpu, dtype):
        assert _choose(None, on_a_gpu(dtype)) == "triton"

    def test_it_takes_the_reference_in_float64(self, on_a_gpu):
        assert _choose("auto", on_a_gpu(torch.float64)) == "reference"

    def test_it_takes_the_reference_where_triton_is_not_installed(self, on_a_gpu, without_packages):
        assert _choose("auto", on_a_gpu()) == "reference"

    def test_it_takes_the_reference_where_triton_fails(self, on_a_gpu, monkeypatch):
        monkeypatch.setattr("drepano.ops.choice._fault_of_triton", lambda device: "no compiler")
        assert _choose("auto", on_a_gpu()) == "reference"
        with pytest.raises(ValueError, match=r"it fails on this GPU \(no compiler\); take"):
            _choose("triton", on_a_gpu())

    def test_it_takes_the_reference_on_a_gpu_of_amd(self, on_a_gpu, monkeypatch):
        monkeypatch.setattr(torch.version, "hip", "6.0")
        assert _choose("auto", on_a_gpu()) == "reference"

    def test_numba_is_for_the_cpu(self, on_a_gpu):
        with pytest.raises(ValueError, match="the tensors are on cuda, not on the CPU"):
            _choose("numba", on_a_gpu())


class TestThatCannotBeUsed:
    """Forced all the same, it says why, and what to take instead."""

    @pytest.mark.parametrize(
        ("kernel", "expected"),
        [
            ("numba", "the tensors are on meta, not on the CPU"),
            ("triton", "the tensors are on meta, not on an NVIDIA GPU"),
        ],
    )
    def test_on_another_device(self, kernel, expected):
        given = {name: tensor.to("meta") for name, tensor in tensors().items()}
        with pytest.raises(ValueError, match=f"the kernel {kernel} cannot be used: {expected}"):
            deformable_conv2d(**given, kernel=kernel)
        assert deformable_conv2d(**given).shape == (2, 5, 19, 21)

    def test_triton_on_the_cpu(self):
        expected = "the kernel triton cannot be used: the tensors are on cpu, not on an NVIDIA GPU"
        with pytest.raises(ValueError, match=f"^{expected}; take reference or auto$"):
            layer("triton")

    def test_numba_where_it_is_not_installed(self, without_packages):
        expected = "the kernel numba cannot be used: the package numba is not installed"
        with pytest.raises(ValueError, match=f"^{expected}; take reference or auto$"):
            layer("numba")

    def test_by_the_variable_as_by_the_keyword(self, monkeypatch):
        monkeypatch.setenv("DREPANO_KERNEL", "triton")
        with pytest.raises(ValueError, match="the kernel triton cannot be used: the tensors are on cpu"):
            layer()


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_is_computed_in_float32_and_comes_back_as_it_was(self, dtype):
        given = tensors(dtype=dtype)
        output = deformable_conv2d(**given, kernel="numba")
        in_float32 = {name: tensor.float() for name, tensor in given.items()}
        assert output.dtype == dtype
        assert torch.equal(output, deformable_conv2d(**in_float32, kernel="numba").to(dtype))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_gradients_of_half_come_back_as_it_was_too(self, dtype):
        given = {name: tensor.requires_grad_() for name, tensor in tensors(dtype=dtype).items()}
        deformable_conv2d(**given, kernel="numba").float().square().mean().backward()
        for tensor in given.values():
            assert tensor.grad.dtype == dtype
            assert tensor.grad.isfinite().all()
            assert tensor.grad.any()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_weights_of_another_type_are_taken_in_that_of_the_input(self, dtype):
        given = tensors(dtype=dtype)
        others = {name: tensors()[name].double() for name in ("offset_weight", "weight", "bias")}
        output = deformable_conv2d(**given | others, kernel="numba")
        assert output.dtype == dtype
        assert torch.equal(output, deformable_conv2d(**given, kernel="numba"))

    @pytest.mark.parametrize("kernel", ["reference", "numba"])
    @pytest.mark.parametrize("bias", [True, False])
    def test_under_autocast_the_output_is_in_its_type_as_that_of_a_plain_convolution(self, kernel, bias):
        given = tensors() | ({} if bias else {"bias": None})
        given["offset_weight"] = given["offset_weight"] * 0.1
        with torch.autocast("cpu", torch.bfloat16):
            plain = torch.nn.functional.conv2d(given["input"], given["weight"], given["bias"], padding=1)
            output = deformable_conv2d(**given, kernel=kernel)
        assert output.dtype == plain.dtype == torch.bfloat16
        expected = deformable_conv2d(**given, kernel=kernel)
        assert (output - expected).abs().max() <= 0.1 * expected.abs().max()

    def test_autocast_that_is_switched_off_changes_nothing(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=False):
            assert torch.equal(layer(), layer("numba"))


class TestRefusals:
    """One message each, with what was expected; whichever kernel is taken."""

    @pytest.mark.parametrize("kernel", ["reference", "numba"])
    @pytest.mark.parametrize(
        ("name", "shape", "message"),
        [
            ("input", (3, 8, 8), "input has shape (3, 8, 8), expected 4 dimensions"),
            ("input", (8,), "input has shape (8,), expected 4 dimensions"),
            (
                "input",
                (2, 4, 8, 8),
                "offset_weight has shape (18, 3, 3, 3), expected (18, 4, 3, 3) for an input of 4 channels",
            ),
            (
                "offset_weight",
                (9, 3, 3, 3),
                "offset_weight has shape (9, 3, 3, 3), expected (18, 3, 3, 3) for an input of 3 channels",
            ),
            ("offset_weight", (18, 3, 1, 1), "offset_weight has shape (18, 3, 1, 1), expected (18, 3, 3, 3)"),
            ("offset_weight", (18,), "offset_weight has shape (18,), expected (18, 3, 3, 3)"),
            ("weight", (5, 4, 3, 3), "weight has shape (5, 4, 3, 3), expected (5, 3, 3, 3)"),
            ("weight", (5, 3, 5, 5), "weight has shape (5, 3, 5, 5), expected (5, 3, 3, 3)"),
            ("weight", (5, 3), "weight has shape (5, 3), expected "),
            ("bias", (4,), "bias has shape (4,), expected (5,)"),
            ("bias", (5, 1), "bias has shape (5, 1), expected (5,)"),
            ("bias", (), "bias has shape (), expected (5,)"),
        ],
    )
    def test_shapes_that_do_not_fit(self, kernel, name, shape, message):
        with pytest.raises(ValueError, match=re.escape(f"deformable_conv2d: {message}")):
            layer(kernel, **{name: torch.zeros(shape)})

    @pytest.mark.parametrize("scope", [-0.5, 1000, float("nan"), float("inf")])
    def test_scopes_that_are_none(self, scope):
        expected = f"deformable_conv2d: scope is {scope}, expected a number of pixels from 0 to 1000"
        with pytest.raises(ValueError, match=re.escape(expected)):
            layer(scope=scope)

    @pytest.mark.parametrize("kernel", ["reference", "numba"])
    def test_a_weight_without_dimensions(self, kernel):
        with pytest.raises(ValueError, match=re.escape("weight has shape ()")):
            layer(kernel, weight=torch.tensor(1.0))

    @pytest.mark.parametrize("kernel", ["reference", "numba"])
    def test_whole_numbers_as_a_plain_convolution_refuses_them(self, kernel):
        """The output would be cut off to whole numbers too."""
        with pytest.raises((ValueError, RuntimeError)):
            layer(kernel, input=torch.ones(1, 3, 8, 8, dtype=torch.int64))
