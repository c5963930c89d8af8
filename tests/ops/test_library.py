"""The layer as an operator of PyTorch's: what compilers and exporters see, and kernels kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from drepano.models import create
from drepano.ops import DeformableConv2d
from drepano.ops.choice import VARIABLE

OPERATOR = torch.ops.drepano.deformable_conv2d.default


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def arguments(size=(7, 9), channels=3, outputs=5, batch=2, bias=True, relu=False, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator).to(dtype).requires_grad_()

    return (
        normal(batch, channels, *size),
        normal(18, channels, 3, 3),
        normal(outputs, channels, 3, 3),
        normal(outputs) if bias else None,
        2.0,
        relu,
        None,
    )


class TestOperator:
    """PyTorch's own checks: schema, gradient, shapes without numbers, and compiled with any shape."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"bias": False},
            {"relu": True},
            {"bias": False, "relu": True},
            {"size": (2, 2), "channels": 1, "outputs": 1, "batch": 1},
            {"size": (33, 5), "channels": 8, "outputs": 8},
            {"size": (2, 35), "channels": 12, "outputs": 16, "dtype": torch.float64},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
    def test_is_what_pytorch_expects(self, options, memory_format):
        image, *others = arguments(**options)
        image = image.detach().contiguous(memory_format=memory_format).requires_grad_()
        torch.library.opcheck(OPERATOR, (image, *others))

    @pytest.mark.parametrize("needed", [0, 1, 2, 3])
    def test_is_so_where_only_one_tensor_needs_a_gradient(self, needed):
        given = tuple(
            tensor.detach().requires_grad_(place == needed) if isinstance(tensor, torch.Tensor) else tensor
            for place, tensor in enumerate(arguments(relu=True))
        )
        torch.library.opcheck(OPERATOR, given)

    @pytest.mark.parametrize("channels_of_skip", [1, 4])
    def test_is_so_with_a_skip(self, channels_of_skip):
        image, *others = arguments(channels=8)
        image = image.detach()
        parts = [
            part.clone().requires_grad_()
            for part in (image[:, :-channels_of_skip], image[:, -channels_of_skip:])
        ]
        torch.library.opcheck(OPERATOR, (parts[0], *others[:-1], parts[1]))

    def test_is_so_without_any_gradient(self):
        given = tuple(
            tensor.detach() if isinstance(tensor, torch.Tensor) else tensor for tensor in arguments()
        )
        torch.library.opcheck(OPERATOR, given)

    def test_gives_shapes_without_numbers(self):
        output = OPERATOR(*(tensor.to("meta") for tensor in arguments()[:4]), 2.0, False, None)
        assert output.shape == (2, 5, 7, 9)
        assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.fixture
def layer():
    torch.manual_seed(0)
    layer = DeformableConv2d(3, 5, bias=True)
    torch.nn.init.normal_(layer.offset.weight, std=0.2)
    return layer


def image(*shape, requires_grad=False):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).requires_grad_(requires_grad)


class TestCompiled:
    """Without a break in its graph; with the eager back end, which needs no compiler."""

    def gradients(self, call, layer):
        x = image(2, 3, 17, 19, requires_grad=True)
        layer.zero_grad()
        output = call(x)
        output.square().sum().backward()
        return [output.detach(), x.grad, *(parameter.grad.clone() for parameter in layer.parameters())]

    def test_a_layer_has_the_same_output_and_gradients(self, layer):
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        for ours, expected in zip(self.gradients(compiled, layer), self.gradients(layer, layer), strict=True):
            torch.testing.assert_close(ours, expected)

    def test_a_layer_takes_images_of_any_size(self, layer):
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        for shape in ((2, 3, 17, 19), (2, 3, 23, 40), (3, 3, 8, 9), (1, 3, 1, 9), (1, 3, 2, 2)):
            torch.testing.assert_close(compiled(image(*shape)), layer(image(*shape)))

    def test_a_network_has_the_same_logits(self):
        torch.manual_seed(0)
        network = create("dunet", width=2).eval()
        for module in network.modules():
            if isinstance(module, DeformableConv2d):
                torch.nn.init.normal_(module.offset.weight, std=0.1)
        compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
        with torch.no_grad():
            torch.testing.assert_close(compiled(image(1, 3, 40, 48)), network(image(1, 3, 40, 48)))


