"""What the functions of `vector_math` are made of: a few machine instructions, and the layout of a number's bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import intrinsic, register_jitable

types: Any = numba.types


def inlined(function: Callable[..., Any]) -> Any:
    """A function for compiled code alone, compiled when that first calls it, and into it."""
    register = register_jitable(
        error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )  # without the wrappers it takes half the time
    return register(function)


def instruction(build: Callable[..., Any]) -> Any:
    """A function that stands for a few machine instructions: it writes LLVM's code for them."""
    return intrinsic(build)


# --- instructions -----------------------------------------------------------------------------------------------------


@instruction
def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """x·y + z, rounded once."""
    return x(x, x, x), lambda context, builder, signature, values: builder.fma(*values)


@instruction
def choose(typing: Any, condition: Any, x: Any, y: Any) -> Any:
    """X where the condition holds, else y. Both are there already: no branch."""
    return x(condition, x, x), lambda context, builder, signature, values: builder.select(*values)


@instruction
def polynomial(typing: Any, x: Any, coefficients: Any) -> Any:
    """c₀ + c₁x + c₂x² + …, by Horner's rule, rounded once a step."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        row = [builder.extract_value(values[1], i) for i in range(len(coefficients))]
        result = row.pop()
        while row:
            result = builder.fma(result, values[0], row.pop())
        return result

    return x(x, coefficients), generate


@instruction
def power_of_two(typing: Any, n: Any, more: Any) -> Any:
    """2ⁿ⁺ᵐ for whole numbers where that is normal: the sum plus the bias becomes the exponent. m is best a constant."""
    layout = LAYOUTS[n.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        real, whole = (context.get_value_type(kind) for kind in (n, layout.whole))
        bias = builder.fadd(values[1], real(layout.magic + layout.bias))
        biased = builder.fadd(values[0], bias)  # now the lowest bits are the exponent
        shifted = builder.shl(builder.bitcast(biased, whole), whole(layout.fraction))
        return builder.bitcast(shifted, real)

    return n(n, more), generate


@instruction
def split(typing: Any, x: Any) -> Any:
    """M and n with x = m·2ⁿ and m from √½ to √2, for a normal x above zero."""
    layout = LAYOUTS[x.bitwidth]
    pair = types.UniTuple(x, 2)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        real, whole = (context.get_value_type(kind) for kind in (x, layout.whole))
        bits = builder.bitcast(values[0], whole)
        n = builder.ashr(builder.sub(bits, whole(layout.root_half)), whole(layout.fraction))
        m = builder.bitcast(builder.sub(bits, builder.shl(n, whole(layout.fraction))), real)
        magic = builder.bitcast(real(layout.magic), whole)
        as_real = builder.fsub(builder.bitcast(builder.add(n, magic), real), real(layout.magic))
        return context.make_tuple(builder, pair, [m, as_real])

    return pair(x), generate


@instruction
def copysign(typing: Any, x: Any, y: Any) -> Any:
    """|x| with the sign of y."""
    layout = LAYOUTS[x.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = context.get_value_type(layout.whole)
        sign = whole(-1 << x.bitwidth - 1)
        size, signed = (builder.bitcast(value, whole) for value in values)
        bits = builder.or_(builder.and_(size, builder.not_(sign)), builder.and_(signed, sign))
        return builder.bitcast(bits, values[0].type)

    return x(x, x), generate


@instruction
def as_bits(typing: Any, x: Any) -> Any:
    """The bits of a float64, as a whole number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.uint64))

    return types.uint64(x), generate


@instruction
def upper_half(typing: Any, x: Any, y: Any) -> Any:
    """The upper 64 of the 128 bits of a product."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        half, whole = values[0].type, values[0].type.__class__(2 * x.bitwidth)
        product = builder.mul(*(builder.zext(value, whole) for value in values))
        return builder.trunc(builder.lshr(product, whole(x.bitwidth)), half)

    return x(x, y), generate


def _flipped(bit: int) -> Any:
    """x, or −x where the shifted number, which stands for a whole one, has this bit set."""

    def flipped(typing: Any, x: Any, shifted: Any) -> Any:
        layout = LAYOUTS[x.bitwidth]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            whole = context.get_value_type(layout.whole)
            bits, count = (builder.bitcast(value, whole) for value in values)
            sign = builder.and_(builder.shl(count, whole(x.bitwidth - 1 - bit)), whole(-1 << x.bitwidth - 1))
            return builder.bitcast(builder.xor(bits, sign), values[0].type)

        return x(x, x), generate

    return instruction(flipped)


flipped_if_odd = _flipped(0)
flipped_every_second = _flipped(1)  # the third and fourth of four


# --- the two formats --------------------------------------------------------------------------------------------------


class FloatLayout(NamedTuple):
    """How a floating-point number lies in its bits."""

    real: Any
    whole: Any  # Numba's integer of the same width
    fraction: int  # bits after the point
    bias: int  # of the exponent
    root_half: int  # the bits of √½

    @property
    def magic(self) -> float:
        """Added to a number, it rounds it to a whole one, which then stands in the lowest bits."""
        return 1.5 * 2.0**self.fraction

    def numbers(self, *values: float) -> Any:
        """The values in this format."""
        return tuple(self.real(value) for value in values)


F32 = FloatLayout(np.float32, types.int32, 23, 127, int(np.float32(0.5**0.5).view(np.int32)))
F64 = FloatLayout(np.float64, types.int64, 52, 1023, int(np.float64(0.5**0.5).view(np.int64)))
LAYOUTS = {32: F32, 64: F64}


def both(make: Callable[[FloatLayout], Any]) -> dict[FloatLayout, Any]:
    """One algorithm for float32 and for float64."""
    return {layout: inlined(make(layout)) for layout in LAYOUTS.values()}
