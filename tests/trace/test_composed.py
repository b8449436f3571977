"""Functions that are others put together: traced they give what NumPy gives, bit for bit, views where it gives views.

The table below holds plain NumPy code; each line is compared with plain NumPy, replayed, and differentiated exactly.
"""

import functools
import math
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.special
from composed_lines import tables
from random_programs import Program, check_gradient
from row_inputs import LAYOUTS, filled

import dout
from dout.errors import DoutError
from dout.run import flat
from dout.trace.model.replay import first_difference, same_bits
from dout.trace.tracer import tracer


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


def alike(got, wanted):
    """The same bits, which lie in memory in the same order: sums depend on it in the last bit."""
    steps = [
        [step for step, length in zip(x.strides, x.shape, strict=True) if length > 1]
        for x in (got, wanted)
        if isinstance(x, np.ndarray) and x.size
    ]
    return same_bits(got, wanted) and steps[:1] == steps[1:]


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
    assert all(map(alike, flat(trace.outputs), flat(wanted)))
    assert first_difference(trace.graph.nodes, trace.data) is None
    return trace


@pytest.mark.one_in(3)
@every_line
def test_bits_are_those_of_numpy(number):
    line = line_of(number)
    trace = agrees(program(*line).function(), line[1:])
    assert {event.kind for event in trace.events} <= {"branch", "index", "draw"}


@pytest.mark.one_in(9)
@every_line
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bits_are_those_of_numpy_for_other_dtypes(number, dtype):
    line = line_of(number)
    code, *inputs = line
    if dtype != np.int64 or not any(word in code for word in ("nan_to_num", "*= 2", "+= 1", "2.5", "0.5")):
        same = [np.round(3 * i).astype(dtype) if i.dtype.kind == "f" else i for i in inputs]
        agrees(program(code, *same).function(), same)


@pytest.mark.one_in(12)
@every_line
@pytest.mark.parametrize("layout", [n for n in LAYOUTS if n != "C"])
def test_bits_are_those_of_numpy_in_every_layout(number, layout):
    line = line_of(number)
    function = program(*line).function()
    outer = [LAYOUTS[layout](i) for i in line[1:]]

    def laid_out(*arrays):
        return function(*arrays)

    wanted, trace = function(*outer), dout.trace(laid_out, *outer)
    assert all(map(alike, flat(trace.outputs), flat(wanted)))


@pytest.mark.one_in(6)
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


STEPS_OF_NUMPY = [i for i in range(LINES) if re.match(
    r"np\.((h|v|d|column_)?stack|concatenate|append|(array_|h|v)?split|atleast|broadcast_arrays|outer|tensordot)",
    line_of(i)[0],
)]  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("number", STEPS_OF_NUMPY, ids=[line_of(i)[0] for i in STEPS_OF_NUMPY])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_functions_with_the_steps_of_numpy_agree_where_it_is_not_asked(number, layout, monkeypatch):
    monkeypatch.setattr(tracer, "LARGE", 0)
    line = line_of(number)
    function = program(*line).function()
    outer = [LAYOUTS[layout](i) for i in line[1:]]
    assert all(map(alike, flat(dout.trace(lambda *arrays: function(*arrays), *outer).outputs), flat(function(*outer))))


def test_errors_of_functions_with_the_steps_of_numpy_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(tracer, "LARGE", 0)
    x = np.ones((2, 3))
    codes = ("np.stack([x, x.T])", "np.concatenate([x, x[0]])", "np.split(x, 2, axis=1)", "np.tensordot(x, x)",
             "np.stack([x], axis=3)", "np.tensordot(x, x, 1)", "np.vstack([])", "np.hstack([x, x[0]])")  # fmt: skip
    for code in codes:
        function = eval(f"lambda x: {code}", {"np": np})
        said = []
        for run in function, functools.partial(dout.trace, function):
            try:
                said.append(run(x))
            except (ValueError, IndexError, TypeError) as error:
                said.append((type(error), str(error)))
        assert isinstance(said[0], np.ndarray) or said[0] == said[1], code


