"""Sine, cosine and tangent, for `vector_math`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.engine.vector_math_base import (
    F32,
    F64,
    Layout,
    both,
    choose,
    copysign,
    flipped_every_second,
    flipped_if_odd,
    fma,
    inlined,
    polynomial,
)
from dout.engine.vector_math_exp import DIVIDED

BOUND = 2.0**45  # from here on the nearest multiple of ½π is not found any more
ONE_OVER_PI = 0.3183098861837907
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)  # in three parts

# (sin r − r) / r³ in r², on |r| ≤ ½π, good for a float32
SINGLE_SIN_TERMS = F64.numbers(
    -0.16666666620421813, 0.008333330877826377, -0.00019840838707964895, 2.752388832471153e-06, -2.3862720368481762e-08
)
# (sin r − r) / r³ and (cos r − 1 + ½r²) / r⁴ in r², on |r| ≤ ¼π
SIN_TERMS = F64.numbers(
    -0.16666666666666619, 0.008333333333319213, -0.00019841269827305252, 2.755731283603144e-06, -2.5050625388295487e-08,
    1.588915694735956e-10,
)  # fmt: skip
COS_TERMS = F64.numbers(
    0.041666666666666574, -0.001388888888886986, 2.480158728686302e-05, -2.755731360360556e-07, 2.0875622220952635e-09,
    -1.135444279435994e-11,
)  # fmt: skip
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


def _turned(x: Any, m: Any) -> Any:
    """X − ½πm for a whole m, and what that lacks; all of it in float64, and NaN from the bound on.

    ½π goes in three parts. The first product is subtracted exactly, as x and it are close and rounded once.
    """
    first = fma(-m, HALF_PI_1, x)
    product = m * HALF_PI_2
    rest = first - product
    back = rest - first
    lost = (first - (rest - back)) - (product + back)  # what the difference rounds away
    low = fma(-m, HALF_PI_3, lost - fma(m, HALF_PI_2, -product))
    return choose(abs(x) < BOUND, rest, np.nan), low


HALF_PI_1, HALF_PI_2, HALF_PI_3 = HALF_PI
turned = inlined(_turned)


MAGIC = F64.magic


def _single_wave(quarters: float, sign: float) -> Any:
    """The sine, some quarters of a turn ahead: ±sin r with x = r + half turns; for float32, in float64."""
    ahead = 0.5 * quarters

    def wave(x: Any) -> Any:
        wide = np.float64(x)
        shifted = fma(wide, ONE_OVER_PI, -ahead) + MAGIC
        r, _ = turned(wide, fma(2.0, shifted - MAGIC, quarters))  # good enough without what it lacks
        square = r * r
        return np.float32(flipped_if_odd(sign * r * fma(square, polynomial(square, SINGLE_SIN_TERMS), 1.0), shifted))

    return wave


def _double_wave(quarters: float) -> Any:
    """The sine, some quarters of a turn ahead: ±sin r or ±cos r with x = r + quarter turns."""

    def wave(x: Any) -> Any:
        shifted = fma(x, 2.0 * ONE_OVER_PI, MAGIC)
        r, low = turned(x, shifted - MAGIC)
        square = r * r
        sine = copysign(r + fma(r * square, polynomial(square, SIN_TERMS), low), r)  # for −0
        half = 0.5 * square
        most = 1.0 - half
        cosine = most + (((1.0 - most) - half) + fma(square * square, polynomial(square, COS_TERMS), -r * low))
        turns = shifted + quarters
        odd = flipped_if_odd(1.0, turns) < 0.0
        return flipped_every_second(choose(odd, cosine, sine), turns)

    return wave


SIN = {F32: inlined(_single_wave(0.0, 1.0)), F64: inlined(_double_wave(0.0))}
COS = {F32: inlined(_single_wave(1.0, -1.0)), F64: inlined(_double_wave(1.0))}


def _tan(f: Layout) -> Any:
    """Tan r with x = r + ½πn, and −1 / tan r for an odd n."""
    divided = DIVIDED[f]
    terms = f.numbers(*TAN_TERMS[f])
    real, (one,) = f.real, f.numbers(1)

    def tan(x: Any) -> Any:
        wide = np.float64(x)
        shifted = fma(wide, 2.0 * ONE_OVER_PI, MAGIC)
        turn, rest = turned(wide, shifted - MAGIC)
        odd = flipped_if_odd(1.0, shifted) < 0.0
        r = real(turn)
        low = real(rest + (turn - np.float64(r)))
        square = r * r
        bend = fma(r * square, polynomial(square, terms), fma(low, square, low))
        whole = copysign(r + bend, r)  # for −0
        return choose(odd, divided(-one, bend, r), whole)

    return tan


TAN = both(_tan)
