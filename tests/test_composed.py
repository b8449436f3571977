"""Functions that are others put together: traced they give what NumPy gives, bit for bit, views where it gives views.

The table below holds plain NumPy code; each line is compared with plain NumPy, replayed, and differentiated exactly.
"""

import functools
import math

import numpy as np
import pytest
import scipy.special
from random_programs import Program, check_gradient
from row_inputs import LAYOUTS, filled

import dout
from dout.errors import DoutError
from dout.trace.replay import first_difference, flat, same_bits


@functools.cache  # no module holds these arrays: each trace would look through them for state
def tables():
    """The code that only reads, and the code that writes, each with its inputs."""
    A = np.linspace(-1.3, 2.1, 6).reshape(2, 3)
    B = np.linspace(0.7, -0.9, 6).reshape(2, 3)
    V, W = np.array([1.5, -0.25, 0.75]), np.array([0.5, 2.0, -1.25])
    CUBE = np.linspace(-1.9, 2.3, 24).reshape(2, 3, 4)
    EIGHT = np.linspace(1.0, -0.7, 8)
    PLACES = np.array([[2, 0], [1, 1]])
    SQUARE = np.linspace(-1.0, 2.0, 9).reshape(3, 3) + 3 * np.eye(3)

    # (code, inputs). The inputs' names are x, y, z in this order.
    reads = [
        *[(f"np.{f}([x, y])", A, B) for f in ("stack", "hstack", "vstack", "column_stack", "concatenate")],
        *[(f"np.{f}((x, y))", V, W) for f in ("stack", "hstack", "vstack", "column_stack", "concatenate")],
        *[(f"np.stack([x, y, x], axis={axis})", A, B) for axis in (0, 1, 2, -1)],
        *[(f"np.concatenate((x, y, x * 2), axis={axis})", A, B) for axis in (0, 1, -1, None)],
        ("np.concatenate([x, np.ones(2), [1.0, 2.0]])", V),
        ("np.hstack([x.sum(), y])", A, V),
        ("np.vstack([x, y])", A, V),
        ("np.column_stack([x, y])", A, np.array([1.0, 2.0])),
        ("np.append(x, y)", A, V),
        ("np.append(x, [[1, 2, 3]], axis=0)", A),
        *[(f"np.atleast_{n}d(x)", item) for n in (1, 2, 3) for item in (V, A, CUBE)],
        ("np.atleast_2d(x.sum())", V),
        ("np.add(*np.atleast_1d(x, y))", V, W),
        ("np.split(x, 3, axis=1)[1]", A),
        ("np.split(x, [1, 3, 7])[1] * np.split(x, (1, 3))[0]", EIGHT),
        ("np.array_split(x, 3)[0] * np.array_split(x, 3)[1]", EIGHT),
        ("np.array_split(x, 3)[2]", EIGHT),
        ("np.hsplit(x, 3)[0] + np.hsplit(y, [1])[0]", A, V),
        ("np.vsplit(x, 2)[1]", A),
        ("np.multiply(*np.broadcast_arrays(x, y))", A, V),
        ("np.take(x, [0, 4, 4])", A),
        ("np.take(x, y, axis=1)", A, PLACES),
        ("np.take(x, 1, axis=0)", A),
        ("x.take(np.array([2, 0, 2]), axis=-1)", A),
        ("np.take_along_axis(x, y, axis=1)", A, PLACES),
        ("np.take_along_axis(x, np.argsort(x, axis=0), axis=0)", A),
        ("np.take_along_axis(x, y, None)", A, np.array([5, 0, 5])),
        ("np.repeat(x, 2)", A),
        ("np.repeat(x, [1, 0, 3], axis=1)", A),
        ("x.repeat([2, 1], 0)", A),
        ("np.sort(x)", A),
        ("np.sort(x, axis=0)", A),
        ("np.sort(x, axis=None)", A),
        ("np.outer(x, y)", V, A),
        ("np.outer(x, [1.0, 2.0])", V),
        ("np.tensordot(x, y, axes=([1], [0]))", A, CUBE.swapaxes(0, 1)),
        ("np.tensordot(x, y)", CUBE, CUBE[0]),
        ("np.tensordot(x, y, axes=1)", A, CUBE[0]),
        ("np.tensordot(x, y, 0)", V, W),
        ("np.tensordot(x, y, axes=(-1, 1))", A, B),
        ("np.inner(x, y)", A, V),
        ("np.inner(x, y)", V, W),
        ("np.inner(x, y)", A, B),
        ("np.vdot(x, y)", A, B),
        ("np.linalg.norm(x)", A),
        ("np.linalg.norm(x)", V),
        ("np.linalg.norm(x, axis=1, keepdims=True)", A),
        ("np.linalg.norm(x, axis=0)", A),
        ("np.linalg.norm(x, 2)", V),
        ("np.clip(x, 0.3, None)", A),
        ("np.clip(x, None, y)", A, V),
        ("np.clip(x, a_min=-0.5, a_max=0.9)", A),
        ("x.clip(0.3)", A),
        ("np.add.reduce(x)", A),
        ("np.add.reduce(x, axis=None)", A),
        ("np.add.reduce(x, 1, keepdims=True)", A),
        ("np.multiply.reduce(x, axis=-1)", A),
        ("np.maximum.reduce(x)", A),
        ("np.minimum.reduce(x, axis=1)", A),
        ("np.add.accumulate(x, axis=1)", A),
        ("np.add.accumulate(x)", A),
        ("np.multiply.outer(x, y)", V, A),
        ("np.subtract.outer(x, y)", V, W),
        ("np.c_[x, y]", V, W),
        ("np.c_[x, y]", A, np.array([1.0, 2.0])),
        ("np.c_[x, x * 2, np.ones(3)]", V),
        ("np.r_[x, y]", V, W),
        ("np.r_[x, 0:2, 1.0]", V),
        ("np.r_[x, y]", A, B),
        ("np.ptp(x)", A),
        ("np.ptp(x, axis=1, keepdims=True)", A),
        ("np.average(x)", A),
        ("np.average(x, axis=0)", A),
        ("np.average(x, weights=y)", A, B + 2),
        ("np.average(x, axis=1, weights=y)", A, V),
        ("np.nan_to_num(x)", A),
        ("np.diff(x)", A),
        ("np.diff(x, 2, axis=-1)", A),
        ("np.diff(x, axis=0)", A),
        ("x[np.nonzero(x > 0)]", A),
        ("x[np.where(x > 0)] * 2", A),
        ("x.ravel()[np.flatnonzero(x > 0)]", A),
        ("np.expand_dims(x, 0) + np.expand_dims(x, (0, 2)).squeeze(2)", V),
        ("np.squeeze(x.reshape(1, 2, 3, 1)) * x.reshape(2, 1, 3).squeeze(axis=1)", A),
        ("np.swapaxes(x, 0, -1)", CUBE),
        ("np.moveaxis(x, 0, -1)", CUBE),
        ("np.moveaxis(x, [0, 1], [-1, 0])", CUBE),
        ("np.flip(x)", A),
        ("np.flip(x, axis=1) + np.fliplr(x) + np.flipud(x)", A),
        ("np.full((2, 3), x.sum()) * x", A),
        ("np.mean(x, where=x > 0)", A),
        *[(f"np.linalg.norm(x, {ord})", SQUARE) for ord in ("1", "-1", "np.inf", "-np.inf", "'fro'", "'f'")],
        *[(f"np.linalg.norm(x, {ord})", V) for ord in ("1", "np.inf", "-np.inf")],
        *[(f"np.linalg.norm(x, {ord}, axis=0)", A) for ord in ("1", "2", "np.inf", "-np.inf")],
        *[
            (f"np.linalg.norm(x, {ord}, axis=(2, 0), keepdims=True)", np.sin(CUBE * 5))
            for ord in ("1", "np.inf", "'fro'", "None")
        ],
        ("np.linalg.norm(x, axis=(0, 1))", CUBE),
        ("np.linalg.norm(x, keepdims=True)", CUBE),
        ("x.ravel('K') * np.ravel(y, 'K')", CUBE, CUBE / 2),
        ("x.flatten('K')[1:] + x.copy('K').ravel('K')[:-1]", CUBE),
        ("np.asfortranarray(x).ravel('K')", A),
        *[(f"np.pad(x, (1, 2), '{mode}')", EIGHT) for mode in ("edge", "reflect", "symmetric", "wrap")],
        *[(f"np.pad(x, ((1, 0), (2, 1)), mode='{mode}')", A) for mode in ("edge", "symmetric", "wrap")],
        ("np.pad(x, 1, mode='reflect')", A),
        ("np.einsum('ii->i', x)", SQUARE),
        ("np.einsum('ii', x)", SQUARE),
        ("np.einsum('iij->ij', x)", CUBE[:, :2]),
        ("np.einsum('iji->j', x)", CUBE[:, :, :2]),
        ("np.einsum('ii,i->', x, y)", SQUARE, V),
        ("np.einsum('...j->...', x)", CUBE),
        ("np.einsum('...ij,...jk->...ik', x, y)", CUBE, CUBE[0].T),
        ("np.einsum('...,...', x, y)", A, V),
        ("np.einsum('i...->...', x)", A),
        ("np.multiply.accumulate(x, axis=1)", A),
        ("np.cumprod(x) + np.multiply.accumulate(x.ravel())", A),
        ("np.cumprod(x * np.array([1.0, 0.0, 2.0]), axis=1)", A),
        ("x.astype(x.dtype, copy=False) * np.astype(x, x.dtype, copy=False)", A),
        ("x.astype(float, order='F', casting='safe').ravel('K')", A),
        ("np.repeat(x, [2, 0, 1], axis=1)", A),
        ("np.roll(x, (1, -2), axis=(0, 1))", A),
        ("np.roll(x, 1, axis=(0, 1))", A),
        ("np.take(x, [1, 7, -8], mode='wrap')", A),
        ("np.take(x, [[1, 7]], axis=1, mode='clip')", A),
        ("np.sum(x, initial=2) + np.max(x, where=x > 0, initial=-5)", A),
        ("np.std(x, ddof=1, axis=1, keepdims=True) * np.var(x, axis=0)", A + B * B),
        ("np.vectorize(lambda v: v * 2 if v > 0 else v)(x)", A),
        ("np.apply_along_axis(lambda v: v / v.sum(), 0, x)", A),
        ("np.apply_along_axis(lambda v: v.max(), 1, x)", CUBE),
        ("np.piecewise(x, [x < 0, x >= 1], [lambda v: -v, lambda v: v * v, 3])", A),
        ("np.piecewise(x, x < 0, [lambda v: v * v, lambda v: 2 * v])", V),
        ("np.select([x < 0, x > 1], [x * 2, y], 0.5)", A, B),
        ("np.select([x < 0], [x * 2], default=y)", A, B),
        ("x * np.heaviside(x, 0.5) + np.heaviside(0.0 * x, y)", A, B),
        ("np.hypot(x, y) + np.logaddexp(x, y)", A, B),
        ("np.cross(x, y)", V, W),
        ("np.cross(x, y)", A, V),
        ("np.cross(x, y, axis=0)", CUBE.transpose(1, 0, 2), CUBE.transpose(1, 0, 2) + 1),
        ("np.trace(x) + x.trace(1)", SQUARE),
        ("np.trace(x, axis1=0, axis2=2)", CUBE),
        ("np.diagonal(x) + x.diagonal(0, 1, 0)", SQUARE),
        ("np.kron(x, y)", A, B),
        ("np.kron(x, y)", V, A),
        ("np.polyval(x, y)", V, B),
        ("np.polyval([2, 0.5, -1], x)", A),
        *[(f"np.convolve(x, y, '{mode}')", EIGHT, W) for mode in ("full", "same", "valid")],
        *[(f"np.correlate(x, y, '{mode}')", EIGHT, W) for mode in ("full", "same", "valid")],
        ("np.convolve(x, y)", V, EIGHT),
        ("np.unique(np.array([x[1], x[0], x[1]])) * 2", V),
        ("np.bincount(y.ravel(), x)", EIGHT[:4], PLACES),
        ("x * np.bincount([0, 1, 1, 2, 2], minlength=3)", V),
        ("x * np.digitize(x, [0.0, 1.0]) + np.searchsorted([0.0, 1.0], x, side='right')", V),
        ("x * np.isclose(x, y) + np.count_nonzero(x > 0) * y", V, W),
        ("x[np.ix_([0, 1], [2, 0])]", A),
        ("x[np.ix_([True, False], [2, 0])]", A),
        ("np.multiply(*np.meshgrid(x, y))", V, W),
        ("np.multiply(*np.meshgrid(x, y, indexing='ij', sparse=True))", V, EIGHT),
        ("x * np.mgrid[0:2, 0:3][1] + np.ogrid[0:2, 0:3][0]", A),
        ("np.lib.stride_tricks.sliding_window_view(x, (2, 2))", A),
        ("np.einsum('xyab,ab->xy', np.lib.stride_tricks.sliding_window_view(x, (2, 2)), y)", A, A[:, 1:]),
        ("np.lib.stride_tricks.sliding_window_view(x, 2, axis=1)[:, ::2].sum(axis=2)", CUBE),
        ("np.dstack([x, y])", A, B),
        ("np.linalg.inv(x)", SQUARE),
        ("np.linalg.solve(x, y)", SQUARE, V),
        ("np.linalg.det(x)", SQUARE),
        ("x * x[np.unravel_index(np.argmax(x), x.shape)]", A),
        ("x[np.triu_indices(2)]", A),
        ("np.random.RandomState(0).permutation(x)", A),
        ("np.random.default_rng(1).permutation(x) + np.random.default_rng(2).permutation(x)", EIGHT),
        ("np.random.default_rng(1).choice(x, 3, replace=False)", EIGHT),
        ("float(x.sum()) * x + float(x[0, 0])", A),
    ]

    writes = [  # code that changes its own copy of x
        ("np.split(v, 3, axis=1)[1][...] = 7", A),
        ("np.split(v, [1, 3])[1][0] = y[0]; np.array_split(v, 3)[0][:] *= 2", EIGHT, V),
        ("np.hsplit(v, 3)[2][:] = 1.5; np.vsplit(v, 2)[0][...] += 1", A),
        ("np.put_along_axis(v, np.array([[2], [0]]), y[0], axis=1)", A, V),
        ("np.put_along_axis(v, np.array([[1], [2]]), 5, 1)", A),
        ("np.add.at(v, np.array([0, 0, 1]), y)", A, V),
        ("np.add.at(v, (np.array([0, 0]), np.array([1, 1])), 2.5)", A),
        ("np.subtract.at(v, [1, 1], y[:2])", EIGHT, V),
        ("np.add.at(v, np.array([[True, False, True], [False, True, False]]), y)", A, V),
        ("np.add.at(v.T, 0, y[:2])", A, V),
        ("np.atleast_2d(v)[0, 1] = 9", V),
        ("np.moveaxis(v, 0, -1)[0] = 3; np.swapaxes(v, 0, 1)[1] *= 2", A),
        ("np.flip(v, 0)[0] = 4; np.expand_dims(v, 1)[:, 0, 0] = y[:2]", A, V),
        ("np.copyto(v, y)", A, V),
        ("np.einsum('ij->ji', v)[0] = 4", A),
        ("np.einsum('ii->i', v[:, :2])[...] *= y[:2]", A, V),
        ("v.ravel('K')[0] = y[0]; v.reshape(-1)[2:4] = 3", A, V),
        ("np.random.default_rng(3).shuffle(v)", EIGHT),
        ("v[...] = float(y.sum()); v[0] = float(y[1]) * y", A, V),
        ("v.sort(axis=0)", A),
        ("v.fill(y[1])", A, V),
    ]
    return reads, writes


