"""Sine, cosine and tangent, for `vector_math`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.engine.math.vector_math_base import (
    F32,
    F64,
    FloatLayout,
    as_bits,
    both,
    choose,
    copysign,
    flipped_every_second,
    flipped_if_odd,
    fma,
    inlined,
    polynomial,
    upper_half,
)
from dout.engine.math.vector_math_exp import DIVIDED
from dout.engine.math.vector_math_rare import beyond

TWO_OVER_PI = 0.6366197723675814
HALF_PI = {  # in three parts
    F32: (1.570796251296997, 7.549790126404332e-08, -1.7151245100058819e-15),  # the second one is not below 0, for −0
    F64: (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}
BOUND = {F32: 2.0**17, F64: 2.0**45}  # from here on `_near` does not find the multiple of ½π that is nearest

# (sin r − r) / r³ and (cos r − 1 + ½r²) / r⁴ in r², on |r| ≤ ¼π
SIN_TERMS = {
    F32: (-0.16666654, 0.008332098, -0.00019506023),
    F64: (
        -0.16666666666666619, 0.008333333333319213, -0.00019841269827305252, 2.755731283603144e-06,
        -2.5050625388295487e-08, 1.588915694735956e-10,
    ),
}  # fmt: skip
COS_TERMS = {
    F32: (0.04166664, -0.001388713, 2.441208e-05),
    F64: (
        0.041666666666666574, -0.001388888888886986, 2.480158728686302e-05, -2.755731360360556e-07,
        2.0875622220952635e-09, -1.135444279435994e-11,
    ),
}  # fmt: skip
# (tan r − r) / r³ in r², on |r| ≤ ¼π
TAN_TERMS = {
    F32: (0.33333355, 0.13332471, 0.05408228, 0.021163847, 0.011149268, -0.00031535287, 0.0045792484),
    F64: (
        0.3333333333333342, 0.13333333333319436, 0.05396825397606115, 0.021869488313993265, 0.008863239286938931,
        0.0035920867866126712, 0.0014561446375232381, 0.000588375130635298, 0.00024547876969051817,
        7.918116292146328e-05, 7.51192201306524e-05, -3.5529523970364755e-05, 5.681942490663823e-05,
        -2.8288821923575324e-05, 1.0683874649033514e-05,
    ),
}  # fmt: skip

# --- the reduction: r, what r lacks, and n in the lowest bits of a number, where x = r + ½πn and |r| ≤ ¼π -------------


def _near(f: FloatLayout) -> Any:
    """Up to the bound: ½π goes in three parts. The first product is subtracted exactly, as x and it are close."""
    turns, magic, first_part, second_part, third_part = f.numbers(TWO_OVER_PI, f.magic, *HALF_PI[f])

    def near(x: Any) -> Any:
        shifted = fma(x, turns, magic)
        n = shifted - magic
        first = fma(-n, first_part, x)
        product = n * second_part
        r = first - product
        back = r - first
        lost = (first - (r - back)) - (product + back)  # what the difference rounds away
        return r, fma(-n, third_part, lost - fma(n, second_part, -product)), shifted

    return near


NEAR = both(_near)


def _one_over_two_pi(count: int) -> Any:
    """Its bits after the point in words of 64, after a word of zeros; π is J. Machin's 16 arctan ⅕ − 4 arctan ¹⁄₂₃₉."""
    unit = 1 << 64 * count + 64

    def arctan(inverse: int) -> int:
        return sum(unit // ((-1) ** (k // 2) * k * inverse**k) for k in range(1, 64 * count // 2, 2))

    bits = (unit << 64 * count) // (2 * (16 * arctan(5) - 4 * arctan(239)))
    return np.array([bits >> 64 * k & (1 << 64) - 1 for k in range(count, -1, -1)], np.uint64)


WORDS = _one_over_two_pi(19)
U = np.uint64


@inlined
def turned(x: Any) -> Any:
    """|x| / 2π without its whole turns, as quarters, the nearest number of them, and 128 bits of what is over."""
    bits = as_bits(x)
    mantissa = bits & U(2**52 - 1) | U(2**52)
    at = (bits >> U(52) & U(2047)) - U(1011)  # the first bit of 1 / 2π, after the zeros, that makes less than a turn
    word, shift, back = at >> U(6), at & U(63), U(63) - (at & U(63))
    first = WORDS[word] << shift | WORDS[word + U(1)] >> U(1) >> back
    second = WORDS[word + U(1)] << shift | WORDS[word + U(2)] >> U(1) >> back
    third = WORDS[word + U(2)] << shift | WORDS[word + U(3)] >> U(1) >> back
    carried = upper_half(mantissa, third)
    low = mantissa * second + carried
    high = mantissa * first + upper_half(mantissa, second) + (U(1) if low < carried else U(0))
    quarters = (high + U(2**61)) >> U(62)
    return quarters, high - (quarters << U(62)), low


@inlined
def far(x: Any) -> Any:
    """From the bound on: of x / 2π whole turns are left out before it is computed (M. Payne and R. Hanek, 1983)."""
    if not abs(x) < np.inf:
        return np.nan, np.nan, MAGIC
    quarters, high, low = turned(x)
    negative = high >> U(63) != U(0)
    if negative:
        low = ~low + U(1)
        high = ~high + (U(1) if low == U(0) else U(0))
    # Now the 128 bits are the sum of three numbers, none of which is rounded.
    top = np.float64(high >> U(29)) * 2.0**-33
    middle = np.float64((high & U(2**29 - 1)) << U(24) | low >> U(40)) * 2.0**-86
    whole = top + middle
    rest = (middle - (whole - top)) + np.float64(low & U(2**40 - 1)) * 2.0**-126
    part = whole + rest
    rest -= part - whole
    r = part * HALF_PI_HIGH
    lacks = fma(part, HALF_PI_HIGH, -r) + fma(part, HALF_PI_LOW, rest * HALF_PI_HIGH)
    side = -1.0 if x < 0.0 else 1.0
    half = -side if negative else side
    return half * r, half * lacks, MAGIC + side * np.float64(quarters)


HALF_PI_HIGH, HALF_PI_LOW, _ = HALF_PI[F64]
MAGIC = F64.magic

# --- the functions ----------------------------------------------------------------------------------------------------


def _everywhere(name: str, finish: dict[FloatLayout, Any]) -> dict[FloatLayout, Any]:
    """What `finish` makes of the reduction, by the way that suits the argument."""
    rare = finish[F64]

    def _function(f: FloatLayout) -> Any:
        near, common, real = NEAR[f], finish[f], f.real

        def slow(x: Any) -> Any:
            return real(rare(*far(np.float64(x))))

        mended = beyond(name, BOUND[f], slow)

        def function(x: Any) -> Any:
            return mended(x, common(*near(x)))

        return function

    return both(_function)


def _wave(quarters: float) -> Any:
    """The sine, some quarters of a turn ahead: ±sin r or ±cos r."""

    def _finish(f: FloatLayout) -> Any:
        sines, cosines = f.numbers(*SIN_TERMS[f]), f.numbers(*COS_TERMS[f])
        one, half, zero, ahead = f.numbers(1, 0.5, 0, quarters)

        def finish(r: Any, low: Any, shifted: Any) -> Any:
            square = r * r
            sine = copysign(r + fma(r * square, polynomial(square, sines), low), r)  # for −0
            parabola = half * square
            most = one - parabola
            bend = fma(square * square, polynomial(square, cosines), -r * low)
            cosine = most + (((one - most) - parabola) + bend)
            turns = shifted + ahead
            odd = flipped_if_odd(one, turns) < zero
            return flipped_every_second(choose(odd, cosine, sine), turns)

        return finish

    return both(_finish)


def _tangent(f: FloatLayout) -> Any:
    """Tan r, and −1 / tan r for an odd n."""
    divided = DIVIDED[f]
    terms = f.numbers(*TAN_TERMS[f])
    one, zero = f.numbers(1, 0)

    def finish(r: Any, low: Any, shifted: Any) -> Any:
        square = r * r
        bend = fma(r * square, polynomial(square, terms), fma(low, square, low))
        odd = flipped_if_odd(one, shifted) < zero
        return choose(odd, divided(-one, bend, r), copysign(r + bend, r))  # for −0

    return finish


SIN, COS = _everywhere("sin", _wave(0.0)), _everywhere("cos", _wave(1.0))
TAN = _everywhere("tan", both(_tangent))
