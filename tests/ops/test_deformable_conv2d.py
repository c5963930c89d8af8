"""The deformable layer as one function: what it computes, its gradients, the same bits every time."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from drepano.ops import deformable_conv2d
from drepano.ops.cpu_kernels import _tanh_in_place

NAMES = ("input", "offset_weight", "weight", "bias")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Largest difference from the reference in float64, relative to the largest magnitude."""

both_kernels = pytest.mark.parametrize("kernel", ["reference", "numba"])
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@dataclass(frozen=True)
class Case:
    """One deformable layer; `drive` is how large the numbers are that tanh makes shifts of."""

    size: tuple[int, int] = (7, 9)
    channels: int = 3
    outputs: int = 5
    batch: int = 1
    scope: float = 2.0
    bias: bool = True
    relu: bool = False
    drive: float = 1.0

    def tensors(self, dtype=torch.float64, seed=0):
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        terms = 9 * self.channels
        # Made in float32, so that all precisions see the same numbers.
        tensors = {
            "input": normal(self.batch, self.channels, *self.size),
            "offset_weight": normal(18, self.channels, 3, 3) * self.drive / terms**0.5,
            "weight": normal(self.outputs, self.channels, 3, 3) / terms**0.5,
            "bias": normal(self.outputs) if self.bias else None,
        }
        return {
            name: None if tensor is None else tensor.float().to(dtype) for name, tensor in tensors.items()
        }

    def results(self, kernel, tensors):
        """The output, and the gradients of all tensors towards one and the same direction."""
        leaves = {name: None if t is None else t.detach().requires_grad_() for name, t in tensors.items()}
        output = deformable_conv2d(**leaves, scope=self.scope, relu=self.relu, kernel=kernel)
        generator = torch.Generator().manual_seed(1)
        towards = torch.randn(output.shape, generator=generator, dtype=torch.float64).float()
        output.backward(towards.to(output.dtype))
        gradients = {f"gradient of {n}": t.grad for n, t in leaves.items() if t is not None}
        return {"output": output.detach()} | gradients


def in_float64(tensors):
    return {name: None if tensor is None else tensor.double() for name, tensor in tensors.items()}


def assert_close(result, expected, tolerance):
    """Relative to the largest magnitude there is."""
    assert result.shape == expected.shape
    furthest = (result.double() - expected.double()).abs().max().item()
    assert furthest <= tolerance * expected.abs().max().item()


def assert_as_reference(case, tensors):
    """The compiled kernels against plain PyTorch in float64."""
    results = case.results("numba", tensors)
    expected = case.results("reference", in_float64(tensors))
    dtype = tensors["input"].dtype
    assert results.keys() == expected.keys()
    for name, result in results.items():
        assert result.dtype == dtype
        assert_close(result, expected[name], TOLERANCE[dtype])


def assert_same_bits(results, expected):
    assert results.keys() == expected.keys()
    for name, result in results.items():
        assert torch.equal(result, expected[name]), name


