"""Logarithms, and powers, which are made of them, for `vector_math`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.engine.math.vector_math_base import (
    F32,
    F64,
    FloatLayout,
    both,
    choose,
    copysign,
    fma,
    inlined,
    polynomial,
    power_of_two,
    split,
)
from dout.engine.math.vector_math_exp import DECAY, EXP_ENDS, LN2, REBUILT, REDUCED, clamped

# (log((1 + s) / (1 − s)) − 2s) / s³ in s², for quotients from √½ to √2
LOG_TERMS = {
    F32: (0.6666666, 0.40000972, 0.28498793, 0.24278995),
    F64: (
        0.6666666666666735, 0.3999999999940937, 0.28571428743681315, 0.22222198429548629, 0.1818357232716206,
        0.1531383276137875, 0.1479825435586611,
    ),
}  # fmt: skip


def _bend(f: FloatLayout) -> Any:
    """log(1 + t) − t, for 1 + t from √½ to √2, by a series in s = t / (2 + t)."""
    terms = f.numbers(*LOG_TERMS[f])
    half, two = f.numbers(0.5, 2)

    def bend(t: Any) -> Any:
        s = t / (two + t)
        square = s * s
        parabola = half * t * t
        return fma(s, fma(square, polynomial(square, terms), parabola), -parabola)

    return bend


BEND = both(_bend)


def _taken_apart(f: FloatLayout) -> Any:
    """T and n with x = (1 + t) 2ⁿ, for any x above zero. A subnormal x is scaled up first."""
    one, normal, up, shift = f.numbers(1, 2.0 ** (1 - f.bias), 2.0**f.fraction, f.fraction)

    def taken_apart(x: Any) -> Any:
        tiny = x < normal
        m, n = split(choose(tiny, x * up, x))
        return m - one, choose(tiny, n - shift, n)

    return taken_apart


def _at_the_ends(f: FloatLayout) -> Any:
    """The logarithm of x, now that it is known between zero and infinity."""
    zero, nan, infinity = f.numbers(0, float("nan"), float("inf"))

    def at_the_ends(x: Any, result: Any) -> Any:
        result = choose(x < infinity, result, x)  # ∞ and NaN stay
        return choose(x > zero, result, choose(x == zero, -infinity, choose(x < zero, nan, x)))

    return at_the_ends


TAKEN_APART, AT_THE_ENDS = both(_taken_apart), both(_at_the_ends)


def _log(f: FloatLayout) -> Any:
    """log(1 + t) + n log 2."""
    taken_apart, bend, at_the_ends = TAKEN_APART[f], BEND[f], AT_THE_ENDS[f]
    ln2, ln2_low = f.numbers(*LN2[f])

    def log(x: Any) -> Any:
        t, n = taken_apart(x)
        return at_the_ends(x, fma(n, ln2, t + fma(n, ln2_low, bend(t))))

    return log


# The logarithms of 2 and e to the base 10 and 2, each with what it lacks.
LOG10_2 = {F32: (0.30103, -1.4320989e-08), F64: (0.3010299956639812, -2.8037281277851704e-18)}
LOG10_E = {F32: (0.4342945, -1.010305e-08), F64: (0.4342944819032518, 1.098319650216765e-17)}
LOG2_2 = {F32: (1.0, 0.0), F64: (1.0, 0.0)}
LOG2_E = {F32: (1.442695, 1.925963e-08), F64: (1.4426950408889634, 2.0355273740931033e-17)}


def _to_base(base_of_2: dict[FloatLayout, Any], base_of_e: dict[FloatLayout, Any]) -> Any:
    """log(1 + t) and n log 2, each in another base."""

    def _logarithm(f: FloatLayout) -> Any:
        taken_apart, bend, at_the_ends = TAKEN_APART[f], BEND[f], AT_THE_ENDS[f]
        of_2, of_2_low, of_e, of_e_low = f.numbers(*base_of_2[f], *base_of_e[f])

        def logarithm(x: Any) -> Any:
            t, n = taken_apart(x)
            small = fma(t, of_e_low, fma(n, of_2_low, bend(t) * of_e))
            return at_the_ends(x, fma(n, of_2, fma(t, of_e, small)))

        return logarithm

    return _logarithm


def _log1p(f: FloatLayout) -> Any:
    """Log of 1 + x = (1 + t) 2ⁿ, where t = 2⁻ⁿ x + (2⁻ⁿ − 1) does not lose what 1 + x rounds away."""
    bend, at_the_ends = BEND[f], AT_THE_ENDS[f]
    zero, one, large, ln2, ln2_low = f.numbers(0, 1, 2.0 ** (f.fraction + 3), *LN2[f])

    def log1p(x: Any) -> Any:
        above = x + one
        m, n = split(above)
        scale = power_of_two(-choose(x < large, n, one), zero)
        t = choose(x < large, fma(scale, x, scale - one), m - one)
        return copysign(at_the_ends(above, fma(n, ln2, t + fma(n, ln2_low, bend(t)))), x)

    return log1p


LOG, LOG1P = both(_log), both(_log1p)
LOG2, LOG10 = both(_to_base(LOG2_2, LOG2_E)), both(_to_base(LOG10_2, LOG10_E))


def _softplus(f: FloatLayout) -> Any:
    """The larger of x and 0, and log(1 + e) with e = e⁻ˡˣˡ, where 1 + e is one or two times what is near 1."""
    decay, bend = DECAY[f], BEND[f]
    zero, half, one, border, ln2, ln2_low = f.numbers(0, 0.5, 1, 2**0.5 - 1, *LN2[f])

    def softplus(x: Any) -> Any:
        power = decay(-abs(x))
        twice = power > border
        t = choose(twice, half * (power - one), power)
        n = choose(twice, one, zero)
        return choose(x < zero, zero, x) + fma(n, ln2, t + fma(n, ln2_low, bend(t)))

    return softplus


SOFTPLUS = both(_softplus)


def _log_sigmoid(f: FloatLayout) -> Any:
    """log(1 / (1 + e⁻ˣ))."""
    softplus = SOFTPLUS[f]

    def log_sigmoid(x: Any) -> Any:
        return -softplus(-x)

    return log_sigmoid


LOG_SIGMOID = both(_log_sigmoid)

# --- powers -----------------------------------------------------------------------------------------------------------

# (log((1 + s) / (1 − s)) − 2s − ⅔s³) / s⁵ in s²
POWER_TERMS = F64.numbers(
    0.4000000000000239, 0.28571428570044294, 0.22222222528754548, 0.18181783660315645, 0.15386787573987357,
    0.132561560535871, 0.13202150523111494,
)  # fmt: skip
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)  # and what it lacks


def _power_in_two(f: FloatLayout) -> Any:
    """xʸ for x above zero as e to the y log x, with a logarithm of two parts: what one lacks of it, the other has."""
    taken_apart, reduced, rebuilt = TAKEN_APART[f], REDUCED[f], REBUILT[f]
    ln2, ln2_low = LN2[f]
    third, third_low = TWO_THIRDS
    low, high = f.numbers(*EXP_ENDS[f])

    def power(x: Any, y: Any) -> Any:
        t, n = taken_apart(x)
        bottom = 2.0 + t
        inverse = 1.0 / bottom
        s = t * inverse
        s_low = (fma(-s, bottom, t) - s * (t - (bottom - 2.0))) * inverse
        z = s * s
        z_low = fma(s, s, -z) + 2.0 * s * s_low
        tail = z * polynomial(z, POWER_TERMS)
        factor = third + tail
        factor_low = (tail - (factor - third)) + third_low
        cube = s * z
        cube_low = fma(s, z, -cube) + (s * z_low + s_low * z)
        bend = cube * factor
        bend_low = fma(cube, factor, -bend) + (cube * factor_low + cube_low * factor)
        near = 2.0 * s + bend
        near_low = (bend - (near - 2.0 * s)) + (2.0 * s_low + bend_low)
        whole = n * ln2
        log = whole + near
        log_low = (near - (log - whole)) + (fma(n, ln2, -whole) + fma(n, ln2_low, near_low))
        log = choose(x == 0.0, -np.inf, choose(x < np.inf, log, x))
        product = y * log
        rest = fma(y, log, -product) + y * log_low
        rest = choose(abs(rest) < 1.0, rest, 0.0)
        n, r = reduced(clamped(product, low, high))
        return rebuilt(n, r + rest)

    return power


# As LOG_TERMS and EXP_TERMS, in float64 but good for a float32 alone.
SINGLE_LOG_TERMS = F64.numbers(
    0.66666666676074, 0.39999995544796024, 0.28572116428020244, 0.22175907593207028, 0.19587986027758336
)
SINGLE_EXP_TERMS = F64.numbers(
    0.4999998856149578, 0.16666518165325067, 0.04166953869098114, 0.008368951777480095, 0.0013751279109778332
)


def _power_in_double(f: FloatLayout) -> Any:
    """xʸ for float32 above zero as e to the y log x, in float64: no end of its range and no digit to take care of."""
    reduced = REDUCED[F64]
    ln2 = LN2[F64][0]

    def power(x: Any, y: Any) -> Any:
        m, n = split(np.float64(x))
        t = m - 1.0
        s = t / (2.0 + t)
        z = s * s
        log = fma(n, ln2, fma(s * z, polynomial(z, SINGLE_LOG_TERMS), 2.0 * s))
        log = choose(x == 0, -np.inf, choose(x < np.inf, log, np.float64(x)))
        product = y * log
        n, r = reduced(clamped(product, -200.0, 200.0))
        return np.float32(fma(r * r, polynomial(r, SINGLE_EXP_TERMS), r + 1.0) * power_of_two(n, 0.0))

    return power


POWER = {F32: inlined(_power_in_double(F32)), F64: inlined(_power_in_two(F64))}


def _pow(f: FloatLayout) -> Any:
    """xʸ: signs, and what the logarithm of |x| does not know."""
    power = POWER[f]
    zero, half, one, nan, infinity = f.numbers(0, 0.5, 1, float("nan"), float("inf"))

    def pow(x: Any, y: Any) -> Any:
        size = abs(x)
        whole = np.floor(y) == y
        odd = whole & (np.floor(half * y) != half * y)
        result = choose(size == one, one, power(size, y))
        result = choose(odd, copysign(result, x), result)
        result = choose((x < zero) & (x > -infinity) & (not whole), nan, result)
        return choose((y == zero) | (x == one), one, result)

    return pow


POW = both(_pow)
