"""Exponentials and what is made of them, for `vector_math`."""

from __future__ import annotations

from typing import Any

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
)

ONE_OVER_LN2 = 1.4426950408889634
LN2 = {F32: (0.6931472, -1.9046542e-09), F64: (0.6931471805599453, 2.3190468138462996e-17)}  # log 2 and what it lacks
EXP_ENDS = {F32: (-104, 89), F64: (-746, 710)}  # 0 below, ∞ above
EXP2_ENDS = {F32: (-151, 129), F64: (-1076, 1025)}
PART = {F32: 64, F64: 512}  # of n, where 2ⁿ itself may be too large or too small

# (eʳ − 1 − r) / r² on |r| ≤ ½ log 2
EXP_TERMS = {
    F32: (0.49999994, 0.16666517, 0.041668102, 0.008369197, 0.0013839043),
    F64: (
        0.5, 0.16666666666666688, 0.041666666666666824, 0.008333333333313885, 0.001388888888877519,
        0.00019841269903856667, 2.480158759101136e-05, 2.7557227286368244e-06, 2.755700087213096e-07,
        2.511482397336325e-08, 2.1014534223966007e-09,
    ),
}  # fmt: skip


@inlined
def clamped(x: Any, low: Any, high: Any) -> Any:
    """The nearest number from low to high; NaN stays."""
    x = choose(x > high, high, x)
    return choose(x < low, low, x)


def _reduced(f: FloatLayout) -> Any:
    """The whole number n nearest to x / log 2, and r = x − n log 2."""
    log2_e, magic, ln2, ln2_low = f.numbers(ONE_OVER_LN2, f.magic, *LN2[f])

    def reduced(x: Any) -> Any:
        n = fma(x, log2_e, magic) - magic
        return n, fma(n, -ln2_low, fma(n, -ln2, x))

    return reduced


def _growth(f: FloatLayout) -> Any:
    """eʳ − 1 on |r| ≤ ½ log 2."""
    terms = f.numbers(*EXP_TERMS[f])

    def growth(r: Any) -> Any:
        return fma(r * r, polynomial(r, terms), r)

    return growth


GROWTH = both(_growth)


def _rebuilt(f: FloatLayout) -> Any:
    """2ⁿ eʳ. 2ⁿ goes in two parts, so that it reaches the subnormal numbers and infinity."""
    growth = GROWTH[f]
    zero, one, up, down, power_up, power_down = f.numbers(0, 1, PART[f], -PART[f], 2.0 ** PART[f], 2.0 ** -PART[f])

    def rebuilt(n: Any, r: Any) -> Any:
        power = growth(r) + one
        small = n < zero
        return power * power_of_two(n, choose(small, up, down)) * choose(small, power_down, power_up)

    return rebuilt


REDUCED, REBUILT = both(_reduced), both(_rebuilt)


def _exp(f: FloatLayout) -> Any:
    """eˣ = 2ⁿ eʳ."""
    reduced, rebuilt = REDUCED[f], REBUILT[f]
    low, high = f.numbers(*EXP_ENDS[f])

    def exp(x: Any) -> Any:
        n, r = reduced(clamped(x, low, high))
        return rebuilt(n, r)

    return exp


def _exp2(f: FloatLayout) -> Any:
    """2ˣ = 2ⁿ eʳ, with r = (x − n) log 2."""
    rebuilt = REBUILT[f]
    magic, ln2 = f.numbers(f.magic, LN2[f][0])
    low, high = f.numbers(*EXP2_ENDS[f])

    def exp2(x: Any) -> Any:
        x = clamped(x, low, high)
        n = (x + magic) - magic
        return rebuilt(n, (x - n) * ln2)

    return exp2


def _decay(f: FloatLayout) -> Any:
    """eˣ for x from zero down: one part of 2ⁿ is known."""
    reduced, growth = REDUCED[f], GROWTH[f]
    one, low, up, power_down = f.numbers(1, EXP_ENDS[f][0], PART[f], 2.0 ** -PART[f])

    def decay(x: Any) -> Any:
        n, r = reduced(choose(x < low, low, x))
        return (growth(r) + one) * power_of_two(n, up) * power_down

    return decay


EXP, EXP2, DECAY = both(_exp), both(_exp2), both(_decay)


def _expm1(f: FloatLayout) -> Any:
    """2ⁿ (eʳ − 1) + (2ⁿ − 1), halved and doubled so that 2ⁿ does not overflow first."""
    reduced, growth = REDUCED[f], GROWTH[f]
    zero, one, half, two = f.numbers(0, 1, 0.5, 2)
    low, high = f.numbers(-40, EXP_ENDS[f][1])  # −1 below

    def expm1(x: Any) -> Any:
        n, r = reduced(clamped(x, low, high))
        part = growth(r)
        scale = power_of_two(n, -one)
        return copysign(choose(n == zero, part, two * fma(scale, part, scale - half)), x)

    return expm1