CASES = [
    Case(size=(2, 2), channels=1, outputs=1),
    Case(size=(2, 3), channels=2, outputs=2, batch=3),
    Case(size=(3, 2), channels=4, outputs=10, scope=7.0),
    Case(size=(2, 40), channels=8, outputs=8, scope=1.3),
    Case(size=(40, 2), channels=5, outputs=16, scope=7.0, bias=False),
    Case(size=(5, 33), channels=3, outputs=8, batch=2, bias=False),
    Case(size=(5, 33), channels=16, outputs=5, scope=0.5, relu=True),
    Case(size=(17, 31), channels=10, outputs=24, scope=0.5),
    Case(size=(17, 31), channels=12, outputs=10, batch=2, scope=7.0, relu=True),
    Case(size=(16, 32), channels=8, outputs=16, batch=2, scope=2.0),
    Case(size=(33, 70), channels=8, outputs=8, batch=2, bias=False),
    Case(size=(33, 70), channels=3, outputs=10, scope=7.0, drive=5.0),
    Case(size=(49, 16), channels=24, outputs=32, scope=1.3, bias=False),
    Case(size=(49, 17), channels=32, outputs=16, relu=True),
    Case(size=(31, 65), channels=16, outputs=24, scope=0.0),
    Case(size=(11, 13), channels=1, outputs=5, batch=2, scope=20.0, drive=5.0),
    Case(size=(11, 13), channels=3, outputs=2, scope=999.0),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


class TestAgainstPlainPyTorch:
    """The compiled kernels give its output and its four gradients."""

    @both_precisions
    @each_case
    def test_for_odd_sizes_and_any_number_of_channels(self, case, dtype):
        assert_as_reference(case, case.tensors(dtype))

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_for_any_shape(self, data):
        case = Case(
            size=(data.draw(st.integers(2, 37)), data.draw(st.integers(2, 70))),
            channels=data.draw(st.integers(1, 17)),
            outputs=data.draw(st.integers(1, 34)),
            batch=data.draw(st.integers(1, 3)),
            scope=data.draw(st.sampled_from([0.0, 0.5, 1.0, 1.3, 2.0, 7.0, 50.0])),
            bias=data.draw(st.booleans()),
            relu=data.draw(st.booleans()),
            drive=data.draw(st.sampled_from([0.1, 1.0, 10.0])),
        )
        assert_as_reference(case, case.tensors(torch.float64, seed=data.draw(st.integers(0, 1000))))

    @pytest.mark.parametrize(
        "lay_out",
        [
            lambda x: x.contiguous(memory_format=torch.channels_last),
            lambda x: x.mT.contiguous().mT,
            lambda x: F.pad(x, (1, 2, 3, 1, 2, 1))[:, 2:-1, 3:-1, 1:-2],
            lambda x: x.repeat_interleave(2, dim=3)[..., ::2],
            lambda x: x[:, :1, :1].expand_as(x),
            lambda x: x.flip(0, 3).flip(0, 3),
        ],
        ids=[
            "channels last",
            "transposed",
            "a part of a larger one",
            "every other column",
            "expanded",
            "own",
        ],
    )
    @both_precisions
    @pytest.mark.parametrize("channels", [3, 8])
    def test_however_the_tensors_lie_in_memory(self, lay_out, dtype, channels):
        case = Case(size=(19, 35), channels=channels, batch=2)
        tensors = case.tensors(dtype)
        for name in ("input", "offset_weight", "weight"):
            tensors[name] = lay_out(tensors[name])
        assert_as_reference(case, tensors)

    @both_precisions
    def test_with_a_gradient_that_has_no_memory_of_its_own(self, dtype):
        """``sum().backward()`` hands on one number, expanded to the shape of the output."""
        tensors = Case().tensors(dtype)
        gradients = {}
        for kernel, leaf in (("numba", tensors["input"].clone()), ("reference", tensors["input"].double())):
            leaf.requires_grad_()
            others = tensors if kernel == "numba" else in_float64(tensors)
            deformable_conv2d(**others | {"input": leaf}, kernel=kernel).sum().backward()
            gradients[kernel] = leaf.grad
        assert_close(gradients["numba"], gradients["reference"], TOLERANCE[dtype])

    @both_precisions
    @pytest.mark.parametrize(
        "case",
        [
            Case(size=(32, 9), drive=5.0),
            Case(size=(33, 9), drive=5.0),
            Case(size=(50, 20), channels=8, outputs=8, drive=5.0),
            Case(size=(17, 7), scope=7.0, drive=5.0),
            Case(size=(36, 7), scope=7.0, drive=5.0),
            Case(size=(75, 9), channels=8, scope=7.0, drive=5.0),
            Case(size=(131, 5), channels=4, scope=20.0, batch=2, drive=5.0),
        ],
        ids=str,
    )
    def test_where_bands_of_rows_meet(self, case, dtype):
        """Kernels run band by band, of 16 rows or more, and shifts reach over from one into the next."""
        assert_as_reference(case, case.tensors(dtype))


def off_the_grid(case):
    """Tensors with all sampling positions, and outputs where ReLU bends, away from where slopes jump."""
    for seed in itertools.count():
        tensors = case.tensors(seed=seed)
        shift = case.scope * torch.tanh(F.conv2d(tensors["input"], tensors["offset_weight"], padding=1))
        apart = (shift - shift.round()).abs().min().item()
        if case.relu:
            apart = min(apart, deformable_conv2d(**tensors, scope=case.scope).abs().min().item())
        if apart > 1e-4 or case.scope == 0:
            return {name: tensor.requires_grad_() for name, tensor in tensors.items() if tensor is not None}


class TestGradients:
    @pytest.mark.parametrize("scope", [0.0, 0.5, 2.0, 7.0])
    @pytest.mark.parametrize(
        ("kernel", "case"),
        [
            ("reference", Case(size=(3, 4), channels=2, outputs=2)),
            ("numba", Case(size=(5, 7), channels=3, outputs=2)),
            ("numba", Case(size=(4, 9), channels=5, outputs=3, batch=2, bias=False)),
            ("numba", Case(size=(2, 2), channels=4, outputs=5, relu=True)),
        ],
        ids=str,
    )
    def test_equal_finite_differences(self, kernel, case, scope):
        """On images so small that most shifts of two pixels and more leave them."""
        case = Case(**vars(case) | {"scope": scope, "drive": 0.3 if scope > 2 else 1.0})
        tensors = off_the_grid(case)

        def layer(*given):
            named = dict(zip(tensors, given, strict=True))
            return deformable_conv2d(**named, scope=scope, relu=case.relu, kernel=kernel)

        assert torch.autograd.gradcheck(layer, tuple(tensors.values()), eps=1e-6, atol=1e-6)

    def test_at_zero_offsets_the_slope_is_the_one_down_and_to_the_right(self):
        """There the interpolation has a bend; a new layer, whose offsets are zero, learns from this side."""
        tensors = Case(size=(6, 7), channels=2).tensors()
        tensors["input"] = tensors["input"].abs() + 0.1
        tensors["offset_weight"] = torch.zeros_like(tensors["offset_weight"])

        def loss(offset_weight):
            return deformable_conv2d(**tensors | {"offset_weight": offset_weight}, kernel="numba").sin().sum()

        zero = tensors["offset_weight"].requires_grad_()
        (gradient,) = torch.autograd.grad(loss(zero), zero)
        step = 1e-7
        with torch.no_grad():
            for place in range(0, zero.numel(), 5):
                moved = torch.zeros_like(zero)
                moved.view(-1)[place] = step
                slope = (loss(moved) - loss(zero)) / step
                torch.testing.assert_close(gradient.reshape(-1)[place], slope, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("channels", [3, 8, 16])
    @pytest.mark.parametrize("needed", NAMES)
    def test_only_what_needs_a_gradient_gets_one(self, needed, channels):
        case = Case(size=(19, 20), channels=channels, batch=2)
        tensors = case.tensors(torch.float32)
        everything = case.results("numba", tensors)
        tensors[needed].requires_grad_()
        output = deformable_conv2d(**tensors, scope=case.scope, kernel="numba")
        towards = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        output.backward(towards.float())
        assert {name for name in NAMES if tensors[name].grad is not None} == {needed}
        assert_close(tensors[needed].grad, everything[f"gradient of {needed}"], TOLERANCE[torch.float32])

    @both_kernels
    def test_without_a_tensor_that_needs_one_there_is_none(self, kernel):
        tensors = Case().tensors()
        assert not deformable_conv2d(**tensors, kernel=kernel).requires_grad
        tensors["weight"].requires_grad_()
        with torch.no_grad():
            assert not deformable_conv2d(**tensors, kernel=kernel).requires_grad
        with torch.inference_mode():
            assert deformable_conv2d(**tensors, kernel=kernel).is_inference()

    @both_kernels
    def test_gradients_are_added_to_those_that_are_there(self, kernel):
        tensors = Case().tensors()
        weight = tensors["weight"].requires_grad_()
        deformable_conv2d(**tensors, kernel=kernel).sum().backward()
        once = weight.grad.clone()
        deformable_conv2d(**tensors, kernel=kernel).sum().backward()
        torch.testing.assert_close(weight.grad, 2 * once)

    def test_of_a_gradient_there_is_none_and_it_says_so(self):
        tensors = Case().tensors()
        tensors["input"].requires_grad_()
        output = deformable_conv2d(**tensors, kernel="numba")
        (gradient,) = torch.autograd.grad(output.square().sum(), tensors["input"], create_graph=True)
        with pytest.raises(
            RuntimeError, match="this kernel has no second derivative; take the kernel reference"
        ):
            gradient.sum().backward()


@both_kernels
@both_precisions
class TestAsAPlainConvolution:
    def compare(self, kernel, dtype, case, tensors, of=("input", "weight")):
        results = case.results(kernel, tensors)
        leaves = {name: tensors[name].double().requires_grad_() for name in of}
        expected = F.conv2d(leaves["input"], leaves["weight"], tensors["bias"].double(), padding=1)
        generator = torch.Generator().manual_seed(1)
        expected.backward(torch.randn(expected.shape, generator=generator, dtype=torch.float64).float())
        assert_close(results["output"], expected.detach(), TOLERANCE[dtype])
        for name in of:
            assert_close(results[f"gradient of {name}"], leaves[name].grad, TOLERANCE[dtype])
        return results

    def test_with_a_scope_of_zero(self, kernel, dtype):
        case = Case(size=(21, 35), channels=5, batch=2, scope=0.0)
        results = self.compare(kernel, dtype, case, case.tensors(dtype))
        assert (results["gradient of offset_weight"] == 0).all()

    def test_with_an_offset_weight_of_zero(self, kernel, dtype):
        case = Case(size=(21, 35), channels=8, batch=2)
        tensors = case.tensors(dtype)
        tensors["offset_weight"].zero_()
        self.compare(kernel, dtype, case, tensors)

    def test_where_the_image_is_zero(self, kernel, dtype):
        case = Case(size=(21, 35))
        tensors = case.tensors(dtype)
        tensors["input"].zero_()
        output = deformable_conv2d(**tensors, kernel=kernel)
        assert (output == tensors["bias"].view(-1, 1, 1)).all()


@both_kernels
@both_precisions
class TestKnownAnswers:
    """Worked out by hand on a 3 x 4 image; a second channel, of ones, drives the offsets."""

    image = ((1.0, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12))

    def layer(self, kernel, dtype, scope, drive, tap=4, bias=None):
        """Copies the pixel under `tap`, all taps of which are driven by ``(dy, dx)``; rounded to 4 digits."""
        ramp = torch.tensor(self.image, dtype=dtype)
        offset_weight = torch.zeros(18, 2, 3, 3, dtype=dtype)
        offset_weight[0::2, 1, 1, 1], offset_weight[1::2, 1, 1, 1] = drive
        weight = torch.zeros(1, 2, 3, 3, dtype=dtype)
        weight.view(2, 9)[0, tap] = 1
        output = deformable_conv2d(
            torch.stack([ramp, torch.ones_like(ramp)])[None],
            offset_weight,
            weight,
            bias,
            scope,
            kernel=kernel,
        )
        return output[0, 0].double().round(decimals=4).tolist()

    def test_without_a_drive_the_centre_copies_the_image(self, kernel, dtype):
        assert self.layer(kernel, dtype, 2.0, (0, 0)) == [list(row) for row in self.image]

    def test_a_large_drive_moves_down_the_rows_by_the_scope(self, kernel, dtype):
        assert self.layer(kernel, dtype, 1.0, (1000, 0)) == [[5, 6, 7, 8], [9, 10, 11, 12], [0, 0, 0, 0]]
        assert self.layer(kernel, dtype, 2.0, (1000, 0)) == [[9, 10, 11, 12], [0, 0, 0, 0], [0, 0, 0, 0]]

    def test_or_along_the_columns(self, kernel, dtype):
        assert self.layer(kernel, dtype, 1.0, (0, 1000)) == [[2, 3, 4, 0], [6, 7, 8, 0], [10, 11, 12, 0]]
        assert self.layer(kernel, dtype, 3.0, (0, 1000)) == [[4, 0, 0, 0], [8, 0, 0, 0], [12, 0, 0, 0]]

    def test_a_negative_one_up_and_left(self, kernel, dtype):
        assert self.layer(kernel, dtype, 2.0, (-1000, -1000)) == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 2]]

    @pytest.mark.parametrize("drive", [(1000, 0), (0, 1000), (-1000, 0), (0, -1000)])
    def test_beyond_the_border_it_is_zero(self, kernel, dtype, drive):
        assert self.layer(kernel, dtype, 5.0, drive) == [[0.0] * 4] * 3

    def test_half_a_pixel_takes_the_mean_of_two(self, kernel, dtype):
        assert self.layer(kernel, dtype, 0.5, (0, 1000)) == [
            [1.5, 2.5, 3.5, 2],
            [5.5, 6.5, 7.5, 4],
            [9.5, 10.5, 11.5, 6],
        ]
        assert self.layer(kernel, dtype, 0.5, (-1000, 0))[0] == [0.5, 1, 1.5, 2]

    def test_a_position_between_four_pixels_takes_the_mean_of_all_four(self, kernel, dtype):
        assert self.layer(kernel, dtype, 0.5, (1000, 1000))[0][0] == (1 + 2 + 5 + 6) / 4
        assert self.layer(kernel, dtype, 0.5, (-1000, -1000))[0][0] == 1 / 4

    def test_the_shift_is_scope_times_tanh_of_the_drive(self, kernel, dtype):
        shifted = self.layer(kernel, dtype, 2.0, (0, math.atanh(0.25)))
        assert shifted[0][:3] == [1.5, 2.5, 3.5]

    def test_taps_lie_around_the_pixel_row_by_row(self, kernel, dtype):
        assert self.layer(kernel, dtype, 2.0, (0, 0), tap=0) == [[0, 0, 0, 0], [0, 1, 2, 3], [0, 5, 6, 7]]
        assert self.layer(kernel, dtype, 2.0, (0, 0), tap=5) == [[2, 3, 4, 0], [6, 7, 8, 0], [10, 11, 12, 0]]

    def test_a_tap_is_shifted_from_its_own_place(self, kernel, dtype):
        assert self.layer(kernel, dtype, 1.0, (0, -1000), tap=5) == [list(row) for row in self.image]
        assert self.layer(kernel, dtype, 1.0, (1000, 1000), tap=0) == [list(row) for row in self.image]

    @pytest.mark.parametrize("tap", range(9))
    def test_every_tap_has_its_own_pair_of_shifts(self, kernel, dtype, tap):
        """Moved alone by the pair of its number, a tap sees what the centre would."""
        ramp = torch.tensor(self.image, dtype=dtype)
        offset_weight = torch.zeros(18, 2, 3, 3, dtype=dtype)
        offset_weight[2 * tap, 1, 1, 1] = 1000 * (1 - tap // 3)
        offset_weight[2 * tap + 1, 1, 1, 1] = 1000 * (1 - tap % 3)
        weight = torch.zeros(1, 2, 3, 3, dtype=dtype)
        weight.view(2, 9)[0, tap] = 1
        images = torch.stack([ramp, torch.ones_like(ramp)])[None]
        output = deformable_conv2d(images, offset_weight, weight, scope=1.0, kernel=kernel)
        torch.testing.assert_close(output[0, 0], ramp)

    def test_the_bias_is_added_last(self, kernel, dtype):
        bias = torch.tensor([100.0], dtype=dtype)
        assert self.layer(kernel, dtype, 1.0, (1000, 0), bias=bias)[2] == [100] * 4


@both_kernels
@both_precisions
def test_relu_is_as_if_it_came_afterwards(kernel, dtype):
    tensors = Case(size=(19, 20)).tensors(dtype)
    gradients = []
    for fused in (True, False):
        leaf = tensors["input"].clone().requires_grad_()
        output = deformable_conv2d(**tensors | {"input": leaf}, relu=fused, kernel=kernel)
        output = output if fused else output.relu()
        output.square().sum().backward()
        gradients.append((output.detach(), leaf.grad))
    assert (gradients[0][0] == 0).float().mean() > 0.2
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], gradients[1][1])


