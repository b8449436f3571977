"""The elementary functions of kernels: within 2 ulp of the exact value, NumPy's at the edges, and vectorised."""

import math
import platform
import re
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from flint import arb, ctx

from dout.engine.lowering.entry_point import ArrayType
from dout.engine.math import vector_math
from dout.engine.math.vector_math import FUNCTIONS
from dout.engine.runtime import compiler, kernel_cache

DTYPES = (np.float32, np.float64)
EVERY = [pytest.param(name, dtype, id=f"{name}-{dtype.__name__}") for name in FUNCTIONS for dtype in DTYPES]
OF_ONE = [case for case in EVERY if case.values[0] != "pow"]


def wide(function):
    """NumPy's function, where no step of it overflows."""
    return lambda x: function(x.astype(np.longdouble)).astype(x.dtype)


def softplus(x):
    return np.logaddexp(0, x)


# name → (the exact function of balls, NumPy's, where its finite values lie)
EXACT = {
    "exp": (arb.exp, np.exp, (-750, 710)),
    "decay": (arb.exp, np.exp, (-750, 0)),  # and nowhere else
    "exp2": (lambda x: arb(2) ** x, np.exp2, (-1080, 1024)),
    "expm1": (arb.expm1, np.expm1, (-750, 710)),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), wide(lambda x: 1 / (1 + np.exp(-x))), (-750, 50)),
    "tanh": (arb.tanh, np.tanh, (-30, 30)),
    "sinh": (arb.sinh, np.sinh, (-711, 711)),
    "cosh": (arb.cosh, np.cosh, (-711, 711)),
    "erf": (arb.erf, wide(lambda x: np.vectorize(math.erf)(x.astype(float))), (-7, 7)),
    "log": (arb.log, np.log, (0, np.inf)),
    "log1p": (arb.log1p, np.log1p, (-1, np.inf)),
    "log2": (lambda x: x.log() / arb.const_log2(), np.log2, (0, np.inf)),
    "log10": (lambda x: x.log() / arb(10).log(), np.log10, (0, np.inf)),
    "softplus": (lambda x: x.exp().log1p(), wide(softplus), (-750, 800)),
    "log_sigmoid": (lambda x: -(-x).exp().log1p(), wide(lambda x: -softplus(-x)), (-800, 750)),
    "sin": (arb.sin, np.sin, (-np.inf, np.inf)),
    "cos": (arb.cos, np.cos, (-np.inf, np.inf)),
    "tan": (arb.tan, np.tan, (-np.inf, np.inf)),
}


def test_every_function_has_both_versions_under_its_name():
    assert {*EXACT, "pow"} == set(FUNCTIONS)
    for name, versions in FUNCTIONS.items():
        assert [getattr(vector_math, f"{name}_f32"), getattr(vector_math, f"{name}_f64")] == list(versions.values())


def text_of(name, dtype):
    """A plain loop over the function, as kernels have it."""
    function, given = f"{name}_f{8 * dtype().nbytes}", ["x", "y"] if name == "pow" else ["x"]
    return f"""from numba import njit
from dout.engine.math.vector_math import {function}

@njit(error_model="numpy")
def loop({", ".join(given)}, out):
    for i in range(x.size):
        out[i] = {function}({", ".join(f"{one}[i]" for one in given)})
"""


def types_of(name, dtype):
    array = ArrayType(np.dtype(dtype), 1, "C")
    return [array] * (2 if name == "pow" else 1) + [array._replace(written=True)]


@cache
def looped(name, dtype):
    return kernel_cache.load("loop", text_of(name, dtype), types_of(name, dtype))


@cache
def looped_by_numba(name, dtype):
    made = {}
    exec(text_of(name, dtype), made)
    return made["loop"]


def computed(name, *inputs, by=looped):
    out = np.empty_like(inputs[0])
    by(name, out.dtype.type)(*inputs, out)
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
        np.arange(1, count + 1) * np.pi / 2,
        rng.integers(0, 2**40, count) * np.pi / 2,
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


@contextmanager
def digits(bits=1200):
    before, ctx.prec = ctx.prec, bits
    yield
    ctx.prec = before


def worst(name, dtype, count):
    return worst_of(name, points(name, dtype, count))


def worst_of(name, x):
    exact = EXACT[name][0]
    with digits():
        return max((error(got, exact(arb(float(at)))), float(at)) for at, got in zip(x, computed(name, x), strict=True))


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "dtype"), OF_ONE)
def test_it_is_within_two_ulp(name, dtype):
    ulp, at = worst(name, dtype, 300)
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_in_a_module_of_its_own_numba_makes_the_same_of_it(name, dtype):
    x = np.abs(points("log", dtype, 300)) if name == "pow" else points(name, dtype, 300)
    given = (x, np.linspace(-3, 3, x.size, dtype=dtype)) if name == "pow" else (x,)
    np.testing.assert_array_equal(computed(name, *given), computed(name, *given, by=looped_by_numba))


@pytest.mark.long
@pytest.mark.parametrize(("name", "dtype"), OF_ONE)
def test_it_is_within_two_ulp_at_many_points(name, dtype):
    ulp, at = worst(name, dtype, 100_000)
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


WAVES = [pytest.param(name, dtype, id=f"{name}-{dtype.__name__}") for name in ("sin", "cos", "tan") for dtype in DTYPES]


