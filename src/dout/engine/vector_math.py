"""Elementary functions that kernels call: scalar code that LLVM inlines into a loop and turns into vector instructions.

`exp_f32` and `exp_f64` are the exponential of a float32 and of a float64, and so on for every name in `FUNCTIONS`. Each
is within 2 ulp of the exact value and follows NumPy at NaN, ±inf, ±0, subnormal numbers and overflow.

There is no branch in here and no call into the C library: either would keep the loop around it scalar. `choose` has
both values computed and keeps one. The method is that of W. J. Cody and W. Waite, *Software Manual for the Elementary
Functions*, 1980, and J.-M. Muller, *Elementary Functions*, 2016: reduce the argument to a short interval, where a
polynomial will do, and undo the reduction on the bits of the exponent. The polynomials are minimax (Remez), each
coefficient rounded in its turn and the later ones fitted again.

The file imports NumPy and Numba only, so that its text can stand in a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import intrinsic

types: Any = numba.types


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, into the code of whoever calls it."""
    return numba.njit(error_model="numpy", forceinline=True)(function)


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
def power_of_two(typing: Any, n: Any) -> Any:
    """2ⁿ for a whole number n where 2ⁿ is normal: n plus the bias becomes the exponent."""
    layout = LAYOUTS[n.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        real, whole = (context.get_value_type(kind) for kind in (n, layout.whole))
        biased = builder.fadd(values[0], real(layout.magic + layout.bias))  # now the lowest bits are n plus the bias
        shifted = builder.shl(builder.bitcast(biased, whole), whole(layout.fraction))
        return builder.bitcast(shifted, real)

    return n(n), generate


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


# --- the two formats --------------------------------------------------------------------------------------------------


class Layout(NamedTuple):
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


F32 = Layout(np.float32, types.int32, 23, 127, int(np.float32(0.5**0.5).view(np.int32)))
F64 = Layout(np.float64, types.int64, 52, 1023, int(np.float64(0.5**0.5).view(np.int64)))
LAYOUTS = {32: F32, 64: F64}


def both(make: Callable[[Layout], Any]) -> tuple[Any, Any]:
    """One algorithm for float32 and for float64."""
    return inlined(make(F32)), inlined(make(F64))


# --- exponentials -----------------------------------------------------------------------------------------------------

LOG2_E = 1.4426950408889634
LN2 = {F32: (0.6931472, -1.9046542e-09), F64: (0.6931471805599453, 2.3190468138462996e-17)}  # log 2 and what it lacks

EXP_ENDS = {F32: (-104, 89), F64: (-746, 710)}  # 0 below, ∞ above

# (eʳ − 1 − r) / r² on |r| ≤ ½ log 2
EXP = {
    F32: (0.49999994, 0.16666517, 0.041668102, 0.008369197, 0.0013839043),
    F64: (
        0.5, 0.16666666666666688, 0.041666666666666824, 0.008333333333313885, 0.001388888888877519,
        0.00019841269903856667, 2.480158759101136e-05, 2.7557227286368244e-06, 2.755700087213096e-07,
        2.511482397336325e-08, 2.1014534223966007e-09,
    ),
}  # fmt: skip


def _reduced(f: Layout) -> Any:
    """The whole number n nearest to x / log 2, and r = x − n log 2."""
    log2_e, magic, ln2, ln2_low = f.numbers(LOG2_E, f.magic, *LN2[f])

    def reduced(x: Any) -> Any:
        n = fma(x, log2_e, magic) - magic
        return n, fma(n, -ln2_low, fma(n, -ln2, x))

    return reduced


reduced_f32, reduced_f64 = both(_reduced)
REDUCED = {F32: reduced_f32, F64: reduced_f64}


def _exp(f: Layout) -> Any:
    """eˣ = 2ⁿ eʳ. 2ⁿ goes in two halves, so that it reaches the subnormal numbers and infinity."""
    reduced = REDUCED[f]
    terms = f.numbers(*EXP[f])
    one, half, magic = f.numbers(1, 0.5, f.magic)
    low, high = f.numbers(*EXP_ENDS[f])

    def exp(x: Any) -> Any:
        x = choose(x < low, low, choose(x > high, high, x))
        n, r = reduced(x)
        power = fma(r * r, polynomial(r, terms), r) + one
        first = fma(n, half, magic) - magic
        return power * power_of_two(first) * power_of_two(n - first)

    return exp


exp_f32, exp_f64 = both(_exp)
EXPONENTIAL = {F32: exp_f32, F64: exp_f64}


def _divided(f: Layout) -> Any:
    """Top / (x + y) for |x| ≤ |y| or whole y: mended by what the sum lost and by what the quotient leaves."""
    (one,) = f.numbers(1)

    def divided(top: Any, x: Any, y: Any) -> Any:
        bottom = x + y
        lost = x - (bottom - y)
        inverse = one / bottom
        quotient = top * inverse
        rest = fma(-quotient, bottom, top) - quotient * lost
        return fma(rest, inverse, quotient)

    return divided


divided_f32, divided_f64 = both(_divided)
DIVIDED = {F32: divided_f32, F64: divided_f64}


def _sigmoid(f: Layout) -> Any:
    """1 / (1 + e⁻ˣ); below zero eˣ / (1 + eˣ), which does not overflow."""
    exp, divided = EXPONENTIAL[f], DIVIDED[f]
    zero, one = f.numbers(0, 1)

    def sigmoid(x: Any) -> Any:
        power = exp(-abs(x))
        return divided(choose(x < zero, power, one), power, one)

    return sigmoid


sigmoid_f32, sigmoid_f64 = both(_sigmoid)


def _tanh(f: Layout) -> Any:
    """E / (E + 2) with E = e²ˣ − 1, for x from zero up."""
    reduced, divided = REDUCED[f], DIVIDED[f]
    terms = f.numbers(*EXP[f])
    one, two, high = f.numbers(1, 2, 44)  # from 22 on it is 1

    def tanh(x: Any) -> Any:
        double = two * abs(x)
        n, r = reduced(choose(double > high, high, double))
        scale = power_of_two(n)
        top = fma(scale, fma(r * r, polynomial(r, terms), r), scale - one)
        return copysign(divided(top, top, two), x)

    return tanh


tanh_f32, tanh_f64 = both(_tanh)

# --- logarithms -------------------------------------------------------------------------------------------------------

# (log((1 + s) / (1 − s)) − 2s) / s³ in s², for quotients from √½ to √2
LOG = {
    F32: (0.6666666, 0.40000972, 0.28498793, 0.24278995),
    F64: (
        0.6666666666666735, 0.3999999999940937, 0.28571428743681315, 0.22222198429548629, 0.1818357232716206,
        0.1531383276137875, 0.1479825435586611,
    ),
}  # fmt: skip


def _log_near_one(f: Layout) -> Any:
    """log(1 + t) + n log 2, for 1 + t from √½ to √2: a series in s = t / (2 + t), to which t is added last."""
    terms = f.numbers(*LOG[f])
    half, two, ln2, ln2_low = f.numbers(0.5, 2, *LN2[f])

    def log_near_one(t: Any, n: Any) -> Any:
        s = t / (two + t)
        square = s * s
        bend = half * t * t
        small = fma(s, fma(square, polynomial(square, terms), bend), n * ln2_low)
        return fma(n, ln2, t - (bend - small))

    return log_near_one


log_near_one_f32, log_near_one_f64 = both(_log_near_one)
NEAR_ONE = {F32: log_near_one_f32, F64: log_near_one_f64}


def _log(f: Layout) -> Any:
    """Log m + n log 2 for x = m 2ⁿ. A subnormal x is scaled up first."""
    near_one = NEAR_ONE[f]
    zero, one, nan, infinity = f.numbers(0, 1, float("nan"), float("inf"))
    normal, up, shift = f.numbers(2.0 ** (1 - f.bias), 2.0**f.fraction, f.fraction)

    def log(x: Any) -> Any:
        tiny = x < normal
        m, n = split(choose(tiny, x * up, x))
        result = near_one(m - one, choose(tiny, n - shift, n))
        result = choose(x < infinity, result, x)  # ∞ and NaN stay
        return choose(x > zero, result, choose(x == zero, -infinity, choose(x < zero, nan, x)))

    return log


log_f32, log_f64 = both(_log)

# --- the table --------------------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, dict[Any, Any]] = {
    "exp": {np.float32: exp_f32, np.float64: exp_f64},
    "log": {np.float32: log_f32, np.float64: log_f64},
    "sigmoid": {np.float32: sigmoid_f32, np.float64: sigmoid_f64},
    "tanh": {np.float32: tanh_f32, np.float64: tanh_f64},
}