@both_kernels
def test_the_output_may_be_changed_in_place(kernel):
    """As ``nn.ReLU(inplace=True)`` behind the layer does, in training too."""
    tensors = Case().tensors()
    tensors["weight"].requires_grad_()
    deformable_conv2d(**tensors, relu=True, kernel=kernel).sum().backward()
    expected, tensors["weight"].grad = tensors["weight"].grad, None
    deformable_conv2d(**tensors, kernel=kernel).relu_().sum().backward()
    torch.testing.assert_close(tensors["weight"].grad, expected)


@pytest.fixture
def keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@both_precisions
class TestSameBits:
    """Sums are taken in the same order however the work is shared out."""

    case = Case(size=(70, 45), channels=8, outputs=8, batch=2, drive=5.0)

    def results(self, dtype):
        return self.case.results("numba", self.case.tensors(dtype))

    def test_in_every_run(self, dtype):
        first = self.results(dtype)
        for _ in range(5):
            assert_same_bits(self.results(dtype), first)

    @pytest.mark.parametrize("scope", [2.0, 7.0, 20.0])
    def test_with_any_number_of_threads(self, dtype, scope, keep_threads):
        """However far a band of rows reaches over into the next."""
        case = Case(size=(150, 20), channels=8, outputs=8, scope=scope, drive=5.0)
        tensors = case.tensors(dtype)
        torch.set_num_threads(1)
        alone = case.results("numba", tensors)
        for threads in (2, 3, 2, 3, 16):
            torch.set_num_threads(threads)
            assert_same_bits(case.results("numba", tensors), alone)

    def test_when_several_threads_call_at_once(self, dtype, keep_threads):
        torch.set_num_threads(2)
        alone = self.results(dtype)
        with ThreadPoolExecutor(4) as callers:
            for results in callers.map(lambda _: self.results(dtype), range(12)):
                assert_same_bits(results, alone)

    def test_however_the_input_lies_in_memory(self, dtype):
        tensors = self.case.tensors(dtype)
        expected = self.case.results("numba", tensors)
        tensors["input"] = tensors["input"].contiguous(memory_format=torch.channels_last)
        assert_same_bits(self.case.results("numba", tensors), expected)

    def test_of_an_image_alone_or_in_a_batch(self, dtype):
        tensors = self.case.tensors(dtype)
        output = deformable_conv2d(**tensors, kernel="numba")
        alone = [
            deformable_conv2d(**tensors | {"input": image[None]}, kernel="numba")
            for image in tensors["input"]
        ]
        assert torch.equal(output, torch.cat(alone))


