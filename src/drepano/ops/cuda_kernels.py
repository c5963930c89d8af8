"""The compiled kernels of the deformable layer on a GPU: tiles of pixels, forward and backward.

Images are channels last. In the shapes below P is the pixels of a tile, T the taps done together, B the
channels done together, K = T x B, and O the outputs done together. A weight is stored as (taps, channels,
outputs).

A program does `run` tiles, one after the other: neighbours, so that what one has read is in the cache for the
next. A tile's shifts are written to a scratch of the program's own, which stays in the cache too; every
thread reads from it those of its taps. All else is made and used up in registers. Positions, interpolation
and sums are in float32 whatever the images are. Places in one image are 32 bits wide, images begin anywhere.
"""

from __future__ import annotations

import triton
import triton.language as tl

TAPS = tl.constexpr(9)
SHIFTS = tl.constexpr(18)
SHIFT_SUMS = tl.constexpr(20)
"""`SHIFTS` in the sums, a multiple of 4: so many numbers are added at a time."""
PADDED_SHIFTS = tl.constexpr(32)
"""`SHIFTS` in products."""

# One kernel for images of all sizes.
_compiled = triton.jit(do_not_specialize=["height", "width", "tiles", "run", "scope"])


@_compiled
def forward(
    input,
    offset_weight,
    weight,
    bias,
    output,
    scratch,
    height,
    width,
    tiles,
    run,
    scope,
    CHANNELS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    RELU: tl.constexpr,
    FACTOR: tl.constexpr,
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNEL_BLOCK: tl.constexpr,
    OUTPUT_BLOCK: tl.constexpr,
    TAPS_TOGETHER: tl.constexpr,
):
    """Outputs of a run of tiles; the grid is (runs, blocks of outputs)."""
    PIXELS: tl.constexpr = ROWS * COLUMNS
    TERMS: tl.constexpr = TAPS_TOGETHER * CHANNEL_BLOCK
    program = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    bounded = scratch + program.to(tl.int64) * (PIXELS * SHIFTS)
    out = tl.program_id(1) * OUTPUT_BLOCK + tl.arange(0, OUTPUT_BLOCK)
    tile = tl.program_id(0) * run
    end = tl.minimum(tile + run, tiles)
    # Not a range: with recent NumPy some of Triton's interpreters (3.2, 3.6) take only constants for one.
    while tile < end:
        first_pixel, y, x, valid = _tile(tile, height, width, ROWS, COLUMNS)
        image = input + first_pixel * CHANNELS
        _store_bounded_shifts(
            bounded,
            image,
            offset_weight,
            y,
            x,
            valid,
            height,
            width,
            CHANNELS,
            CHANNEL_BLOCK,
            TAPS_TOGETHER,
            FACTOR,
            PRECISION,
        )
        tl.debug_barrier()
        total = tl.zeros((PIXELS, OUTPUT_BLOCK), tl.float32)
        for first_tap in range(0, TAPS, TAPS_TOGETHER):
            tap = first_tap + tl.arange(0, TAPS_TOGETHER)
            dy, dx = _load_bounded_shift(bounded, tap, PIXELS)
            top, left, down, right = _cells(scope * dy, scope * dx, tap, y, x)
            wanted = valid[:, None] & (tap < TAPS)[None, :]
            for first_channel in range(0, CHANNELS, CHANNEL_BLOCK):
                channel = first_channel + tl.arange(0, CHANNEL_BLOCK)
                a, b, c, d = _corners(image, top, left, wanted, channel, height, width, CHANNELS)
                sample = (1 - down) * ((1 - right) * a + right * b) + down * ((1 - right) * c + right * d)
                total = tl.dot(
                    tl.reshape(sample, (PIXELS, TERMS)).to(FACTOR),
                    _weights(weight, tap, channel, out, CHANNELS, OUTPUTS).to(FACTOR),
                    total,
                    input_precision=PRECISION,
                )
        if bias is not None:
            total += tl.load(bias + out, mask=out < OUTPUTS, other=0).to(tl.float32)[None, :]
        if RELU:
            total = tl.where(total < 0, 0.0, total)
        pointers, there = _outputs(output + first_pixel * OUTPUTS, y, x, valid, out, width, OUTPUTS)
        tl.store(pointers, total.to(output.dtype.element_ty), mask=there)
        tl.debug_barrier()
        tile += 1


