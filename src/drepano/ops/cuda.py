"""The deformable layer on an NVIDIA GPU: offsets, tanh, sampling and product in one kernel each way.

Nothing of the size of the samples (9 x channels x height x width) is ever in memory, and the offsets are not
either: backward makes both anew. It adds up gradients in float32 with atomic additions, whose order, and with
it the last digits, may differ from run to run.

With ``TRITON_INTERPRET=1`` in the environment before Triton is imported, the same kernels run on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from drepano.errors import first_line
from drepano.ops import cuda_kernels as kernels
from drepano.ops.reference import deform_conv2d

TAPS = 9
SHIFTS = 18
_SHIFT_SUMS = 20
"""As in the kernels."""

FLOAT32_PRODUCT = "ieee"
"""How `tl.dot` multiplies float32: "tf32x3" would be on the tensor cores, and as precise, but Triton 3.2
cannot compile it."""

_HALF = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}

_LARGEST_DIFFERENCE = 1e-4
"""From float64, of a layer that is right in float32; relative to the largest magnitude."""

_COPIES = 64
_COPIES_BYTES = 16 * 2**20
"""Of the sums of weights' gradients there are as many copies as these two allow."""


@dataclass(frozen=True)
class Schedule:
    """How the work is cut up.

    A tile is 4 x 4 pixels and has one warp: each of its threads has two vectors of four channels of a corner,
    which with all that is made of them fits its registers, and no warp waits for another.

    Attributes
    ----------
    rows, columns : int
        Of a tile, in pixels; powers of two, 16 pixels at least.
    warps : int
        That do a tile.
    programs : int
        For each multiprocessor; 32 are the most that run at once.
    registers : int, optional
        Most of a thread.
    """

    rows: int = 4
    columns: int = 4
    warps: int = 1
    programs: int = 32
    registers: int | None = None


FORWARD = Schedule()
BACKWARD = Schedule()


@cache
def fault(device: torch.device) -> str | None:
    """What is wrong with the kernels on `device`, found on a small layer; None where nothing is.

    They are compiled and run both ways, which takes seconds where they are not on disk yet, and compared with
    plain PyTorch in float64.
    """
    try:
        difference = _difference_from_reference(device)
    except Exception as error:  # without compiler, with headers missing, on a GPU too old: of any kind
        return f"{type(error).__name__}: {first_line(error)[:120]}"
    if difference <= _LARGEST_DIFFERENCE:
        return None
    return f"results differ from PyTorch's by {difference:.1g} of the largest"


def _difference_from_reference(device: torch.device) -> float:
    """The largest, of output and gradients, each relative to its largest magnitude."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 3, 5, 6), (18, 3, 3, 3), (4, 3, 3, 3), (4,), (1, 4, 5, 6))
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        input, offset_weight, weight, bias, towards = (
            torch.randn(shape, generator=generator).to(device) for shape in shapes
        )
        leaves = [tensor.double().requires_grad_() for tensor in (input, offset_weight, weight, bias)]
        shift = torch.tanh(F.conv2d(leaves[0], leaves[1], padding=1))
        true = deform_conv2d(leaves[0], shift, leaves[2], leaves[3], padding=1)
        truths = (true.detach(), *torch.autograd.grad(true, leaves, towards.double()))
        output = forward(input, offset_weight, weight, bias, 1.0, False)
        results = (output, *backward(towards, input, offset_weight, weight, 1.0, True))
        differences = [
            (result.double() - truth).abs().max() / truth.abs().max()
            for result, truth in zip(results, truths, strict=True)
        ]
        return float(torch.stack(differences).max())  # NaN if any is: Python's own max would pass over it


def forward(
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scope: float,
    relu: bool,
    skip: Tensor | None = None,
) -> Tensor:
    """The layer's output, channels last; see `drepano.ops.deformable_conv2d`."""
    if skip is not None:
        input = torch.cat([input, skip], dim=1)
    work = _Work.of(input, weight, FORWARD)
    batch, _, height, width = input.shape
    output = torch.empty(
        (batch, work.outputs, height, width),
        dtype=input.dtype,
        device=input.device,
        memory_format=torch.channels_last,
    )
    blocks = int(triton.cdiv(work.outputs, work.output_block))
    with torch.cuda.device_of(input):
        kernels.forward[(work.runs, blocks)](
            _channels_last(input),
            _taps_first(offset_weight),
            _taps_first(weight),
            bias,
            output,
            work.scratch(SHIFTS * blocks, input.device),
            height,
            width,
            work.tiles,
            work.run,
            float(scope),
            RELU=relu,
            **work.constants(input.dtype, input.device),
        )
    return output