@both_kernels
@both_precisions
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=str)
class TestNotANumber:
    case = Case(size=(40, 41), batch=3, bias=True)

    def spoiled(self, dtype, bad):
        tensors = self.case.tensors(dtype)
        tensors["input"][1, :, 19:22, 20] = bad
        return tensors

    def test_in_one_image_leaves_the_others_of_its_batch_alone(self, kernel, dtype, bad):
        results = self.case.results(kernel, self.spoiled(dtype, bad))
        expected = self.case.results(kernel, self.case.tensors(dtype))
        assert not results["output"][1].isfinite().all()
        for name in ("output", "gradient of input"):
            for image in (0, 2):
                assert torch.equal(results[name][image], expected[name][image])

    def test_in_one_pixel_reaches_no_further_than_scope_and_kernel(self, kernel, dtype, bad):
        output = deformable_conv2d(**self.spoiled(dtype, bad), kernel=kernel)
        expected = deformable_conv2d(**self.case.tensors(dtype), kernel=kernel)
        reach = 1 + 2 + 1
        far = torch.ones(40, 41, dtype=torch.bool)
        far[19 - reach : 22 + reach, 20 - reach : 21 + reach] = False
        torch.testing.assert_close(output[1][:, far], expected[1][:, far])


@both_kernels
@both_precisions
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("outputs", [5, 8, 16])
@pytest.mark.parametrize("name", ["offset_weight", "weight", "bias"])
def test_a_weight_that_is_not_a_number_shows_in_the_output(kernel, dtype, relu, outputs, name):
    """A network whose training went astray must not look sound."""
    tensors = Case(outputs=outputs).tensors(dtype)
    tensors[name].fill_(math.nan)
    assert deformable_conv2d(**tensors, relu=relu, kernel=kernel).isnan().all()