@_compiled
def backward(
    gradient,
    input,
    offset_weight,
    weight,
    input_gradient,
    sums,
    scratch,
    height,
    width,
    tiles,
    run,
    scope,
    COPIES: tl.constexpr,
    CHANNELS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    NEEDS_INPUT: tl.constexpr,
    FACTOR: tl.constexpr,
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNEL_BLOCK: tl.constexpr,
    OUTPUT_BLOCK: tl.constexpr,
    TAPS_TOGETHER: tl.constexpr,
):
    """What a run of tiles adds to all gradients; the grid is the runs.

    `sums` is `COPIES` times the gradients of weight, offset weight and bias in float32: a program adds to one
    of the copies, so that few add to the same number at once.
    """
    PIXELS: tl.constexpr = ROWS * COLUMNS
    TERMS: tl.constexpr = TAPS_TOGETHER * CHANNEL_BLOCK
    SUMS: tl.constexpr = TAPS * CHANNELS * (OUTPUTS + SHIFT_SUMS) + OUTPUTS
    program = tl.program_id(0)
    bounded = scratch + program.to(tl.int64) * (2 * PIXELS * SHIFTS)
    raw_gradient = bounded + PIXELS * SHIFTS
    weight_sums = sums + (program % COPIES).to(tl.int64) * SUMS
    offset_sums = weight_sums + TAPS * CHANNELS * OUTPUTS
    bias_sums = offset_sums + TAPS * CHANNELS * SHIFT_SUMS
    shifts = tl.arange(0, PADDED_SHIFTS)
    tile = program * run
    end = tl.minimum(tile + run, tiles)
    while tile < end:
        first_pixel, y, x, valid = _tile(tile, height, width, ROWS, COLUMNS)
        image = input + first_pixel * CHANNELS
        image_gradient = input_gradient + first_pixel * CHANNELS
        gradients = gradient + first_pixel * OUTPUTS
        _store_bounded_shifts(
            bounded,
            image,
            offset_weight,
            y,
            x,
            valid,
            height,
            width,
            CHANNELS,
            CHANNEL_BLOCK,
            TAPS_TOGETHER,
            FACTOR,
            PRECISION,
        )
        tl.debug_barrier()
        for first_out in range(0, OUTPUTS, OUTPUT_BLOCK):
            out = first_out + tl.arange(0, OUTPUT_BLOCK)
            pointers, there = _outputs(gradients, y, x, valid, out, width, OUTPUTS)
            towards = tl.load(pointers, mask=there, other=0)
            total = tl.sum(towards.to(tl.float32), axis=0)
            tl.atomic_add(bias_sums + out, total, mask=out < OUTPUTS, sem="relaxed")
        for first_tap in range(0, TAPS, TAPS_TOGETHER):
            tap = first_tap + tl.arange(0, TAPS_TOGETHER)
            dy, dx = _load_bounded_shift(bounded, tap, PIXELS)
            top, left, down, right = _cells(scope * dy, scope * dx, tap, y, x)
            wanted = valid[:, None] & (tap < TAPS)[None, :]
            of_dy = tl.zeros((PIXELS, TAPS_TOGETHER), tl.float32)
            of_dx = tl.zeros((PIXELS, TAPS_TOGETHER), tl.float32)
            for first_channel in range(0, CHANNELS, CHANNEL_BLOCK):
                channel = first_channel + tl.arange(0, CHANNEL_BLOCK)
                a, b, c, d = _corners(image, top, left, wanted, channel, height, width, CHANNELS)
                upper = (1 - right) * a + right * b
                lower = (1 - right) * c + right * d
                sample = tl.reshape((1 - down) * upper + down * lower, (PIXELS, TERMS)).to(FACTOR)
                change = tl.zeros((PIXELS, TERMS), tl.float32)
                for first_out in range(0, OUTPUTS, OUTPUT_BLOCK):
                    out = first_out + tl.arange(0, OUTPUT_BLOCK)
                    pointers, there = _outputs(gradients, y, x, valid, out, width, OUTPUTS)
                    towards = tl.load(pointers, mask=there, other=0).to(FACTOR)
                    weights = _weights(weight, tap, channel, out, CHANNELS, OUTPUTS).to(FACTOR)
                    change = tl.dot(towards, tl.trans(weights), change, input_precision=PRECISION)
                    product = tl.dot(tl.trans(sample), towards, input_precision=PRECISION)
                    _add_weights(weight_sums, tap, channel, out, product, CHANNELS, OUTPUTS)
                change = tl.reshape(change, (PIXELS, TAPS_TOGETHER, CHANNEL_BLOCK))
                of_dy += tl.sum(change * (lower - upper), axis=2)
                of_dx += tl.sum(change * ((1 - down) * (b - a) + down * (d - c)), axis=2)
                if NEEDS_INPUT:
                    _add_corners(
                        image_gradient,
                        top,
                        left,
                        down,
                        right,
                        wanted,
                        channel,
                        change,
                        height,
                        width,
                        CHANNELS,
                    )
            # Through scope * tanh.
            _store_shift(raw_gradient, tap, of_dy * scope * (1 - dy * dy), of_dx * scope * (1 - dx * dx))
        tl.debug_barrier()
        # Through the offset convolution.
        towards_raw = _load_shifts(raw_gradient, shifts, PIXELS)
        for first_tap in range(0, TAPS, TAPS_TOGETHER):
            tap = first_tap + tl.arange(0, TAPS_TOGETHER)
            for first_channel in range(0, CHANNELS, CHANNEL_BLOCK):
                channel = first_channel + tl.arange(0, CHANNEL_BLOCK)
                pixels, inside = _neighbours(image, y, x, valid, tap, channel, height, width, CHANNELS)
                patch = tl.reshape(tl.load(pixels, mask=inside, other=0), (PIXELS, TERMS)).to(tl.float32)
                product = tl.dot(tl.trans(patch), towards_raw, input_precision=PRECISION)
                _add_weights(offset_sums, tap, channel, shifts, product, CHANNELS, SHIFT_SUMS)
                if NEEDS_INPUT:
                    weights = _weights(offset_weight, tap, channel, shifts, CHANNELS, SHIFTS).to(tl.float32)
                    change = tl.dot(towards_raw, tl.trans(weights), input_precision=PRECISION)
                    pixels, _ = _neighbours(
                        image_gradient, y, x, valid, tap, channel, height, width, CHANNELS
                    )
                    patch_gradient = tl.reshape(change, (PIXELS, TAPS_TOGETHER, CHANNEL_BLOCK))
                    tl.atomic_add(pixels, patch_gradient, mask=inside, sem="relaxed")
        tl.debug_barrier()
        tile += 1