def program(code, *inputs):
    """A line of the table as a program of its own; it may write into a copy of x."""
    names = dict(zip("xyz", (np.array(item) for item in inputs), strict=False))
    writes = code in [line[0] for line in tables()[1]]
    lines = ("v = x.copy()", code) if writes else (f"v = {code}",)
    return Program(lines, names, ("v",))


LINES = len(tables()[0]) + len(tables()[1])


def line_of(number):
    """One line of the tables."""
    return [*tables()[0], *tables()[1]][number]


every_line = pytest.mark.parametrize("number", range(LINES), ids=[line_of(i)[0] for i in range(LINES)])


def agrees(function, inputs):
    """Traced, a function gives the bits it gives plainly, or raises as it does; the trace replays."""

    def fresh():
        return [np.array(i, order="K") for i in inputs]

    try:
        wanted = function(*fresh())
    except (ValueError, TypeError, IndexError) as error:
        with pytest.raises(type(error)):
            dout.trace(function, *fresh())
        return None
    trace = dout.trace(function, *fresh())
    assert all(map(same_bits, flat(trace.outputs), flat(wanted)))
    assert first_difference(trace.graph.nodes, trace.data) is None
    return trace


@every_line
def test_bits_are_those_of_numpy(number):
    line = line_of(number)
    trace = agrees(program(*line).function(), line[1:])
    assert {event.kind for event in trace.events} <= {"branch", "index", "draw"}