@both_kernels
@both_precisions
def test_what_is_given_is_left_unchanged(kernel, dtype):
    for case in (Case(channels=8, outputs=8), Case(channels=3, outputs=5, relu=True)):
        tensors = case.tensors(dtype)
        tensors["input"] = tensors["input"].contiguous(memory_format=torch.channels_last)
        before = {name: tensor.clone() for name, tensor in tensors.items()}
        leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
        output = deformable_conv2d(**leaves, relu=case.relu, kernel=kernel)
        towards = torch.ones_like(output)
        output.backward(towards)
        assert_same_bits({name: tensor.detach() for name, tensor in leaves.items()}, before)
        assert (towards == 1).all()


@pytest.mark.parametrize("outputs", [1, 5, 8])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_output_is_channels_last(outputs, memory_format):
    tensors = Case(outputs=outputs, batch=2).tensors(torch.float32)
    tensors["input"] = tensors["input"].contiguous(memory_format=memory_format)
    output = deformable_conv2d(**tensors, kernel="numba")
    assert output.shape == (2, outputs, 7, 9)
    assert output.is_contiguous(memory_format=torch.channels_last)


@both_kernels
def test_a_batch_of_no_images_gives_none(kernel):
    """As ``F.conv2d`` does: the last batch of a filtered data set may be empty."""
    tensors = Case(batch=0).tensors()
    tensors["weight"].requires_grad_()
    output = deformable_conv2d(**tensors, kernel=kernel)
    assert output.shape == (0, 5, 7, 9)
    output.sum().backward()
    assert (tensors["weight"].grad == 0).all()


