"""Deformable convolution: what it computes, its gradients, and the shapes it refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from drepano.ops import deform_conv2d


@dataclass(frozen=True)
class Case:
    """Shapes and settings of one deformable convolution, and how far its offsets reach (px)."""

    batch: int = 2
    channels: int = 4
    out_channels: int = 6
    size: tuple[int, int] = (7, 9)
    kernel: tuple[int, int] = (3, 3)
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 1
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    offset_groups: int = 1
    mask: bool = True
    bias: bool = True
    reach: float = 2.0

    @property
    def settings(self):
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}

    @property
    def out_size(self):
        plain = F.conv2d(torch.zeros(1, 1, *self.size), torch.zeros(1, 1, *self.kernel), **self.settings)
        return tuple(plain.shape[-2:])

    def tensors(self, dtype=torch.float64, seed=0):
        """Input, offset, weight, bias and mask; sampling positions stay a tenth of a pixel off the grid."""
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        def uniform(low, high, *shape):
            return torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low

        taps = self.kernel[0] * self.kernel[1]
        offset_shape = (self.batch, 2 * self.offset_groups * taps, *self.out_size)
        whole = uniform(-self.reach, self.reach, *offset_shape).floor()
        offset = whole + uniform(0.1, 0.9, *offset_shape)
        tensors = {
            "input": normal(self.batch, self.channels, *self.size),
            "offset": offset,
            "weight": normal(self.out_channels, self.channels // self.groups, *self.kernel),
            "bias": normal(self.out_channels) if self.bias else None,
            "mask": uniform(0, 1, self.batch, self.offset_groups * taps, *self.out_size)
            if self.mask
            else None,
        }
        return {
            name: None if tensor is None else tensor.to(dtype).requires_grad_()
            for name, tensor in tensors.items()
        }


CASES = {
    "the paper's": Case(mask=False, bias=False),
    "modulated, with bias": Case(),
    "1x1 kernel": Case(kernel=(1, 1), padding=0),
    "3x5 kernel, padded to keep the size": Case(kernel=(3, 5), padding=(1, 2)),
    "stride of two": Case(stride=2),
    "another stride in rows than in columns": Case(stride=(3, 1), padding=(0, 2)),
    "dilated": Case(dilation=(2, 1), padding=(2, 1)),
    "groups": Case(groups=2),
    "offset groups": Case(offset_groups=2),
    "depthwise, every channel with its own offsets": Case(groups=4, out_channels=4, offset_groups=4),
    "all at once": Case(
        size=(11, 5), kernel=(3, 5), stride=(2, 1), padding=(1, 3), dilation=(1, 2), groups=2, offset_groups=4
    ),
    "offsets that leave the image": Case(reach=30.0),
    "one pixel": Case(size=(1, 1)),
    "one row": Case(size=(1, 13), batch=1),
    "no padding": Case(padding=0),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture(scope="session")
def torchvision_op():
    try:
        from torchvision.ops import deform_conv2d as reference
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    return reference


def assert_same_as_torchvision(reference, case, dtype, tolerance, seed=0):
    ours = case.tensors(dtype, seed)
    theirs = case.tensors(dtype, seed)
    output = deform_conv2d(**ours, **case.settings)
    expected = reference(**theirs, **case.settings)
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(output, expected, **close)

    towards = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    output.backward(towards.to(dtype))
    expected.backward(towards.to(dtype))
    for name, tensor in ours.items():
        if tensor is not None:
            torch.testing.assert_close(
                tensor.grad, theirs[name].grad, **close, msg=lambda m, n=name: f"{n}: {m}"
            )


class TestAgainstTorchvision:
    """The same inputs give the same output and the same gradients."""

    @each_case
    def test_in_float64(self, torchvision_op, case):
        assert_same_as_torchvision(torchvision_op, case, torch.float64, 1e-10)

    @each_case
    def test_in_float32(self, torchvision_op, case):
        assert_same_as_torchvision(torchvision_op, case, torch.float32, 5e-4)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_for_any_shape(self, torchvision_op, data):
        def small(low, high):
            return data.draw(st.integers(low, high))

        kernel = (small(1, 4), small(1, 5))
        dilation = (small(1, 2), small(1, 3))
        padding = (small(0, 3), small(0, 3))
        least = [max(1, dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i]) for i in range(2)]
        groups = small(1, 3)
        offset_groups = small(1, 2)
        case = Case(
            batch=small(1, 3),
            channels=groups * offset_groups * small(1, 2),
            out_channels=groups * small(1, 2),
            size=(least[0] + small(0, 6), least[1] + small(0, 6)),
            kernel=kernel,
            stride=(small(1, 3), small(1, 3)),
            padding=padding,
            dilation=dilation,
            groups=groups,
            offset_groups=offset_groups,
            mask=data.draw(st.booleans()),
            bias=data.draw(st.booleans()),
            reach=data.draw(st.sampled_from([0.5, 2.0, 20.0])),
        )
        assert_same_as_torchvision(torchvision_op, case, torch.float64, 1e-9, seed=small(0, 1000))


class TestGradients:
    """Numerical derivatives agree in every tensor argument."""

    @pytest.mark.parametrize(
        "case",
        [
            Case(batch=1, channels=2, out_channels=2, size=(4, 5)),
            Case(batch=2, channels=2, out_channels=2, size=(3, 4), groups=2, offset_groups=2, kernel=(1, 3)),
            Case(batch=1, channels=2, out_channels=1, size=(5, 4), stride=2, dilation=2, reach=6.0),
            Case(batch=1, channels=1, out_channels=2, size=(3, 3), mask=False, bias=False),
        ],
        ids=["plain", "groups", "strided, dilated, far", "the paper's"],
    )
    def test_equal_finite_differences(self, case):
        given_tensors = {name: tensor for name, tensor in case.tensors().items() if tensor is not None}

        def operator(*tensors):
            return deform_conv2d(**dict(zip(given_tensors, tensors, strict=True)), **case.settings)

        assert torch.autograd.gradcheck(operator, tuple(given_tensors.values()), eps=1e-6, atol=1e-6)


def offsets(batch, taps, size, shift=(0.0, 0.0)):
    """The same (dy, dx) for every tap and position."""
    return torch.tensor(shift, dtype=torch.float64).repeat(taps).view(1, -1, 1, 1).expand(batch, -1, *size)


@each_case
def test_without_offsets_it_is_an_ordinary_convolution(case):
    tensors = case.tensors()
    output = deform_conv2d(
        tensors["input"],
        torch.zeros_like(tensors["offset"]),
        tensors["weight"],
        tensors["bias"],
        **case.settings,
    )
    expected = F.conv2d(
        tensors["input"], tensors["weight"], tensors["bias"], groups=case.groups, **case.settings
    )
    torch.testing.assert_close(output, expected)


def values(output):
    """The first channel of the first image as a list, free of rounding errors."""
    return output[0, 0].round(decimals=9).tolist()


class TestKnownAnswers:
    """Worked out by hand on a 3 x 4 image with a 1 x 1 kernel of weight one."""

    image = torch.tensor([[[[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]]], dtype=torch.float64)
    identity = torch.ones(1, 1, 1, 1, dtype=torch.float64)

    def shifted(self, dy, dx):
        return values(deform_conv2d(self.image, offsets(1, 1, (3, 4), (dy, dx)), self.identity))

    def test_the_first_of_a_pair_moves_down_the_rows(self):
        assert self.shifted(1, 0) == [[5, 6, 7, 8], [9, 10, 11, 12], [0, 0, 0, 0]]

    def test_the_second_of_a_pair_moves_along_the_columns(self):
        assert self.shifted(0, 1) == [[2, 3, 4, 0], [6, 7, 8, 0], [10, 11, 12, 0]]

    def test_whole_pixels_up_and_left(self):
        assert self.shifted(-1, -2) == [[0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 5, 6]]

    def test_half_a_pixel_takes_the_mean_of_two(self):
        assert self.shifted(0, 0.5)[0][:3] == [1.5, 2.5, 3.5]
        assert self.shifted(0.5, 0)[0] == [3, 4, 5, 6]

    def test_a_position_between_four_pixels_takes_the_mean_of_all_four(self):
        assert self.shifted(0.5, 0.5)[0][0] == (1 + 2 + 5 + 6) / 4

    def test_bilinear_weights_are_areas(self):
        assert self.shifted(0.25, 0.75)[0][0] == pytest.approx(
            0.75 * 0.25 * 1 + 0.75 * 0.75 * 2 + 0.25 * 0.25 * 5 + 0.25 * 0.75 * 6
        )

    def test_beyond_the_edge_it_fades_to_zero_within_a_pixel(self):
        """The last row and column count, and what lies outside is zero."""
        assert self.shifted(0.5, 0)[2] == [4.5, 5, 5.5, 6]
        assert self.shifted(0, 0.5)[0][3] == 2.0
        assert self.shifted(-0.5, -0.5)[0][0] == 0.25
        assert self.shifted(0.5, 0.5)[2][3] == 3.0

    @pytest.mark.parametrize("shift", [(3, 0), (0, 4), (-3, 0), (0, -4), (1e6, 1e6)])
    def test_far_outside_it_is_zero(self, shift):
        assert self.shifted(*shift) == [[0.0] * 4] * 3

    def test_the_mask_multiplies_the_samples_and_the_bias_is_added_after_it(self):
        output = deform_conv2d(
            self.image,
            offsets(1, 1, (3, 4)),
            self.identity,
            bias=torch.tensor([100.0], dtype=torch.float64),
            mask=torch.full((1, 1, 3, 4), 0.5, dtype=torch.float64),
        )
        torch.testing.assert_close(output, 100 + self.image / 2)

    def test_every_tap_has_its_own_offset_row_by_row(self):
        """Moved alone, the tap of the right middle sees what its right neighbour would."""
        weight = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
        weight[0, 0, 1, 2] = 1
        shift = torch.zeros(1, 18, 3, 4, dtype=torch.float64)
        shift[:, 2 * 5 + 1] = 1.0
        output = deform_conv2d(self.image, shift, weight, padding=1)
        assert values(output) == [[3, 4, 0, 0], [7, 8, 0, 0], [11, 12, 0, 0]]

    def test_offset_groups_divide_the_channels_in_order(self):
        image = self.image.repeat(1, 2, 1, 1)
        shift = torch.cat([offsets(1, 1, (3, 4)), offsets(1, 1, (3, 4), (1, 0))], dim=1)
        weight = torch.eye(2, dtype=torch.float64).view(2, 2, 1, 1)
        output = deform_conv2d(image, shift, weight)
        assert values(output) == values(self.image)
        assert values(output[:, 1:]) == self.shifted(1, 0)


def test_whole_pixel_offsets_are_the_convolution_of_the_shifted_image():
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(1, 3, 12, 13, dtype=torch.float64)
    image[..., 4:8, 4:8] = torch.randn(1, 3, 4, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float64)
    output = deform_conv2d(image, offsets(1, 9, (12, 13), (2.0, -1.0)), weight, padding=1)
    expected = F.conv2d(image.roll((-2, 1), dims=(2, 3)), weight, padding=1)
    torch.testing.assert_close(output, expected)


def test_the_result_has_the_inputs_type():
    tensors = CASES["modulated, with bias"].tensors(torch.float32)
    assert deform_conv2d(**tensors, padding=1).dtype == torch.float32


class TestRefusals:
    """Shapes that do not fit are named with what was expected."""

    @staticmethod
    def call(**changes):
        arguments = {
            "input": torch.zeros(2, 4, 8, 8),
            "offset": torch.zeros(2, 18, 8, 8),
            "weight": torch.zeros(6, 4, 3, 3),
            "padding": 1,
        }
        return deform_conv2d(**(arguments | changes))

    def test_what_fits_is_taken(self):
        assert self.call().shape == (2, 6, 8, 8)

    @pytest.mark.parametrize(
        ("name", "shape"), [("input", (4, 8, 8)), ("offset", (18, 8, 8)), ("weight", (4, 3, 3))]
    )
    def test_tensors_without_four_dimensions(self, name, shape):
        with pytest.raises(ValueError, match=re.escape(f"{name} has shape {shape}, expected 4 dimensions")):
            self.call(**{name: torch.zeros(shape)})

    @pytest.mark.parametrize("shape", [(6, 3, 3, 3), (6, 5, 3, 3), (6, 0, 3, 3), (6, 1, 3, 3)])
    def test_a_weight_for_another_number_of_channels(self, shape):
        with pytest.raises(
            ValueError, match=r"weight of shape \(6, .*does not fit 4 input channels; its second"
        ):
            self.call(weight=torch.zeros(shape))

    @pytest.mark.parametrize("channels", [0, 9, 17, 19, 3 * 18])
    def test_an_offset_with_another_number_of_channels(self, channels):
        with pytest.raises(
            ValueError, match=rf"offset has {channels} channels, expected 2 \* 9 for each offset group"
        ):
            self.call(offset=torch.zeros(2, channels, 8, 8))

    @pytest.mark.parametrize("shape", [(1, 18, 8, 8), (2, 18, 7, 8), (2, 18, 8, 1)])
    def test_an_offset_of_another_size(self, shape):
        with pytest.raises(ValueError, match=r"offset has shape .*, expected \(2, 18, 8, 8\)"):
            self.call(offset=torch.zeros(shape))

    @pytest.mark.parametrize("shape", [(2, 18, 8, 8), (2, 9, 7, 8), (1, 9, 8, 8), (9, 8, 8)])
    def test_a_mask_of_another_shape(self, shape):
        with pytest.raises(ValueError, match=r"mask has shape .*, expected \(2, 9, 8, 8\)"):
            self.call(mask=torch.zeros(shape))

    @pytest.mark.parametrize("shape", [(4,), (6, 1), ()])
    def test_a_bias_of_another_shape(self, shape):
        with pytest.raises(ValueError, match=r"bias has shape .*, expected \(6,\)"):
            self.call(bias=torch.zeros(shape))

    def test_an_image_smaller_than_the_kernel(self):
        with pytest.raises(ValueError, match="input of 2 x 8 is smaller than the kernel; pad it"):
            self.call(input=torch.zeros(2, 4, 2, 8), padding=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_place_in_a_large_image(dtype):
    """Positions are computed in float32: half precision cannot tell pixel 300 from pixel 301."""
    torch.manual_seed(0)
    image, weight = torch.rand(1, 2, 6, 300), torch.rand(3, 2, 3, 3)
    offset = torch.zeros(1, 18, 6, 300)
    expected = F.conv2d(image, weight, padding=1)
    result = deform_conv2d(image.to(dtype), offset.to(dtype), weight.to(dtype), padding=1)
    assert result.dtype == dtype
    assert (result.float() - expected).abs().max() < 0.1
