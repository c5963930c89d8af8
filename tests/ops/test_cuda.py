"""The Triton kernels, on a GPU where there is one and everywhere in Triton's interpreter on the CPU.

The tests of `TestKernels` are run by one of the two: in this process on the GPU, or, since Triton has to be
told before it is imported, in a process of their own by `test_in_the_interpreter`.
"""

from __future__ import annotations

import copy
import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F

from drepano.models.unet import DUNet
from drepano.ops import DeformableConv2d, deform_conv2d

pytest.importorskip("triton", reason="Triton is not installed: it is for Linux")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
HAS_GPU = torch.cuda.is_available() and not INTERPRETED
DEVICE = "cuda" if HAS_GPU else "cpu"
needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="needs an NVIDIA GPU")

NAMES = ("input", "offset_weight", "weight", "bias")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 1e-2}
"""Largest difference from the reference in float64, relative to the largest magnitude."""


@dataclass(frozen=True)
class Case:
    """One deformable layer, with random numbers; `drive` is how large those are that tanh makes shifts of."""

    channels: int = 3
    outputs: int = 8
    size: tuple[int, int] = (7, 9)
    batch: int = 1
    scope: float = 2.0
    bias: bool = True
    relu: bool = False
    drive: float = 1.0

    def tensors(self, dtype=torch.float32):
        """The four tensors, and a gradient of the output.

        On whole shifts gradients jump, and rounding decides to which side: it is 0 where one is that close.
        """
        generator = torch.Generator().manual_seed(0)

        def normal(*shape):
            return torch.randn(shape, generator=generator)

        terms = 9 * self.channels
        input = normal(self.batch, self.channels, *self.size).to(dtype)
        offset_weight = (normal(18, self.channels, 3, 3) * self.drive / terms**0.5).to(dtype)
        shift = self.scope * torch.tanh(F.conv2d(input.double(), offset_weight.double(), padding=1))
        distance = (shift - shift.round()).abs()
        tensors = (
            input,
            offset_weight,
            normal(self.outputs, self.channels, 3, 3) / terms**0.5,
            normal(self.outputs) if self.bias else None,
            normal(self.batch, self.outputs, *self.size)
            * ((distance == 0) | (distance > 1e-4)).all(1, keepdim=True),
        )
        return [None if tensor is None else tensor.to(DEVICE, dtype) for tensor in tensors]

    def truth(self, dtype=torch.float32):
        """Output and gradients in float64, for the same numbers."""
        *tensors, towards = [None if t is None else t.double().cpu() for t in self.tensors(dtype)]
        leaves = [None if tensor is None else tensor.requires_grad_() for tensor in tensors]
        input, offset_weight, weight, bias = leaves
        shift = self.scope * torch.tanh(F.conv2d(input, offset_weight, padding=1))
        output = deform_conv2d(input, shift, weight, bias, padding=1)
        output = output.relu() if self.relu else output
        output.backward(towards)
        return output.detach(), [None if leaf is None else leaf.grad for leaf in leaves]


CASES = {
    "the network's first layer": Case(batch=2, bias=False),
    "eight channels": Case(channels=8, outputs=8, size=(9, 14), drive=2.0),
    "far shifts": Case(channels=10, outputs=12, size=(6, 5), batch=2, scope=7.0, drive=3.0),
    "small shifts, relu": Case(channels=16, outputs=5, size=(5, 13), scope=0.5, relu=True),
    "no shifts": Case(channels=6, outputs=16, size=(4, 6), scope=0.0),
    "one pixel": Case(channels=1, outputs=1, size=(1, 1)),
    "one row": Case(channels=4, outputs=3, size=(1, 11), batch=3),
    "one column": Case(channels=2, outputs=2, size=(9, 1), bias=False, relu=True),
    "more than a block of channels and outputs": Case(channels=20, outputs=70, size=(2, 3)),
}
LAYERS = [
    *((3, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32)),
    *((32, 64), (64, 32), (32, 16), (16, 8), (8, 5)),
]
"""Channels and outputs in dU-Net."""

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
each_half = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])