def backward(
    gradient: Tensor,
    input: Tensor,
    offset_weight: Tensor,
    weight: Tensor,
    scope: float,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of input (empty if not needed), offset weight, weight and bias."""
    work = _Work.of(input, weight, BACKWARD)
    _, channels, height, width = input.shape
    input_gradient = torch.zeros_like(
        input if needs_input else input.new_empty(0, 1, 1, 1),
        dtype=torch.float32,
        memory_format=torch.channels_last,
    )
    sizes = (TAPS * channels * work.outputs, TAPS * channels * _SHIFT_SUMS, work.outputs)
    copies = max(1, min(_COPIES, _COPIES_BYTES // (4 * sum(sizes))))
    sums = torch.zeros((copies, sum(sizes)), dtype=torch.float32, device=input.device)
    with torch.cuda.device_of(input):
        kernels.backward[(work.runs,)](
            _channels_last(gradient),
            _channels_last(input),
            _taps_first(offset_weight),
            _taps_first(weight),
            input_gradient,
            sums,
            work.scratch(2 * SHIFTS, input.device),
            height,
            width,
            work.tiles,
            work.run,
            float(scope),
            COPIES=copies,
            NEEDS_INPUT=needs_input,
            **work.constants(input.dtype, input.device),
        )
    of_weight, of_offset_weight, of_bias = sums.sum(0).split(sizes)
    return (
        input_gradient.to(input.dtype) if needs_input else input.new_empty(0),
        _like_weight(of_offset_weight, offset_weight),
        _like_weight(of_weight, weight),
        of_bias.to(weight.dtype, copy=True),
    )


@dataclass(frozen=True)
class _Work:
    """The work of one call, cut up.

    Products are of blocks of 16 channels, or of several taps of fewer channels; and of up to 64 outputs.
    """

    channels: int
    outputs: int
    channel_block: int
    output_block: int
    tiles: int
    run: int
    """Tiles that one program does."""
    schedule: Schedule

    @classmethod
    def of(cls, input: Tensor, weight: Tensor, schedule: Schedule) -> _Work:
        batch, channels, height, width = input.shape
        outputs = weight.shape[0]
        if height * width * max(channels, outputs) >= 2**31:
            raise ValueError(
                f"deformable_conv2d: an image of {height} x {width} x {max(channels, outputs)} is too large "
                "for the 32-bit places of the kernel triton"
            )
        tiles = batch * -(-height // schedule.rows) * -(-width // schedule.columns)
        programs = 4
        if input.is_cuda:
            programs = torch.cuda.get_device_properties(input.device).multi_processor_count
            programs *= schedule.programs
        return cls(
            channels=channels,
            outputs=outputs,
            channel_block=min(16, triton.next_power_of_2(channels)),
            output_block=min(64, max(16, triton.next_power_of_2(outputs))),
            tiles=tiles,
            run=max(1, -(-tiles // programs)),
            schedule=schedule,
        )

    @property
    def runs(self) -> int:
        return -(-self.tiles // self.run)

    def scratch(self, numbers: int, device: torch.device) -> Tensor:
        """`numbers` for each pixel of a tile of all programs."""
        pixels = self.schedule.rows * self.schedule.columns
        return torch.empty(self.runs * pixels * numbers, dtype=torch.float32, device=device)

    def constants(self, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
        """What the kernels are compiled for."""
        if dtype == torch.float32:
            factor, precision = tl.float32, FLOAT32_PRODUCT
        else:
            # Gradients of shifts stay float32, since float16 may be too narrow for them; of their digits in
            # products half are enough. Triton's interpreter cannot multiply bfloat16.
            factor, precision = _HALF[dtype] if device.type == "cuda" else tl.float32, "tf32"
        return {
            "CHANNELS": self.channels,
            "OUTPUTS": self.outputs,
            "FACTOR": factor,
            "PRECISION": precision,
            "ROWS": self.schedule.rows,
            "COLUMNS": self.schedule.columns,
            "CHANNEL_BLOCK": self.channel_block,
            "OUTPUT_BLOCK": self.output_block,
            "TAPS_TOGETHER": 16 // self.channel_block,
            "num_warps": self.schedule.warps,
            # Loads ahead of their loop would be held in shared memory, which fewer programs could share.
            "num_stages": 1,
            "maxnreg": self.schedule.registers,
            "enable_fp_fusion": True,
        }


def _channels_last(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last)


def _taps_first(weight: Tensor) -> Tensor:
    """(O, C, 3, 3) to (3, 3, C, O)."""
    return weight.permute(2, 3, 1, 0).contiguous()


def _like_weight(sums: Tensor, weight: Tensor) -> Tensor:
    """(9, C, O or more) numbers as the (O, C, 3, 3) of `weight`."""
    outputs, channels = weight.shape[:2]
    parts = sums.view(3, 3, channels, -1)[..., :outputs].permute(3, 2, 0, 1)
    return torch.empty_like(weight, memory_format=torch.contiguous_format).copy_(parts)
