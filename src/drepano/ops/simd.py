"""Vectors of eight numbers for Numba, and the inner loops that are written with them.

Numba leaves the use of vector registers to LLVM, which finds them in simple loops only. Here a `Vector` is a
Numba type of its own, and the loops that take the time of a deformable convolution (products of tiles,
interpolation, its backward) are put together from LLVM instructions. LLVM maps eight lanes onto whatever
registers the processor has. All functions are for use inside compiled code. Indices count elements of flat
arrays and are not checked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8

_INTEGERS = (types.intp,) * 4

_FUSE = ("contract",)
"""Lets LLVM make one fused instruction of a product and a sum."""


class Vector(types.Type):
    """Eight numbers of one type in a register."""

    def __init__(self, element: types.Type) -> None:
        self.element = element
        super().__init__(name=f"vector({element} x {LANES})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, _vector_type(vector.element))


def _vector_type(element: types.Type, lanes: int = LANES) -> ir.VectorType:
    scalar = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int32: ir.IntType(32)}
    return ir.VectorType(scalar[element], lanes)


# --- arithmetic --------------------------------------------------------------------------------


def _arithmetic(operation: Callable, on_floats: str, on_integers: str | None) -> None:
    """`operation` between two vectors of one type."""

    @infer_global(operation)
    class _Typing(AbstractTemplate):
        def generic(self, args: tuple, kws: dict) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(operation, Vector, Vector)
    def _lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        if sig.return_type.element == types.int32:
            return getattr(builder, on_integers or "")(*args)
        return getattr(builder, on_floats)(*args, flags=_FUSE)


_arithmetic(operator.add, "fadd", "add")
_arithmetic(operator.sub, "fsub", "sub")
_arithmetic(operator.mul, "fmul", "mul")
_arithmetic(operator.truediv, "fdiv", None)


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """The eight elements of `array` from `index`."""
    vector = Vector(array.dtype)

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        pointer = builder.gep(_data(context, builder, array, args[0]), [args[1]])
        return _load(builder, pointer, _vector_type(array.dtype))

    return vector(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Put `vector` into `array` from `index`."""

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        _store(builder, args[2], builder.gep(_data(context, builder, array, args[0]), [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """`value` in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return _splat(builder, args[0], _vector_type(value))

    return Vector(value)(value), generate


@intrinsic
def counting(typing: Any) -> Any:
    """The int32 vector 0, 1, ... 7."""

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return ir.Constant(_vector_type(types.int32), list(range(LANES)))

    return Vector(types.int32)(), generate


@intrinsic
def minimum(typing: Any, a: Any, b: Any) -> Any:
    """The smaller one, lane by lane."""
    return a(a, b), _choose("<")


@intrinsic
def maximum(typing: Any, a: Any, b: Any) -> Any:
    """The larger one, lane by lane."""
    return a(a, b), _choose(">")


@intrinsic
def where_equal(typing: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` where the int32 vectors `a` and `b` are equal, `no` elsewhere."""

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return builder.select(builder.icmp_signed("==", args[0], args[1]), args[2], args[3])

    return yes(a, b, yes, no), generate


@intrinsic
def floor(typing: Any, a: Any) -> Any:
    """Rounded down, as floats."""
    return a(a), _call("floor")


@intrinsic
def absolute(typing: Any, a: Any) -> Any:
    """Without the sign."""
    return a(a), _call("fabs")


@intrinsic
def to_integer(typing: Any, a: Any) -> Any:
    """The int32 vector of whole floats; 0 for what is no number."""

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        integers = _vector_type(types.int32)
        name = f"llvm.fptosi.sat.v{LANES}i32.v{LANES}f{_bits(args[0].type)}"
        kind = ir.FunctionType(integers, [args[0].type])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return Vector(types.int32)(a), generate


@intrinsic
def to_float_like(typing: Any, a: Any, like: Any) -> Any:
    """The int32 vector `a` as floats of the type of `like`."""

    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return builder.sitofp(args[0], _vector_type(like.element))

    return like(a, like), generate


def _choose(comparison: str) -> Callable:
    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        integers = sig.return_type.element == types.int32
        compare = builder.icmp_signed if integers else builder.fcmp_ordered
        return builder.select(compare(comparison, *args), *args)

    return generate


def _call(name: str) -> Callable:
    def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return builder.call(_llvm_function(builder, name, args[0].type, 1), args)

    return generate


# --- the inner loops ---------------------------------------------------------------------------


def make_transpose_tile(lanes: int) -> Callable:
    """``transpose_tile(source, start, step, target, start, step)``.

    Turns eight rows of `lanes` (4 or 8) numbers into `lanes` rows of eight: ``target[j, i] = source[i, j]``.
    The steps are from row to row.
    """

    @intrinsic
    def transpose_tile(
        typing: Any,
        source: Any,
        source_start: Any,
        source_step: Any,
        target: Any,
        target_start: Any,
        target_step: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
            source_value, source_start, source_step, target_value, target_start, target_step = args
            first = builder.gep(_data(context, builder, source, source_value), [source_start])
            row_type = _vector_type(source.dtype, lanes)
            rows = [_load(builder, place, row_type) for place in _steps(builder, first, source_step, LANES)]
            if lanes < LANES:
                rows = [_join(builder, rows[i], rows[i + 1], range(LANES)) for i in range(0, LANES, 2)]
            # To interleave the first half of all numbers with the second moves the highest bit of a number's
            # place below the others; after three times the bits of i are below those of j.
            half = len(rows) // 2
            low = [lane // 2 + lane % 2 * LANES for lane in range(LANES)]
            high = [lane + LANES // 2 for lane in low]
            for _ in range(3):
                pairs = list(zip(rows[:half], rows[half:], strict=True))
                rows = [_join(builder, *pair, chosen) for pair in pairs for chosen in (low, high)]
            first = builder.gep(_data(context, builder, target, target_value), [target_start])
            for row, place in zip(rows, _steps(builder, first, target_step, lanes), strict=True):
                _store(builder, row, place)
            return context.get_dummy_value()

        return types.void(source, *_INTEGERS[:2], target, *_INTEGERS[:2]), generate

    return transpose_tile


def make_tile_product(
    rows: int, vectors: int, accumulate: bool = False, count: int | None = None
) -> Callable:
    """``tile_product(blocks, count, a, start, block, step, row, b, start, block, step, out, start, row)``.

    A tile of a matrix product, kept in registers: ``out[i, :] (+)= sum over k of a[i, k] * b[k, :]``. The sum
    runs over `blocks` blocks of `count` terms. Where the matrices lie is said by the first element and the
    steps from block to block, from term to term and from row to row.

    Parameters
    ----------
    rows, vectors : int
        Size of the tile: rows, and columns in vectors of eight. Up to 12 sums fit into registers.
    accumulate : bool
        Add to what `out` has, instead of replacing it.
    count : int, optional
        The number of terms in a block, where it is always the same.
    """
    fixed_count = count

    @intrinsic
    def tile_product(
        typing: Any,
        blocks: Any,
        count: Any,
        a: Any,
        a_start: Any,
        a_block: Any,
        a_step: Any,
        a_row: Any,
        b: Any,
        b_start: Any,
        b_block: Any,
        b_step: Any,
        out: Any,
        out_start: Any,
        out_row: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
            blocks, count, a_value, a_start, a_block, a_step, a_row, *others = args
            b_value, b_start, b_block, b_step, out_value, out_start, out_row = others
            vector_type = _vector_type(a.dtype)
            out_first = builder.gep(_data(context, builder, out, out_value), [out_start])
            places = [
                place
                for row in _steps(builder, out_first, out_row, rows)
                for place in _steps(builder, row, _int(LANES), vectors)
            ]
            sums = [cgutils.alloca_once(builder, vector_type) for _ in places]
            for total, place in zip(sums, places, strict=True):
                zero = ir.Constant(vector_type, [0.0] * LANES)
                builder.store(_load(builder, place, vector_type) if accumulate else zero, total)

            a_first = builder.gep(_data(context, builder, a, a_value), [a_start])
            b_first = builder.gep(_data(context, builder, b, b_value), [b_start])
            terms = count if fixed_count is None else _int(fixed_count)
            with cgutils.for_range(builder, blocks) as block:
                a_rows = _steps(builder, _step(builder, a_first, block.index, a_block), a_row, rows)
                b_block_first = _step(builder, b_first, block.index, b_block)
                with cgutils.for_range(builder, terms) as term:
                    b_columns = _steps(
                        builder, _step(builder, b_block_first, term.index, b_step), _int(LANES), vectors
                    )
                    columns = [_load(builder, place, vector_type) for place in b_columns]
                    for i, row in enumerate(a_rows):
                        number = builder.load(_step(builder, row, term.index, a_step))
                        factor = _splat(builder, number, vector_type)
                        for total, column in zip(sums[i * vectors : (i + 1) * vectors], columns, strict=True):
                            builder.store(_multiply_add(builder, factor, column, builder.load(total)), total)
            for total, place in zip(sums, places, strict=True):
                _store(builder, builder.load(total), place)
            return context.get_dummy_value()

        integers = _INTEGERS
        return types.void(*integers[:2], a, *integers[:4], b, *integers[:3], out, *integers[:2]), generate

    return tile_product


def make_blend(lanes: int, channels: int | None = None) -> Callable:
    """``blend(channels, image, corner, right, below, coefficients, first, step, out, start)``.

    Bilinear interpolation of all channels at one position: the pixel at `corner`, the one `right` elements
    on, the one `below` elements on and the one at both, weighed with the four coefficients from `first`.

    Parameters
    ----------
    lanes : int
        4 or 8, a divisor of the number of channels.
    channels : int, optional
        The number of channels, where it is always the same.
    """
    fixed_channels = channels

    @intrinsic
    def blend(
        typing: Any,
        channels: Any,
        image: Any,
        corner: Any,
        right: Any,
        below: Any,
        coefficients: Any,
        first: Any,
        step: Any,
        out: Any,
        start: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
            channels, image_value, corner, right, below, weights, first, step, out_value, start = args
            vector_type = _vector_type(image.dtype, lanes)
            weight = builder.gep(_data(context, builder, coefficients, weights), [first])
            factors = _splats(builder, weight, step, 4, vector_type)
            pixels = _corners(builder, _data(context, builder, image, image_value), corner, right, below)
            out_first = builder.gep(_data(context, builder, out, out_value), [start])
            count = channels if fixed_channels is None else _int(fixed_channels)
            with cgutils.for_range_slice(builder, _int(0), count, _int(lanes)) as (channel, _):
                values = [_load(builder, builder.gep(pixel, [channel]), vector_type) for pixel in pixels]
                _store(builder, _weighted_sum(builder, factors, values), builder.gep(out_first, [channel]))
            return context.get_dummy_value()

        integers = _INTEGERS
        return types.void(
            types.intp, image, *integers[:3], coefficients, *integers[:2], out, types.intp
        ), generate

    return blend


def make_blend_backward(lanes: int, channels: int | None = None, with_image: bool = True) -> Callable:
    """``blend_backward(..., gradient, samples, start, image_gradient, dots, dots_start)``.

    Backward of `blend`, whose arguments up to `step` come first, from the gradient of one position's samples,
    which lies in `gradient` at `start`. The samples, made anew, are put into `samples` at the same place. The
    scalar products of the gradient with each of the four pixels are put into `dots`. With `with_image`, the
    gradients of the four pixels are added to `image_gradient`.
    """
    fixed_channels = channels

    @intrinsic
    def blend_backward(
        typing: Any,
        channels: Any,
        image: Any,
        corner: Any,
        right: Any,
        below: Any,
        coefficients: Any,
        first: Any,
        step: Any,
        gradient: Any,
        samples: Any,
        start: Any,
        image_gradient: Any,
        dots: Any,
        dots_start: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
            channels, image_value, corner, right, below, weights, first, step, *others = args
            gradient_value, samples_value, start, image_gradient_value, dots_value, dots_start = others
            vector_type = _vector_type(image.dtype, lanes)
            weight = builder.gep(_data(context, builder, coefficients, weights), [first])
            factors = _splats(builder, weight, step, 4, vector_type)
            pixels = _corners(builder, _data(context, builder, image, image_value), corner, right, below)
            targets = _corners(
                builder, _data(context, builder, image_gradient, image_gradient_value), corner, right, below
            )
            gradient_first = builder.gep(_data(context, builder, gradient, gradient_value), [start])
            samples_first = builder.gep(_data(context, builder, samples, samples_value), [start])
            sums = [cgutils.alloca_once(builder, vector_type) for _ in pixels]
            for total in sums:
                builder.store(ir.Constant(vector_type, [0.0] * lanes), total)
            count = channels if fixed_channels is None else _int(fixed_channels)
            with cgutils.for_range_slice(builder, _int(0), count, _int(lanes)) as (channel, _):
                values = [_load(builder, builder.gep(pixel, [channel]), vector_type) for pixel in pixels]
                towards = _load(builder, builder.gep(gradient_first, [channel]), vector_type)
                sample = _weighted_sum(builder, factors, values)
                _store(builder, sample, builder.gep(samples_first, [channel]))
                for total, value in zip(sums, values, strict=True):
                    builder.store(_multiply_add(builder, towards, value, builder.load(total)), total)
                for factor, target in zip(factors, targets if with_image else [], strict=False):
                    place = builder.gep(target, [channel])
                    before = _load(builder, place, vector_type)
                    _store(builder, _multiply_add(builder, factor, towards, before), place)
            lane_sums = _lane_sums(builder, [builder.load(total) for total in sums])
            _store(builder, lane_sums, builder.gep(_data(context, builder, dots, dots_value), [dots_start]))
            return context.get_dummy_value()

        integers = _INTEGERS
        return types.void(
            *(types.intp, image, *integers[:3], coefficients, *integers[:2], gradient, samples, types.intp),
            *(image_gradient, dots, types.intp),
        ), generate

    return blend_backward


# --- LLVM, put shortly -------------------------------------------------------------------------


def _int(value: int) -> ir.Constant:
    return ir.Constant(ir.IntType(64), value)


def _data(context: Any, builder: Any, array: types.Array, value: Any) -> Any:
    """Pointer to the first element of an array."""
    return context.make_array(array)(context, builder, value).data


def _load(builder: Any, pointer: Any, vector_type: ir.VectorType) -> Any:
    return builder.load(builder.bitcast(pointer, vector_type.as_pointer()), align=_alignment(vector_type))


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=_alignment(vector.type))


def _alignment(vector_type: ir.VectorType) -> int:
    """That of one element: vectors may begin anywhere."""
    return _bits(vector_type) // 8


def _bits(vector_type: ir.VectorType) -> int:
    """Of one element."""
    return 64 if vector_type.element == ir.DoubleType() else 32


def _join(builder: Any, a: Any, b: Any, lanes: Iterable[int]) -> Any:
    """The vector of the named lanes of `a` followed by `b`."""
    chosen = list(lanes)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), chosen)
    return builder.shuffle_vector(a, b, mask)


def _splat(builder: Any, value: Any, vector_type: ir.VectorType) -> Any:
    nothing = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return _join(builder, first, nothing, [0] * vector_type.count)


def _llvm_function(builder: Any, name: str, vector_type: ir.VectorType, arguments: int) -> Any:
    return cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector_type, [vector_type] * arguments),
        f"llvm.{name}.v{vector_type.count}f{_bits(vector_type)}",
    )


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.call(_llvm_function(builder, "fmuladd", a.type, 3), [a, b, c])


def _weighted_sum(builder: Any, factors: list, values: list) -> Any:
    total = builder.fmul(factors[0], values[0])
    for factor, value in zip(factors[1:], values[1:], strict=True):
        total = _multiply_add(builder, factor, value, total)
    return total


def _lane_sums(builder: Any, vectors: list) -> Any:
    """The sums of the lanes of each of four vectors, as one vector of four."""
    a, b, c, d = vectors
    lanes = a.type.count
    ab, cd = (_add_within(builder, *pair, (0, lanes, 2, lanes + 2), 1) for pair in ((a, b), (c, d)))
    sums = _add_within(builder, ab, cd, (0, 1, lanes, lanes + 1), 2)
    if lanes == 4:
        return sums
    return builder.fadd(_join(builder, sums, sums, range(4)), _join(builder, sums, sums, range(4, 8)))


def _add_within(builder: Any, a: Any, b: Any, lanes: tuple[int, ...], distance: int) -> Any:
    """In each four lanes: the named ones of `a` followed by `b`, plus those at a distance from them."""
    first = [start + lane for start in range(0, a.type.count, 4) for lane in lanes]
    second = [lane + distance for lane in first]
    return builder.fadd(_join(builder, a, b, first), _join(builder, a, b, second))


def _step(builder: Any, pointer: Any, number: Any, step: Any) -> Any:
    """The pointer `number` steps on."""
    return builder.gep(pointer, [builder.mul(number, step)])


def _steps(builder: Any, pointer: Any, step: Any, count: int) -> list:
    """`pointer` and those one, two, ... steps on."""
    return [_step(builder, pointer, _int(number), step) for number in range(count)]


def _splats(builder: Any, pointer: Any, step: Any, count: int, vector_type: ir.VectorType) -> list:
    """Vectors of the numbers at `pointer`, one step on, and so forth."""
    return [
        _splat(builder, builder.load(place), vector_type) for place in _steps(builder, pointer, step, count)
    ]


def _corners(builder: Any, image: Any, corner: Any, right: Any, below: Any) -> list:
    """Pointers to a pixel, the one to its right, the one below and the one below right."""
    first = builder.gep(image, [corner])
    under = builder.gep(first, [below])
    return [first, builder.gep(first, [right]), under, builder.gep(under, [right])]