@every_line
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bits_are_those_of_numpy_for_other_dtypes(number, dtype):
    line = line_of(number)
    code, *inputs = line
    if dtype != np.int64 or not any(word in code for word in ("nan_to_num", "*= 2", "+= 1", "2.5", "0.5")):
        same = [np.round(3 * i).astype(dtype) if i.dtype.kind == "f" else i for i in inputs]
        agrees(program(code, *same).function(), same)


@every_line
@pytest.mark.parametrize("layout", [n for n in LAYOUTS if n != "C"])
def test_bits_are_those_of_numpy_in_every_layout(number, layout):
    line = line_of(number)
    function = program(*line).function()
    outer = [LAYOUTS[layout](i) for i in line[1:]]

    def laid_out(*arrays):
        return function(*arrays)

    wanted, trace = function(*outer), dout.trace(laid_out, *outer)
    assert all(map(same_bits, flat(trace.outputs), flat(wanted)))


@every_line
def test_gradient_is_the_exact_derivative(number):
    line = line_of(number)
    floats = [i for i in line[1:] if i.dtype.kind == "f"]
    if any(word in line[0] for word in NO_JETS):
        _check_by_differences(program(*line).function(), line[1:])
    elif len(floats) == len(line) - 1:
        check_gradient(program(*line))