def _quarter(f: FloatLayout) -> Any:
    """A quarter of eˣ − 1, as in `_expm1`: twice it overflows where sinh and cosh do."""
    reduced, growth = REDUCED[f], GROWTH[f]
    two, quarter = f.numbers(2, 0.25)
    low, high = f.numbers(-40, {F32: 89.6, F64: 710.6}[f])

    def part(x: Any) -> Any:
        n, r = reduced(clamped(x, low, high))
        scale = power_of_two(n, -two)
        return fma(scale, growth(r), scale - quarter)

    return part


QUARTER = both(_quarter)


def _sinh(f: FloatLayout) -> Any:
    """Half of (eˣ − 1) − (e⁻ˣ − 1). A tiny x, whose quarter may lose a bit, is its own."""
    quarter = QUARTER[f]
    two, tiny = f.numbers(2, 2.0**-30)

    def sinh(x: Any) -> Any:
        size = abs(x)
        return choose(size < tiny, x, copysign(two * (quarter(size) - quarter(-size)), x))

    return sinh


def _cosh(f: FloatLayout) -> Any:
    """1 and half of (eˣ − 1) + (e⁻ˣ − 1)."""
    quarter = QUARTER[f]
    half, two = f.numbers(0.5, 2)

    def cosh(x: Any) -> Any:
        size = abs(x)
        return two * (quarter(size) + (quarter(-size) + half))

    return cosh


EXPM1, SINH, COSH = both(_expm1), both(_sinh), both(_cosh)


def _divided(f: FloatLayout) -> Any:
    """Top / (x + y), mended by what the sum lost and by what the quotient leaves; exactly so for |x| ≤ |y|."""
    (one,) = f.numbers(1)

    def divided(top: Any, x: Any, y: Any) -> Any:
        bottom = x + y
        lost = x - (bottom - y)
        inverse = one / bottom
        quotient = top * inverse
        rest = fma(-quotient, bottom, top) - quotient * lost
        return fma(rest, inverse, quotient)

    return divided


DIVIDED = both(_divided)


def _sigmoid(f: FloatLayout) -> Any:
    """1 − q for x above zero and q = e − eq below, where e = e⁻ˡˣˡ and q = e / (1 + e): each has few digits to lose.

    Of x and −x, both parts are the same: a kernel that needs the two sigmoids divides once.
    """
    decay = DECAY[f]
    zero, one = f.numbers(0, 1)

    def sigmoid(x: Any) -> Any:
        power = decay(-abs(x))
        quotient = power / (one + power)
        return choose(x < zero, fma(-power, quotient, power), one - quotient)

    return sigmoid


def _tanh(f: FloatLayout) -> Any:
    """E / (E + 2) with E = e²ˣ − 1, for x from zero up."""
    reduced, growth, divided = REDUCED[f], GROWTH[f], DIVIDED[f]
    zero, one, two, high = f.numbers(0, 1, 2, 44)  # from 22 on it is 1

    def tanh(x: Any) -> Any:
        double = two * abs(x)
        n, r = reduced(choose(double > high, high, double))
        scale = power_of_two(n, zero)
        top = fma(scale, growth(r), scale - one)
        return copysign(divided(top, top, two), x)

    return tanh


SIGMOID, TANH = both(_sigmoid), both(_tanh)

# --- the error function -----------------------------------------------------------------------------------------------

# erf x / x − 1 in x², on |x| ≤ 1
ERF_TERMS = {
    F32: (0.12837917, -0.37612626, 0.112835824, -0.02685364, 0.0051879464, -0.00080065633, 7.841238e-05),
    F64: (
        0.1283791670955126, -0.37612638903183876, 0.1128379167095874, -0.02686617064561862, 0.005223977629083717,
        -0.0008548327188780678, 0.00012055337743401365, -1.49257375883297e-05, 1.6463071143507292e-06,
        -1.63704572297192e-07, 1.4785257755585754e-08, -1.1825344422798593e-09, 6.675556292447611e-11,
    ),
}  # fmt: skip
# (1 − erf x) eˣˣ in (x − 3) / (x + 3), from 1 to where erf is 1, the looser the closer it comes to that
ERFC_TERMS = {
    F32: (0.1790002, -0.32625762, 0.24536602, -0.1513289, 0.06819594, -0.029910529),
    F64: (
        0.17900115118134305, -0.32623356004595505, 0.24560380167714035, -0.1501159359929429, 0.07166585444664135,
        -0.02439229691180654, 0.004270495279685159, 0.0007136006061476399, -0.0005802520133253639,
        7.744551205422441e-05, 0.0001037086132744003, 1.5442094009420212e-05,
    ),
}  # fmt: skip


def _erf(f: FloatLayout) -> Any:
    """A series in x up to 1, and 1 − e⁻ˣˣ (…) from there on."""
    decay = DECAY[f]
    near, far = f.numbers(*ERF_TERMS[f]), f.numbers(*ERFC_TERMS[f])
    one, three, high = f.numbers(1, 3, {F32: 4, F64: 6}[f])

    def erf(x: Any) -> Any:
        size = abs(x)
        size = choose(size > high, high, size)
        square = size * size
        small = fma(x, polynomial(square, near), x)
        large = fma(-decay(-square), polynomial((size - three) / (size + three), far), one)
        return choose(size < one, small, copysign(large, x))

    return erf


ERF = both(_erf)