@numba.njit
def tanh_in_place(values):
    _tanh_in_place(values)


def tanh(values):
    """Of any number of values, by the kernels, which take them by eights."""
    padded = np.concatenate([values, np.zeros(-len(values) % 8, values.dtype)])
    tanh_in_place(padded)
    return padded[: len(values)]


class TestTanh:
    """The kernels' own, and that of the C library in float64."""

    points = np.unique(
        np.concatenate(
            [np.linspace(-20, 20, 400_001), np.geomspace(1e-30, 20, 10_000), -np.geomspace(1e-30, 20, 10_000)]
        ).astype(np.float32)
    )

    def test_in_float32_to_a_few_roundings(self):
        exact = np.tanh(self.points.astype(np.float64))
        error = np.abs(tanh(self.points) - exact)
        assert error.max() <= 5e-7
        assert (error <= 5e-7 * np.abs(exact) + 1e-37).all()

    def test_in_float64_to_the_last_digits(self):
        points = self.points.astype(np.float64)
        np.testing.assert_allclose(tanh(points), np.tanh(points), rtol=1e-15, atol=0)

    def test_it_never_leaves_the_interval_from_minus_one_to_one(self):
        """Shifts are at most the scope; bands of rows that run together rely on it."""
        far = np.array([8, 9, 30, 1e4, 1e30, 3e38, np.inf], np.float32)
        for points in (self.points, far, -far):
            assert np.abs(tanh(points)).max() <= 1

    def test_far_out_it_is_one(self):
        far = np.array([20, 1e4, 1e30, np.inf], np.float32)
        np.testing.assert_allclose(tanh(far), 1, rtol=0, atol=5e-7)
        np.testing.assert_allclose(tanh(-far), -1, rtol=0, atol=5e-7)

    def test_it_is_odd(self):
        assert (tanh(-self.points) == -tanh(self.points)).all()
        assert tanh(np.zeros(8, np.float32)).tolist() == [0.0] * 8

    def test_it_grows_but_for_roundings(self):
        assert np.diff(tanh(self.points)).min() >= -5e-7

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_what_is_not_a_number_stays_so(self, dtype):
        assert np.isnan(tanh(np.array([0.5, np.nan, -0.5], dtype))).tolist() == [False, True, False]