# What does not run on numbers with slopes: these are compared with central differences.
NO_JETS = ("heaviside", "logaddexp", "isclose", "linalg.inv", "linalg.solve", "linalg.det", "float(", "astype(float, o",
           "norm(x, keepdims", "bincount")  # fmt: skip


def _check_by_differences(function, inputs):
    def total(*arrays):
        result = function(*(np.array(a, order="K") for a in arrays))
        out = sum(np.sum(part * np.cos(np.arange(part.size)).reshape(part.shape)) for part in flat(result))
        return out

    wanted = [i for i, item in enumerate(inputs) if item.dtype.kind == "f"]
    found = dout.grad(total, wanted)(*inputs)
    for i, gradient in zip(wanted, found, strict=True):
        slopes = np.zeros(inputs[i].shape)
        for place in np.ndindex(slopes.shape):
            step = np.zeros(slopes.shape)
            step[place] = 1e-6
            ends = [total(*inputs[:i], inputs[i] + sign * step, *inputs[i + 1 :]) for sign in (1, -1)]
            slopes[place] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8)


# --- NaN and refusals -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("code", ["np.nan_to_num(x)", "np.nan_to_num(x, nan=2.5, posinf=3.0, neginf=-4)", "np.sort(x)"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_nan_and_infinity_come_out_as_numpy_has_them(code, dtype):
    trace = agrees(eval(f"lambda x: {code}", {"np": np}), [np.array([1, np.nan, -np.inf, np.inf, -2.5], dtype)])
    assert trace is not None


