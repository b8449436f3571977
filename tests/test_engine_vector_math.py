"""The elementary functions of kernels: within 2 ulp of the exact value, NumPy's at the edges, and vectorised."""

import platform
import re
from functools import cache

import numba
import numpy as np
import pytest
from flint import arb, ctx

from dout.engine.vector_math import FUNCTIONS

DTYPES = (np.float32, np.float64)
EVERY = [pytest.param(name, dtype, id=f"{name}-{dtype.__name__}") for name in FUNCTIONS for dtype in DTYPES]


def wide(function):
    """NumPy's function, where no step of it overflows."""
    return lambda x: function(x.astype(np.longdouble)).astype(x.dtype)


# name → (the exact function of balls, NumPy's, where its finite values lie)
EXACT = {
    "exp": (arb.exp, np.exp, (-750, 710)),
    "log": (arb.log, np.log, (0, np.inf)),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), wide(lambda x: 1 / (1 + np.exp(-x))), (-750, 50)),
    "tanh": (arb.tanh, np.tanh, (-30, 30)),
}


@cache
def looped(name, dtype):
    """A plain loop over the function, compiled as kernels are."""
    function = FUNCTIONS[name][dtype]

    @numba.njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


def computed(name, x):
    out = np.empty_like(x)
    looped(name, x.dtype.type)(x, out)
    return out


def points(name, dtype, count):
    """Numbers of every size, dense where the function bends, up to where its values overflow or vanish."""
    rng = np.random.default_rng(0)
    low, high = EXACT[name][2]
    bits = rng.integers(0, 2 ** (8 * dtype().nbytes), count, dtype=np.uint64)
    every = bits.astype(f"u{dtype().nbytes}").view(dtype)  # any number there is
    sides = rng.choice([-1, 1], (4, count))
    groups = [
        every[np.isfinite(every)],
        rng.uniform(-1, 1, count),
        rng.uniform(-10, 10, count),
        rng.uniform(-100, 100, count),
        rng.uniform(-750, 750, count),
        sides[0] * np.exp(rng.uniform(-40, 5, count)),
        1 + sides[1] * np.exp(rng.uniform(-30, 0, count)),
        sides[2] * rng.uniform(0, 1, count) * np.finfo(dtype).smallest_normal,
    ]
    together = np.concatenate([group.astype(dtype) for group in groups])
    return together[(together > low) & (together < high)]


def error(got, exact):
    """In units in the last place of the exact value, rounded to infinity where it is beyond the largest number."""
    info = np.finfo(got.dtype)
    number = float(exact)
    if abs(number) > float(info.max):
        number = np.copysign(float(info.max), number)
        if np.isinf(got):
            return 0.0 if abs(exact) > arb(float(info.max)) * (1 - float(info.epsneg) ** 2) else np.inf
    if not np.isfinite(got):
        return np.inf
    exponent = max(int(np.frexp(number)[1]) - 1, info.minexp) if number else info.minexp
    return float(abs(arb(float(got)) - exact) / arb(2) ** (exponent - info.nmant))


def worst(name, dtype, count):
    x = points(name, dtype, count)
    exact = EXACT[name][0]
    before, ctx.prec = ctx.prec, 1200
    try:
        return max((error(got, exact(arb(float(at)))), float(at)) for at, got in zip(x, computed(name, x), strict=True))
    finally:
        ctx.prec = before


@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_it_is_within_two_ulp(name, dtype):
    ulp, at = worst(name, dtype, 500)
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


@pytest.mark.long
@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_it_is_within_two_ulp_at_many_points(name, dtype):
    ulp, at = worst(name, dtype, 200_000)
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_it_is_numpys_at_the_edges(name, dtype):
    info = np.finfo(dtype)
    sizes = [0, info.smallest_subnormal, 3 * info.smallest_subnormal, info.smallest_normal, info.tiny / 2, info.eps]
    sizes += [0.5, 1, 2, 10, 100, 1000, info.max / 4, info.max, np.inf]
    x = np.array([*sizes, *(-size for size in sizes), np.nan], dtype)
    with np.errstate(all="ignore"):
        expected = EXACT[name][1](x)
    got = computed(name, x)
    np.testing.assert_allclose(got, expected, 4 * info.eps, 3 * info.smallest_subnormal)  # NaN and ∞ as well
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly")
@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_a_plain_loop_over_it_is_vectorised(name, dtype):
    computed(name, np.ones(8, dtype))
    (assembly,) = looped(name, dtype).inspect_asm().values()
    suffix = "ps" if dtype is np.float32 else "pd"
    assert len(re.findall(rf"\tv?f?n?m\w+{suffix}\t.*%[xyz]mm", assembly)) > 5  # packed products
    assert not re.findall(r"call\w*\s+\S*(exp|log|tanh|pow|sin|cos|erf)f?\b", assembly)