def hardest(dtype):
    """For each exponent, the two numbers closest to a multiple of ½π: by the continued fraction of 2ᵉ / ½π."""
    info, found = np.finfo(dtype), []
    with digits(2600):
        two_over_pi = int((arb(2) ** 2401 / arb.pi()).floor().unique_fmpz())
    for exponent in range(-info.nmant - 1, info.maxexp - info.nmant):
        top, bottom = two_over_pi, 1 << 2400 - exponent
        below, denominators = 0, [1]
        while denominators[-1] < 2 ** (info.nmant + 1):
            top, bottom = bottom, top % bottom
            below, denominators = denominators[-1], [*denominators, top // bottom * denominators[-1] + below]
        found += [math.ldexp(whole, exponent) for whole in denominators[-3:-1]]
    return np.array(found, dtype)


@pytest.mark.parametrize(("name", "dtype"), WAVES)
def test_a_wave_is_within_two_ulp_where_it_is_hardest(name, dtype):
    x = hardest(dtype)
    assert {np.float32: 16367173 * 2.0**72, np.float64: 6381956970095103 * 2.0**797}[dtype] in x
    ulp, at = worst_of(name, np.concatenate([x, -x]))
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


@pytest.mark.parametrize(("name", "dtype"), WAVES)
def test_a_large_argument_of_a_wave_leaves_its_neighbours_alone(name, dtype):
    x = np.random.default_rng(0).uniform(-100, 100, 1000).astype(dtype)
    mixed = x.copy()
    mixed[::7] = 1e30
    together, alone = computed(name, mixed), computed(name, x)
    alone[::7] = computed(name, mixed[:1])[0]  # one number: never a vector
    np.testing.assert_array_equal(together, alone)


@pytest.mark.long
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_a_wave_of_float32_is_within_two_ulp_everywhere(name):
    for start in range(0, 0x7F800000, 2**22):
        x = np.arange(start, start + 2**22, 5, dtype=np.uint32).view(np.float32)
        exact = getattr(np, name)(x.astype(float))
        off = np.abs(computed(name, x) - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(float)
        assert off.max() <= 2, x[off.argmax()]


def worst_power(dtype, count):
    """Powers from the smallest number to the largest, of bases of every size."""
    rng = np.random.default_rng(0)
    end = math.log(float(np.finfo(dtype).max))
    bases = [np.exp(rng.uniform(-end, end, count)), rng.uniform(0, 10, count), 1 + rng.uniform(-1e-3, 1e-3, count)]
    x = np.concatenate(bases).astype(dtype)
    x = x[x != 1]  # of which no power is another number
    y = np.concatenate([rng.uniform(-1.05, 1, x.size) * end / np.log(x.astype(float)), rng.uniform(-2, 2, x.size)])
    x, y = np.concatenate([x, x]), y.astype(dtype)
    with digits(200):
        powers = [arb(float(a)) ** arb(float(b)) for a, b in zip(x, y, strict=True)]
        return max((error(*pair), a, b) for *pair, a, b in zip(computed("pow", x, y), powers, x, y, strict=True))


@pytest.mark.parametrize(("dtype", "count"), [(np.float32, 1000), (np.float64, 1000)])
def test_a_power_is_within_two_ulp(dtype, count):
    ulp, *at = worst_power(dtype, count)
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_is_within_two_ulp_at_many_points(dtype):
    ulp, *at = worst_power(dtype, 100_000)
    assert ulp <= 2, f"{ulp} ulp at {at!r}"


def edges(dtype):
    info = np.finfo(dtype)
    sizes = [0.0, info.smallest_subnormal, 3 * info.smallest_subnormal, info.smallest_normal, info.tiny / 2, info.eps]
    sizes += [0.5, 1, 2, 3, 10, 88.8, 89.4, 100, 709.9, 710.4, 1000, 1e9, info.max / 4, info.max, np.inf]
    return np.array([*sizes, *(-size for size in sizes), np.nan], dtype)


def assert_like_numpy(got, expected):
    info = np.finfo(got.dtype)
    np.testing.assert_allclose(got, expected, 4 * info.eps, 3 * info.smallest_subnormal)  # NaN and ∞ as well
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))


@pytest.mark.parametrize(("name", "dtype"), OF_ONE)
def test_it_is_numpys_at_the_edges(name, dtype):
    x = edges(dtype)
    x = x[~(x > 0)] if name == "decay" else x
    with np.errstate(all="ignore"):
        assert_like_numpy(computed(name, x), EXACT[name][1](x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_is_numpys_at_the_edges(dtype):
    x, y = (grid.ravel() for grid in np.meshgrid(edges(dtype), edges(dtype)))
    with np.errstate(all="ignore"):
        assert_like_numpy(computed("pow", x, y), x**y)


@pytest.mark.one_in(3)
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly")
@pytest.mark.parametrize(("name", "dtype"), EVERY)
def test_a_plain_loop_over_it_is_vectorised(name, dtype):
    assembly = compiler.assembly("loop", text_of(name, dtype), types_of(name, dtype))
    assert len(re.findall(r"\tv?f?n?m(?:add|sub|ul)\d*p[sd]\t.*%[xyz]mm", assembly)) > 5  # packed products
    assert not re.findall(r"call\w*\s+\S*(exp|log|tanh|pow|sin|cos|erf)f?\b", assembly)
    if (name, dtype) in [case.values for case in WAVES]:  # the version for vectors
        assert re.search(rf"\t(?:mov|lea|call).*dout\.rare\.{name}_f\d\d\.\d+\.each", assembly)