class TestExported:
    def layers(self, program):
        return [node for node in program.graph.nodes if node.target is OPERATOR]

    def test_a_network_keeps_its_fourteen_layers_as_one_node_each(self):
        network = create("dunet", width=2).eval()
        program = torch.export.export(network, (image(1, 3, 40, 48),))
        assert len(self.layers(program)) == 14
        torch.testing.assert_close(program.module()(image(1, 3, 40, 48)), network(image(1, 3, 40, 48)))

    def test_a_layer_may_leave_the_size_of_its_image_open(self, layer):
        size = torch.export.Dim("height", min=2, max=4096), torch.export.Dim("width", min=2, max=4096)
        program = torch.export.export(
            layer, (image(1, 3, 17, 19),), dynamic_shapes={"input": {2: size[0], 3: size[1]}}
        )
        assert len(self.layers(program)) == 1
        other = image(1, 3, 33, 8)
        torch.testing.assert_close(program.module()(other), layer(other))

    @pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1)])
    def test_an_image_of_one_row_or_column_is_computed_as_ever(self, layer, size):
        """The compiled kernels read two rows and columns; nothing may be read beyond the image."""
        x = image(1, 3, *size)
        torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), layer(x))

    def test_it_is_in_plain_pytorch_where_that_is_chosen(self, layer, monkeypatch):
        monkeypatch.setenv(VARIABLE, "reference")
        assert self.layers(torch.export.export(layer, (image(1, 3, 17, 19),))) == []


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_importing_loads_neither_numba_nor_triton():
    """They take a second, and whoever chooses the reference needs neither."""
    done = python(
        "import sys, torch; before = set(sys.modules); import drepano.ops; "
        "print(*sorted({'numba', 'triton', 'llvmlite'} & (set(sys.modules) - before)))"
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


LAYER_AND_GRADIENT = """
import torch
from drepano.ops import deformable_conv2d
image = torch.randn(1, 3, 9, 11).requires_grad_()
deformable_conv2d(image, torch.randn(18, 3, 3, 3), torch.randn(5, 3, 3, 3), kernel="numba").sum().backward()
"""
COUNTS = """
from drepano.ops.cpu_kernels import backward_band, forward_band
for kernel in (forward_band, backward_band):
    print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def files(folder):
    """When each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_kernels_are_kept_on_disk_and_the_next_process_compiles_nothing(tmp_path):
    first = python(LAYER_AND_GRADIENT, NUMBA_CACHE_DIR=str(tmp_path))
    assert (first.stdout, first.stderr, first.returncode) == ("", "", 0)
    compiled = files(tmp_path)
    assert len(compiled) > 2

    second = python(LAYER_AND_GRADIENT + COUNTS, NUMBA_CACHE_DIR=str(tmp_path))
    assert (second.stdout.splitlines(), second.stderr) == (["1 0", "1 0"], "")
    assert files(tmp_path) == compiled


def test_a_first_call_does_not_import_the_compiler_of_pytorch():
    """Which would take longer than all else of it."""
    code = """
import sys, torch
from drepano.ops import deformable_conv2d
image = torch.zeros(1, 3, 4, 4, requires_grad=True)
deformable_conv2d(image, torch.zeros(18, 3, 3, 3), torch.zeros(2, 3, 3, 3), kernel="numba").sum().backward()
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestWhatItRefuses:
    """Called directly as well, and before anything is read."""

    @pytest.mark.parametrize("wrong", ["input", "offset_weight", "weight"])
    def test_types_that_differ(self, wrong):
        given = {
            "input": torch.zeros(1, 3, 4, 4),
            "offset_weight": torch.zeros(18, 3, 3, 3),
            "weight": torch.zeros(2, 3, 3, 3),
        }
        given[wrong] = given[wrong].double()
        with pytest.raises(ValueError, match="convert them to one type"):
            torch.ops.drepano.deformable_conv2d(*given.values(), None, 2.0, False, None)

    def test_an_image_whose_places_need_more_than_32_bits(self):
        """Expanded, so that it takes no memory."""
        image = torch.zeros(1, 1, 1, 1).expand(1, 3, 30_000, 30_000)
        weights = torch.zeros(18, 3, 3, 3), torch.zeros(2, 3, 3, 3)
        with pytest.raises(ValueError, match="30000 x 30000 with 3 channels is too large"):
            torch.ops.drepano.deformable_conv2d(image, *weights, None, 2.0, False, None)