@triton.jit
def _tile(tile, height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Pixels before this image (64 bits), rows, columns and whether they are in the image: (P,) each."""
    tiles_across = tl.cdiv(width, COLUMNS)
    tiles = tl.cdiv(height, ROWS) * tiles_across
    place = tile % tiles
    pixel = tl.arange(0, ROWS * COLUMNS)
    y = place // tiles_across * ROWS + pixel // COLUMNS
    x = place % tiles_across * COLUMNS + pixel % COLUMNS
    return (tile // tiles).to(tl.int64) * height * width, y, x, (y < height) & (x < width)


@triton.jit
def _store_bounded_shifts(
    scratch,
    image,
    offset_weight,
    y,
    x,
    valid,
    height,
    width,
    CHANNELS: tl.constexpr,
    CHANNEL_BLOCK: tl.constexpr,
    TAPS_TOGETHER: tl.constexpr,
    FACTOR: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """``tanh(conv3x3(image))`` of a tile to its scratch."""
    PIXELS: tl.constexpr = y.shape[0]
    shifts = tl.arange(0, PADDED_SHIFTS)
    raw = tl.zeros((PIXELS, PADDED_SHIFTS), tl.float32)
    for first_tap in range(0, TAPS, TAPS_TOGETHER):
        tap = first_tap + tl.arange(0, TAPS_TOGETHER)
        for first_channel in range(0, CHANNELS, CHANNEL_BLOCK):
            channel = first_channel + tl.arange(0, CHANNEL_BLOCK)
            pointers, there = _neighbours(image, y, x, valid, tap, channel, height, width, CHANNELS)
            patch = tl.load(pointers, mask=there, other=0)
            raw = tl.dot(
                tl.reshape(patch, (PIXELS, TAPS_TOGETHER * CHANNEL_BLOCK)).to(FACTOR),
                _weights(offset_weight, tap, channel, shifts, CHANNELS, SHIFTS).to(FACTOR),
                raw,
                input_precision=PRECISION,
            )
    # Exactly 0 at 0, which is where a new layer begins; exp may become infinite.
    bounded = 1 - 2 / (tl.exp(2 * raw) + 1)
    pointers, there = _shifts(scratch, shifts, PIXELS)
    tl.store(pointers, bounded, mask=there)


@triton.jit
def _shifts(scratch, shifts, PIXELS: tl.constexpr):
    """Pointers to a tile's scratch, and whether they are to something there: (P, PADDED_SHIFTS)."""
    pointers = scratch + tl.arange(0, PIXELS)[:, None] * SHIFTS + shifts[None, :]
    return pointers, tl.broadcast_to((shifts < SHIFTS)[None, :], pointers.shape)


@triton.jit
def _load_shifts(scratch, shifts, PIXELS: tl.constexpr):
    pointers, there = _shifts(scratch, shifts, PIXELS)
    return tl.load(pointers, mask=there, other=0)


@triton.jit
def _load_bounded_shift(scratch, tap, PIXELS: tl.constexpr):
    """Rows and columns: (P, T) each."""
    pointers = scratch + tl.arange(0, PIXELS)[:, None] * SHIFTS + 2 * tap[None, :]
    there = tl.broadcast_to((tap < TAPS)[None, :], pointers.shape)
    return tl.load(pointers, mask=there, other=0), tl.load(pointers + 1, mask=there, other=0)


@triton.jit
def _store_shift(scratch, tap, dy, dx):
    pointers = scratch + tl.arange(0, dy.shape[0])[:, None] * SHIFTS + 2 * tap[None, :]
    there = tl.broadcast_to((tap < TAPS)[None, :], pointers.shape)
    tl.store(pointers, dy, mask=there)
    tl.store(pointers + 1, dx, mask=there)


@triton.jit
def _cells(dy, dx, tap, y, x):
    """Row and column of the upper left corner, (P, T), and the way down and right from it, (P, T, 1)."""
    floor_y, floor_x = tl.floor(dy), tl.floor(dx)
    # The shift alone is divided into a whole number and the rest: added to a position it would lose digits.
    top = y[:, None] + (tap // 3 - 1)[None, :] + floor_y.to(tl.int32)
    left = x[:, None] + (tap % 3 - 1)[None, :] + floor_x.to(tl.int32)
    return top, left, (dy - floor_y)[:, :, None], (dx - floor_x)[:, :, None]


@triton.jit
def _corners(image, top, left, wanted, channel, height, width, CHANNELS: tl.constexpr):
    """Upper left, upper right, lower left and lower right pixels in float32, 0 outside: (P, T, B) each."""
    return (
        _corner(image, top, left, wanted, channel, height, width, CHANNELS),
        _corner(image, top, left + 1, wanted, channel, height, width, CHANNELS),
        _corner(image, top + 1, left, wanted, channel, height, width, CHANNELS),
        _corner(image, top + 1, left + 1, wanted, channel, height, width, CHANNELS),
    )


@triton.jit
def _corner(image, y, x, wanted, channel, height, width, CHANNELS: tl.constexpr):
    pointers, there = _pixels(image, y, x, wanted, channel, height, width, CHANNELS)
    return tl.load(pointers, mask=there, other=0).to(tl.float32)


@triton.jit
def _add_corners(
    image, top, left, down, right, wanted, channel, change, height, width, CHANNELS: tl.constexpr
):
    """Give each corner its share of the gradient of a sample."""
    upper, lower = change * (1 - down), change * down
    _add_corner(image, top, left, wanted, channel, upper * (1 - right), height, width, CHANNELS)
    _add_corner(image, top, left + 1, wanted, channel, upper * right, height, width, CHANNELS)
    _add_corner(image, top + 1, left, wanted, channel, lower * (1 - right), height, width, CHANNELS)
    _add_corner(image, top + 1, left + 1, wanted, channel, lower * right, height, width, CHANNELS)


@triton.jit
def _add_corner(image, y, x, wanted, channel, value, height, width, CHANNELS: tl.constexpr):
    pointers, there = _pixels(image, y, x, wanted, channel, height, width, CHANNELS)
    tl.atomic_add(pointers, value, mask=there, sem="relaxed")


@triton.jit
def _neighbours(image, y, x, valid, tap, channel, height, width, CHANNELS: tl.constexpr):
    """The pixels of a plain 3x3 convolution, as `_pixels`."""
    return _pixels(
        image,
        y[:, None] + (tap // 3 - 1)[None, :],
        x[:, None] + (tap % 3 - 1)[None, :],
        valid[:, None] & (tap < TAPS)[None, :],
        channel,
        height,
        width,
        CHANNELS,
    )


@triton.jit
def _pixels(image, y, x, wanted, channel, height, width, CHANNELS: tl.constexpr):
    """Pointers to the channels of the pixels at (y, x), and whether they are there: (P, T, B)."""
    place = (y * width + x) * CHANNELS
    there = wanted & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return (
        image + (place[:, :, None] + channel[None, None, :]),
        there[:, :, None] & (channel < CHANNELS)[None, None, :],
    )


@triton.jit
def _outputs(image, y, x, valid, out, width, OUTPUTS: tl.constexpr):
    """Pointers to the outputs of a tile's pixels, and whether they are there: (P, O)."""
    place = (y * width + x) * OUTPUTS
    return image + (place[:, None] + out[None, :]), valid[:, None] & (out < OUTPUTS)[None, :]


@triton.jit
def _weight_pointers(weight, tap, channel, out, CHANNELS: tl.constexpr, OUTPUTS: tl.constexpr):
    """Pointers to weights of a group of taps, and whether they are there: (T, B, O)."""
    row = tap[:, None, None] * CHANNELS + channel[None, :, None]
    there = (tap < TAPS)[:, None, None] & (channel < CHANNELS)[None, :, None]
    return weight + (row * OUTPUTS + out[None, None, :]), there & (out < OUTPUTS)[None, None, :]


@triton.jit
def _weights(weight, tap, channel, out, CHANNELS: tl.constexpr, OUTPUTS: tl.constexpr):
    """The weights of a group of taps, (K, O)."""
    pointers, there = _weight_pointers(weight, tap, channel, out, CHANNELS, OUTPUTS)
    values = tl.load(pointers, mask=there, other=0)
    return tl.reshape(values, (tap.shape[0] * channel.shape[0], out.shape[0]))


@triton.jit
def _add_weights(sums, tap, channel, out, product, CHANNELS: tl.constexpr, OUTPUTS: tl.constexpr):
    """Add a (K, O) product to the weights' gradient."""
    pointers, there = _weight_pointers(sums, tap, channel, out, CHANNELS, OUTPUTS)
    product = tl.reshape(product, (tap.shape[0], channel.shape[0], out.shape[0]))
    tl.atomic_add(pointers, product, mask=there, sem="relaxed")