# --- NaN and refusals -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "code", ["np.nan_to_num(x)", "np.nan_to_num(x, nan=2.5, posinf=3.0, neginf=-4)", "np.sort(x)", "np.nansum(x[:2])"]
)
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
        "np.linalg.pinv(x)",
        "np.linalg.cholesky(x)",
        "np.linalg.eigh(x)",
        "np.interp(x, [0, 1], [1, 2])",
        "np.histogram(x)",
        "np.max(x, initial=x[0, 0])",
        "np.vectorize(lambda a, b: a + b, excluded={1})(x, 2)",
        "np.cross(x, x)",
        "np.correlate(x[0, :1], x[0])",
        "np.lib.stride_tricks.as_strided(x[:, :1], (2,), (8,))",
        "np.lib.stride_tricks.as_strided(x, (2,), (12,))",
        "np.fill_diagonal(x, 0, wrap=True)",
        "np.lib.stride_tricks.sliding_window_view(x, 1, 0, writeable=True)",
        "np.random.default_rng(0).permutation(x, axis=1)",
        "np.modf(x)",
        "np.frexp(x)",
        "np.unique(x, axis=0)",
        "np.maximum.accumulate(x)",
        "np.einsum(x, [0, 1])",
        "math.frexp(x[0, 0])",
        "math.gamma(x[0, 0])",
    ],
)
@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")  # NumPy's own
def test_what_has_no_row_is_refused_with_its_name_and_place(code):
    with pytest.raises(DoutError, match=r"not in dout's table of primitives, at .*:1"):
        dout.trace(eval(f"lambda x: {code}", {"np": np, "math": math}), np.ones((2, 2)))


def test_an_einsum_that_numpy_refuses_is_refused():
    with pytest.raises(ValueError, match="ellipsis"):  # NumPy's own words
        dout.trace(lambda x: np.einsum("...i,...j->ij", x, x), np.ones((2, 2, 3)))


def test_an_einsum_that_may_optimize_sums_the_axes_of_an_ellipsis():
    x, y = np.arange(12.0).reshape(2, 2, 3), np.arange(1.0, 13).reshape(2, 2, 3) ** 2
    gradients = dout.grad(lambda a, b: np.sum(np.einsum("...i,...j->ij", a, b, optimize=True) ** 2), (0, 1))(x, y)
    a, b = x.reshape(4, 3), y.reshape(4, 3)
    product = a.T @ b
    assert np.array_equal(gradients[0], (2 * b @ product.T).reshape(2, 2, 3))
    assert np.array_equal(gradients[1], (2 * a @ product).reshape(2, 2, 3))


def test_windows_by_strides_are_recorded_and_written_through():
    def windows(x):
        padded = np.pad(x, ((0, 0), (1, 1)))
        rows, columns = padded.strides
        view = np.lib.stride_tricks.as_strided(padded, (2, 2, 2), (rows, 2 * columns, columns))
        before = view.sum(axis=2)
        view[0, 1] *= 3
        return before, padded, view

    x = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
    agrees(windows, [x])

    _check_by_differences(windows, [x])


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 2, 3)])
def test_windows_by_strides_of_a_transposed_array_are_recorded(order):
    def windows(x):
        turned = x.transpose(order)
        n, c, h, w = turned.shape
        s = turned.strides
        shape = n, c, h - 1, (w - 2) // 2 + 1, 2, 2
        view = np.lib.stride_tricks.as_strided(turned, shape, (*s[:3], 2 * s[3], s[2], s[3]), writeable=False)
        return view.max(axis=(4, 5)), view

    x = np.linspace(-1.0, 2.0, 3 * 4 * 5 * 4).reshape(3, 4, 5, 4) ** 2
    agrees(windows, [x])

    _check_by_differences(lambda x: windows(x)[1], [x])


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


LATE = """
import numpy as np
import dout

class Bell:
    def forward(self, x):
        from scipy.special import erf
        return erf(x)

trace = dout.trace(Bell().forward, np.ones((2, 3)))
print(sorted({node.primitive.name for node in trace.graph.nodes}))
"""


def test_a_library_that_forward_itself_imports_first_is_recorded(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    ran = subprocess.run([sys.executable, "late.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "special_erf" in ran.stdout


def test_a_border_of_one_number_is_one_step_however_the_number_is_given():
    lines = ["constant_values=(0, 0)", "constant_values=[[2.5, 2.5]]", "mode='constant'"]
    for line in lines:
        trace = dout.trace(eval(f"lambda x: np.pad(x, 1, {line})", {"np": np}), np.ones((2, 2)))
        assert [str(node.primitive) for node in trace.graph.nodes if node.inputs] == ["pad"], line


def test_a_question_about_arrays_that_are_not_recorded_is_no_branch():
    trace = dout.trace(lambda x: x * (2.0 if np.array_equal([1.0], [1.0]) else 3.0), np.ones(2))
    assert not trace.events
    asked = dout.trace(lambda x: x * (2.0 if np.array_equal(x, [1.0, 1.0]) else 3.0), np.ones(2))
    assert [event.kind for event in asked.events] == ["branch"]