class TestSkip:
    """The last channels as a tensor of their own."""

    @pytest.mark.parametrize(
        ("size", "channels", "skips", "outputs"),
        [
            ((33, 47), 8, 8, 8),
            ((9, 11), 3, 5, 7),
            ((20, 64), 16, 16, 16),
            ((17, 19), 32, 32, 9),
            ((1, 5), 1, 1, 1),
            ((40, 3), 4, 10, 5),
        ],
    )
    @pytest.mark.parametrize("relu", [False, True])
    def test_is_as_if_both_were_joined(self, size, channels, skips, outputs, relu):
        tensors = Case(size, channels + skips, outputs, batch=2).tensors(torch.float32)
        joined = tensors.pop("input")
        parts = [part.clone().requires_grad_() for part in (joined[:, :channels], joined[:, channels:])]
        joined.requires_grad_()
        output = deformable_conv2d(parts[0], **tensors, relu=relu, skip=parts[1], kernel="numba")
        expected = deformable_conv2d(joined, **tensors, relu=relu, kernel="reference")
        assert_close(output, expected, 1e-5)

        towards = torch.ones_like(output)
        of_parts = torch.autograd.grad(output, parts, towards)
        of_joined = torch.autograd.grad(expected, joined, towards)[0]
        assert_close(torch.cat(of_parts, dim=1), of_joined, 1e-5)

    @both_kernels
    def test_either_part_may_need_no_gradient(self, kernel):
        tensors = Case((7, 9), 8, 5).tensors(torch.float32)
        joined = tensors.pop("input")
        expected = None
        for needed in ((True, True), (True, False), (False, True)):
            parts = [
                part.clone().requires_grad_(needs)
                for part, needs in zip((joined[:, :4], joined[:, 4:]), needed, strict=True)
            ]
            deformable_conv2d(parts[0], **tensors, skip=parts[1], kernel=kernel).sum().backward()
            expected = expected or [part.grad for part in parts]
            for part, needs, gradient in zip(parts, needed, expected, strict=True):
                assert torch.equal(part.grad, gradient) if needs else part.grad is None

    @both_kernels
    def test_of_another_size_is_refused(self, kernel):
        tensors = Case((7, 9), 8, 5).tensors(torch.float32)
        image = tensors.pop("input")[:, :4]
        with pytest.raises(ValueError, match="skip has shape"):
            deformable_conv2d(image, **tensors, skip=image[..., :-1], kernel=kernel)