@pytest.mark.parametrize(
    "code",
    [
        "np.linalg.svd(x)",
        "np.linalg.norm(x, 2)",
        "np.linalg.norm(x, 'nuc')",
        "np.linalg.norm(x, 3, axis=0)",
        "np.linalg.pinv(x)",
        "np.linalg.cholesky(x)",
        "np.linalg.eigh(x)",
        "np.interp(x, [0, 1], [1, 2])",
        "np.histogram(x)",
        "np.max(x, initial=x[0, 0])",
        "np.vectorize(lambda a, b: a + b, excluded={1})(x, 2)",
        "np.apply_along_axis(lambda v: v[: 1 + (v[0] > 1)], 0, x * [[1, 2], [1, 1]])",
        "np.cross(x, x)",
        "np.correlate(x[0, :1], x[0])",
        "np.lib.stride_tricks.as_strided(x, (2,), (8,))",
        "np.lib.stride_tricks.sliding_window_view(x, 1, 0, writeable=True)",
        "np.random.default_rng(0).permutation(x, axis=1)",
        "np.modf(x)",
        "np.frexp(x)",
        "np.unique(x, axis=0)",
        "np.pad(x, 1, mode='mean')",
        "np.pad(x, 1, mode='reflect', reflect_type='odd')",
        "np.maximum.accumulate(x)",
        "np.r_['0,2', x]",
        "np.einsum(x, [0, 1])",
        "math.frexp(x[0, 0])",
        "math.gamma(x[0, 0])",
    ],
)
def test_what_has_no_row_is_refused_with_its_name_and_place(code):
    with pytest.raises(DoutError, match=r"not in dout's table of primitives, at .*:1"):
        dout.trace(eval(f"lambda x: {code}", {"np": np, "math": math}), np.ones((2, 2)))


def test_scipy_functions_are_recorded_however_they_are_reached():
    sp, softmax = scipy.special, scipy.special.softmax
    names = {"scipy": scipy, "sp": sp, "softmax": softmax, "np": np, "math": math}
    for code, wanted in [
        ("sp.expit(x)", "special_expit"),
        ("scipy.special.logsumexp(x, axis=1)", "special_logsumexp"),
        ("softmax(x, axis=-1)", "special_softmax"),
        ("sp.xlogy(x, x)", "special_xlogy"),
        ("math.erf(x[0, 0])", "math_erf"),
        ("math.fsum([x[0, 0], x[0, 1], 2])", "math_fsum"),
        ("math.prod([x[0, 0], x[0, 1], 2])", "multiply"),
        ("math.log(x[0, 0], 10)", "math_log"),
        ("math.atan2(x[0, 0].item(), 0.5)", "math_atan2"),
    ]:
        function = eval(f"lambda x: {code}", names)
        trace = agrees(function, [np.array(filled((2, 3), np.float32, start=11) / 400 + 3)])
        assert wanted in [node.primitive.name for node in trace.graph.nodes], code