def assert_close(result, truth, tolerance):
    assert result.shape == truth.shape
    furthest = (result.double().cpu() - truth).abs().max().item()
    assert furthest <= tolerance * truth.abs().max().item()


def assert_true(case, dtype=torch.float32):
    """Output and all gradients, as the operator computes them."""
    from drepano.ops import cuda

    input, offset_weight, weight, bias, towards = case.tensors(dtype)
    output = cuda.forward(input, offset_weight, weight, bias, case.scope, case.relu)
    assert output.dtype == dtype
    assert output.is_contiguous(memory_format=torch.channels_last)
    true_output, true_gradients = case.truth(dtype)
    assert_close(output, true_output, TOLERANCE[dtype])

    if case.relu:
        towards = towards * (true_output > 0).to(towards)
    gradients = cuda.backward(towards, input, offset_weight, weight, case.scope, True)
    for name, gradient, true in zip(NAMES, gradients, true_gradients, strict=True):
        assert gradient.dtype == dtype, name
        if true is not None:
            assert_close(gradient, true, TOLERANCE[dtype])


@pytest.mark.skipif(
    not (HAS_GPU or INTERPRETED), reason="there is no NVIDIA GPU: see test_in_the_interpreter"
)
class TestKernels:
    """Against plain PyTorch in float64."""

    @pytest.fixture
    def large_tiles(self, monkeypatch):
        """The interpreter takes as long for a small tile as for a large one."""
        from drepano.ops import cuda

        if INTERPRETED:
            for schedule in ("FORWARD", "BACKWARD"):
                monkeypatch.setattr(cuda, schedule, cuda.Schedule(rows=8, columns=16))

    @each_case
    def test_output_and_gradients(self, large_tiles, case):
        assert_true(case)

    def test_in_tiles_as_they_are(self):
        assert_true(Case(channels=5, outputs=4, size=(3, 9), batch=2))

    @each_half
    @pytest.mark.parametrize("name", ["eight channels", "small shifts, relu"])
    def test_in_half_precision(self, large_tiles, name, dtype):
        assert_true(CASES[name], dtype)

    def test_on_the_grid_the_derivative_is_the_right_one(self, large_tiles):
        """As in a new layer, whose offset weights are zero; sizes for which the reference is exact there."""
        from drepano.ops import cuda

        case = Case(channels=3, outputs=4, size=(4, 8), drive=0.0)
        input, offset_weight, weight, bias, towards = case.tensors()
        output, gradients = case.truth()
        assert_close(cuda.forward(input, offset_weight, weight, bias, 2.0, False), output, 1e-5)
        results = cuda.backward(towards, input, offset_weight, weight, 2.0, True)
        for result, true in zip(results, gradients, strict=True):
            assert_close(result, true, 1e-5)

    def test_without_the_gradient_of_the_input(self, large_tiles):
        from drepano.ops import cuda

        case = Case(size=(4, 5))
        input, offset_weight, weight, _, towards = case.tensors()
        results = cuda.backward(towards, input, offset_weight, weight, 2.0, False)
        assert results[0].numel() == 0
        for result, true in zip(results[1:], case.truth()[1][1:], strict=True):
            assert_close(result, true, 1e-5)

    def test_any_order_in_memory(self, large_tiles):
        from drepano.ops import cuda

        input, offset_weight, weight, bias, _ = Case(channels=4, size=(3, 5), batch=2).tensors()
        expected = cuda.forward(input, offset_weight, weight, bias, 2.0, False)
        turned = input.transpose(2, 3).contiguous().transpose(2, 3)
        channels_last = weight.contiguous(memory_format=torch.channels_last)
        assert torch.equal(cuda.forward(turned, offset_weight, channels_last, bias, 2.0, False), expected)

    def test_no_fault_is_found(self):
        from drepano.ops import cuda

        assert cuda.fault.__wrapped__(torch.device(DEVICE)) is None

    def test_a_fault_is_told(self, monkeypatch):
        """A wrong result, and whatever Triton raises where it cannot compile."""
        from drepano.ops import cuda

        def without_compiler(*_):
            raise RuntimeError("Failed to find C compiler.\nMore")

        device, forward = torch.device(DEVICE), cuda.forward
        monkeypatch.setattr(cuda, "forward", lambda *given: 1.001 * forward(*given))
        assert cuda.fault.__wrapped__(device) == "results differ from PyTorch's by 0.001 of the largest"
        monkeypatch.setattr(cuda, "forward", forward)
        backward = cuda.backward
        monkeypatch.setattr(
            cuda, "backward", lambda *given: tuple(torch.nan * gradient for gradient in backward(*given))
        )
        assert cuda.fault.__wrapped__(device) == "results differ from PyTorch's by nan of the largest"
        monkeypatch.setattr(cuda, "forward", without_compiler)
        assert cuda.fault.__wrapped__(device) == "RuntimeError: Failed to find C compiler."

    def test_no_image(self):
        from drepano.ops import cuda

        input, offset_weight, weight, bias, towards = Case(batch=0).tensors()
        assert cuda.forward(input, offset_weight, weight, bias, 2.0, True).shape == (0, 8, 7, 9)
        gradients = cuda.backward(towards, input, offset_weight, weight, 2.0, True)
        assert gradients[0].shape == input.shape
        assert all(not gradient.any() for gradient in gradients)

    def test_nan_stays_nan_and_stays_near(self, large_tiles):
        from drepano.ops import cuda

        input, offset_weight, weight, bias, _ = Case(channels=2, outputs=2, size=(3, 24), scope=1.0).tensors()
        input[0, 0, 1, 2] = torch.nan
        output = cuda.forward(input, offset_weight, weight, bias, 1.0, True).cpu()
        assert output[0, :, 1, 2].isnan().all()
        assert not output[..., 8:].isnan().any()

    def test_an_image_too_large_is_refused(self):
        from drepano.ops import cuda

        huge = torch.empty(1, 64, 2**13, 2**12, device="meta")
        weight = torch.empty(8, 64, 3, 3, device="meta")
        with pytest.raises(ValueError, match="4096 x 64 is too large"):
            cuda.forward(huge, weight, weight, None, 2.0, False)


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_in_the_interpreter():
    """`TestKernels` once more, in a process whose Triton interprets kernels."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{__file__}::TestKernels"]
    run = subprocess.run(
        command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"\d+ passed", run.stdout), run.stdout
    assert "skipped" not in run.stdout


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("kernel", ["forward", "backward"])
@pytest.mark.parametrize(
    ("channels", "outputs", "dtype", "element"),
    [(8, 8, torch.float32, "fp32"), (16, 5, torch.bfloat16, "bf16")],
    ids=["8 to 8 in float32", "16 to 5 in bfloat16"],
)
def test_compiles_for_a_gpu(kernel, channels, outputs, dtype, element, monkeypatch, tmp_path):
    """For an H100, which need not be there: the interpreter accepts much that the compiler does not."""
    compiler = pytest.importorskip("triton.compiler")
    target = pytest.importorskip("triton.backends.compiler").GPUTarget("cuda", 90, 32)
    if "constexprs" not in inspect.signature(compiler.ASTSource).parameters:
        pytest.skip("this Triton is older than 3.3 and is called otherwise")

    from drepano.ops import cuda, cuda_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    function = getattr(cuda_kernels, kernel)
    input = torch.empty(1, channels, 8, 8, device="meta")
    weight = torch.empty(outputs, channels, 3, 3, device="meta")
    work = cuda._Work.of(input, weight, cuda.FORWARD)
    given = work.constants(dtype, torch.device("cuda"))
    given |= {"RELU": True, "NEEDS_INPUT": True, "COPIES": 64}
    options = {name: given.pop(name) for name in [*given] if name.islower()}
    types = dict.fromkeys(("height", "width", "tiles", "run"), "i32") | {"scope": "fp32"}
    types |= dict.fromkeys(("sums", "scratch", "input_gradient"), "*fp32")
    constants = {(i,): given[arg] for i, arg in enumerate(function.arg_names) if arg in given}
    signature = {
        arg: "constexpr" if arg in given else types.get(arg, f"*{element}") for arg in function.arg_names
    }
    pointers = {
        (i,): [["tt.divisibility", 16]] for i, type_ in enumerate(signature.values()) if type_[0] == "*"
    }
    source = compiler.ASTSource(fn=function, signature=signature, constexprs=constants, attrs=pointers)
    compiled = compiler.compile(source, target=target, options=options)
    assert compiled.asm["cubin"]


@needs_gpu
class TestOnGpu:
    """What only a GPU can show."""

    @pytest.mark.parametrize(("channels", "outputs"), [*LAYERS, (10, 12), (130, 140)])
    @pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
    def test_the_layers_of_a_network(self, channels, outputs, dtype):
        assert_true(Case(channels, outputs, size=(61, 83), batch=2), dtype)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_a_layer_under_autocast_and_without(self, dtype, monkeypatch):
        case = Case(channels=8, outputs=16, size=(40, 33), batch=2)
        # Numbers that autocast need not round.
        input, *weights, towards = (tensor.float() for tensor in case.tensors(dtype))
        layer = DeformableConv2d(8, 16, bias=True).cuda()
        parameters = (layer.offset.weight, layer.weight, layer.bias)
        for parameter, value in zip(parameters, weights, strict=True):
            parameter.data.copy_(value)
        monkeypatch.setenv("DREPANO_KERNEL", "triton")
        input.requires_grad_()
        with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            output = layer(input)
        assert output.dtype == dtype
        true_output, true_gradients = case.truth(dtype)
        assert_close(output, true_output, TOLERANCE[dtype])
        output.backward(towards.to(dtype))
        for leaf, true in zip((input, *parameters), true_gradients, strict=True):
            assert leaf.grad.dtype == torch.float32
            assert_close(leaf.grad, true, TOLERANCE[dtype])

    def test_training_steps_as_with_the_reference(self, monkeypatch):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        torch.manual_seed(0)
        images = torch.randn(2, 3, 48, 40, device="cuda")
        classes = torch.randint(5, (2, 48, 40), device="cuda")
        begun = DUNet().cuda()
        losses = {}
        for kernel in ("triton", "reference"):
            monkeypatch.setenv("DREPANO_KERNEL", kernel)
            network = copy.deepcopy(begun)
            optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
            losses[kernel] = []
            for _ in range(5):
                optimizer.zero_grad()
                loss = F.cross_entropy(network(images), classes)
                loss.backward()
                optimizer.step()
                losses[kernel].append(loss.item())
        assert losses["triton"][-1] < losses["triton"][0]
        assert losses["triton"] == pytest.approx(losses["reference"], rel=1e-2)

    def test_again_the_same(self):
        """To the bit forward; backward adds in any order."""
        from drepano.ops import cuda

        case = Case(channels=8, outputs=8, size=(64, 64), batch=2)
        input, offset_weight, weight, bias, towards = case.tensors()
        outputs = [cuda.forward(input, offset_weight, weight, bias, 2.0, True) for _ in range(3)]
        assert all(torch.equal(output, outputs[0]) for output in outputs)
        first, *others = (cuda.backward(towards, input, offset_weight, weight, 2.0, True) for _ in range(3))
        for gradients in others:
            for gradient, expected in zip(gradients, first, strict=True):
                assert_close(gradient, expected.double().cpu(), 1e-6)

    def test_nothing_of_the_size_of_the_samples_is_in_memory(self):
        from drepano.ops import cuda

        case = Case(channels=16, outputs=16, size=(512, 512))
        input, offset_weight, weight, bias, towards = case.tensors()
        input = input.contiguous(memory_format=torch.channels_last)
        towards = towards.contiguous(memory_format=torch.channels_last)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        cuda.forward(input, offset_weight, weight, bias, 2.0, False)
        cuda.backward(towards, input, offset_weight, weight, 2.0, True)
        assert torch.cuda.max_memory_allocated() - before < 3 * input.nbytes
