"""The comparison of a program with the plain run: it lets rounding pass, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from random_programs import FEWER, programs

import dout
from dout.engine.validate import comparison, error_bounds
from dout.engine.validate.comparison import first_difference
from dout.engine.validate.error_bounds import bounds
from dout.engine.validate.rounded_step import additions
from dout.graph import evaluate
from dout.ops import PRIMITIVES
from dout.trace.capture.capture import capture
from dout.trace.capture.templates import Held, HeldView, nodes_in

RNG = np.random.default_rng(0)
SINGLE = RNG.normal(size=(40, 50)).astype(np.float32)
DOUBLE = RNG.normal(size=(40, 50))


def compared(plain, program, *inputs):
    """What differs where `program` stands for `plain`; both give one array or a tuple of them."""
    with np.errstate(all="ignore"):
        run = capture(plain, [np.copy(i) for i in inputs], {})
        got = program(*map(np.copy, inputs))
    assert run.why_not is None
    ends = [run.result.node] if isinstance(run.result, Held | HeldView) else list(nodes_in(run.result))
    results = got if isinstance(got, tuple) else (got,)
    return first_difference(run.graph.nodes, run.data, dict(zip(ends, results, strict=True)))


# --- what rounds in another way is right ------------------------------------------------------------------------------


def stable_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def wide(function):
    """The same in float64, rounded once: as far from NumPy's float32 as a good program can be."""
    return lambda *inputs: function(*(i.astype(np.float64) for i in inputs)).astype(inputs[0].dtype)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def layer_norm(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 3e-5)


def layer_norm_by_var(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-4)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def relu_by_mask(x):
    y = x - 0.25
    y[y < 0] = 0
    return y


def pooled(x):
    return x.reshape(20, 2, 50).max(axis=1) @ x[:, :3].repeat(2, axis=0)[:50]


@pytest.mark.parametrize(
    "function",
    [softmax, layer_norm, layer_norm_by_var, gelu, relu_by_mask, pooled, lambda x: np.log(softmax(x)).mean(axis=0),
     lambda x: (x + 1e8) - 1e8, lambda x: np.exp(x * 30), lambda x: np.sqrt(x * x - x * x + 0.0), lambda x: x @ x.T,
     lambda x: np.sum(x, axis=0) / np.std(x, axis=0), lambda x: np.tanh(x).cumsum(axis=1), lambda x: np.floor(x * 3)],
)  # fmt: skip
def test_the_same_in_more_digits_is_no_difference(function):
    assert compared(function, wide(function), SINGLE) is None
    assert compared(function, wide(function), SINGLE * 30) is None


def test_a_stable_sigmoid_is_no_difference_to_one_that_overflows():
    x = np.array([-1000, -100, -88, -20, -0.5, 0, 3, 20, 100, np.inf, -np.inf, np.nan], np.float32)
    for values in (x, x.astype(float)):
        assert compared(lambda x: 1 / (1 + np.exp(-x)), stable_sigmoid, values) is None


def test_digits_that_a_sum_of_logarithms_cancels_are_no_difference():
    x = -np.exp(np.linspace(-20, 1, 2000, dtype=np.float32))
    y = np.log(-np.expm1(x))  # so that the sum is near 0
    assert compared(lambda x, y: np.logaddexp(x, y), wide(np.logaddexp), x, y) is None
    assert (
        compared(lambda x, y: np.logaddexp(x, y), lambda x, y: np.logaddexp(x, y) + np.float32(1e-5), x, y) is not None
    )


def test_an_overflow_an_ulp_earlier_is_no_difference():
    edge = np.array([np.finfo(np.float32).max], np.float32)
    infinite = np.full_like(edge, np.inf)
    assert compared(lambda x: x / 2 * 2, lambda x: infinite, edge) is None
    assert compared(lambda x: x * 2, lambda x: edge, edge) is None


def test_a_condition_within_the_errors_may_go_either_way():
    def step(x):
        return np.where(x * 0.1 * 10 > x, 1.0, 0.0)

    assert compared(step, lambda x: np.zeros_like(x), DOUBLE) is None
    assert compared(step, lambda x: np.where(x > 0, 1.0, 0.0), DOUBLE) is None


def test_a_condition_on_exact_values_may_not():
    x = np.array([-1.0, 0.0, 1.0])
    found = compared(lambda x: x * (x > 0), lambda x: np.array([0.0, 0.5, 1.0]), x)
    assert found.index == (1,)
    assert compared(lambda x: x > 0, lambda x: x >= 0, x).index == (1,)


# --- what does not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "program"),
    [
        (gelu, lambda x: 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.04475 * x**3)))),
        (lambda x: x * 0.3, lambda x: x * np.float32(0.300003)),
        (lambda x: x + x * x * 1e-3, lambda x: x),
        (lambda x: x - 0.5, lambda x: 0.5 - x),
        (lambda x: x[1:] + 0, lambda x: x[:-1]),
        (lambda x: x.sum(axis=1), lambda x: x[:, 1:].sum(axis=1)),
        (lambda x: x.sum(axis=0), lambda x: x[:-1].sum(axis=0)),
        (lambda x: (x * x).mean(), lambda x: np.float32((x * x).sum() / (x.size - 1))),
        (lambda x: x @ x.T, lambda x: x[:, 1:] @ x[:, 1:].T),
        (softmax, lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(axis=1, keepdims=True) * np.float32(1.00003)),
        (layer_norm, lambda x: (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)),
        (relu_by_mask, lambda x: np.abs(x - 0.25)),
        (lambda x: np.where(x > 0.1, x, 0), lambda x: np.where(x > 0.2, x, np.float32(0))),
        (lambda x: np.max(x * x, axis=1), lambda x: np.max(x[:, :-1] ** 2, axis=1) + np.float32(1e-3)),
        (lambda x: x * 2, lambda x: np.full_like(x, np.nan)),
        (lambda x: np.argmax(x, axis=1), lambda x: np.argmax(-x, axis=1)),
    ],
)
def test_what_is_no_rounding_is_found(plain, program):
    assert compared(plain, program, SINGLE) is not None


def test_a_difference_says_what_where_and_how_far():
    x = np.ones((2, 3), np.float32)
    wrong = x * 2
    wrong[1, 2] = 2.001
    found = compared(lambda x: x * 2, lambda x: wrong, x)
    assert found.node.primitive.name == "multiply"
    assert (found.index, found.expected, found.got) == ((1, 2), 2.0, np.float32(2.001))
    assert round(found.ulps) == round((2.001 - 2) * 2**22)
    assert f"multiply[1, 2], plainly it is 2.0, 4.19e+03 ulp apart, at {__file__}:" in str(found)
    assert str(found.warning("double")).startswith("double: the compiled program gives 2.0")
    assert "; it runs plainly from now on" in str(found.warning("double"))


def test_another_shape_or_dtype_is_a_difference():
    assert "float64 of shape (40, 50)" in str(compared(lambda x: x + 1, lambda x: x + np.float64(1), SINGLE))
    assert compared(lambda x: x + 1, lambda x: x[None] + 1, SINGLE) is not None
    assert compared(lambda x: float(x[0, 0]) + 1, lambda x: np.float64(x[0, 0] + 1.0), DOUBLE) is not None


def test_the_first_difference_is_that_of_the_node_recorded_first():
    found = compared(lambda x: (x * 2, x + 1), lambda x: (x * 3, x + 2), SINGLE)
    assert found.node.primitive.name == "multiply"


def test_large_arrays_are_looked_at_in_parts():
    x = np.linspace(-1, 1, 300_000, dtype=np.float32)

    def program(x):
        y = stable_sigmoid(x)
        y[250_000] *= np.float32(1.0001)
        return y

    assert compared(lambda x: 1 / (1 + np.exp(-x)), stable_sigmoid, x) is None
    assert compared(lambda x: 1 / (1 + np.exp(-x)), program, x).index == (250_000,)


# --- the bound itself -------------------------------------------------------------------------------------------------


def exact(graph, data):
    """Every value in long double, where that is more than float64."""
    given = {n: data[n] if np.asarray(data[n]).dtype.kind != "f" else np.asarray(data[n], np.longdouble)
             for n in graph.nodes if n.primitive.name in ("input", "constant")}  # fmt: skip
    wide = {PRIMITIVES["astype"]: lambda x, dtype: x.astype(np.longdouble if dtype.kind == "f" else dtype)}
    return evaluate(graph.nodes, given, wide)


@pytest.mark.long
@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long double has no more digits than float64")
@FEWER
@given(programs())
def test_every_value_is_within_its_bound_of_the_exact_one(program):
    run = capture(program.function(), program.arguments(), {})
    found, right = bounds(run.graph.nodes, run.data), exact(run.graph, run.data)
    for node in run.graph.nodes:
        if np.asarray(run.data[node]).dtype.kind == "f":
            far = np.abs(np.asarray(right[node]) - run.data[node])
            assert np.all(far <= np.asarray(found[node]) * (1 + 1e-9)), node


class Late(dict):
    """Values, of which only the last may be looked at."""

    def __getitem__(self, node):
        assert list(self).index(node) >= len(self) - 8
        return super().__getitem__(node)


def test_what_the_last_steps_explain_asks_for_no_bounds_of_the_first():
    def deep(x):
        for _ in range(40):
            x = np.tanh(x)
        return x @ x.T

    run = capture(deep, [SINGLE], {})
    (end,) = run.graph.outputs.values()
    one, other = (run.data[i].astype(float) for i in end.inputs)
    got = (one @ other).astype(np.float32)
    assert first_difference([end], Late(run.data), {end: got}) is None
    assert first_difference([end], run.data, {end: got * np.float32(1.01)}) is not None


def test_products_of_a_program_are_compared_to_the_bit(monkeypatch):
    def asked(*given, **options):
        raise AssertionError("a bound was asked for")

    monkeypatch.setattr(comparison, "bounds", asked)
    monkeypatch.setattr(comparison, "product_bound", asked)
    x, weight = (RNG.normal(size=shape).astype(np.float32) for shape in ((30, 8000), (8000, 60)))

    def product(x):
        return np.maximum(x @ weight, 0) @ weight.T

    fast = dout.compile(product)
    for _ in range(2):
        np.testing.assert_allclose(fast(x), product(x), rtol=1e-3, atol=1)
    assert len(fast.plan().programs) == 1


def test_an_error_that_is_not_known_stays_so_where_a_slope_vanishes():
    run = capture(lambda x: np.exp(-np.sort(x + x)), [np.full(3, 0.125)], {})
    found = bounds(run.graph.nodes, run.data)
    assert not any(np.isnan(found[node]).any() for node in run.graph.nodes)


def windows_added(x, y):
    """Products that are added window by window, as `col2im` does it."""
    products = x @ y
    out = np.zeros((len(products), 30), x.dtype)
    for k in range(9):
        out[:, k : k + 22] += products[:, k : k + 22]
    return out


def test_bounds_of_a_loop_of_writes_compute_each_value_that_was_not_kept_once(monkeypatch):
    run = capture(windows_added, [SINGLE, SINGLE.T[:, :30].copy()], {})
    (end,) = nodes_in(run.result)
    left_out = (PRIMITIVES["setitem"], PRIMITIVES["getitem"])
    kept = {node: value for node, value in run.data.items() if node.primitive not in left_out}
    whole, computed = bounds(run.graph.nodes, dict(run.data))[end], []

    def counted(ends, known):
        found = evaluate(ends, known)
        computed.extend(found.keys() - known.keys())
        return found

    monkeypatch.setattr(error_bounds, "evaluate", counted)
    np.testing.assert_array_equal(bounds(run.graph.nodes, kept)[end], whole)
    assert computed
    assert len(computed) == len(set(computed))


@pytest.mark.parametrize("count", [3, 300, 30_000])
def test_what_a_product_in_float32_says_of_its_rounding_is_no_less_and_hardly_more(count):
    x, y = (RNG.normal(size=shape).astype(np.float32) for shape in ((4, count), (count, 5)))
    run = capture(lambda x, y: x @ y, [x, y], {})
    (end,) = nodes_in(run.result)
    found = bounds(run.graph.nodes, run.data)[end]
    least = additions(count) * np.finfo(np.float32).eps * (abs(x).astype(float) @ abs(y).astype(float))
    assert np.all(least <= found)
    assert np.all(found <= 1.05 * least + 1e-30)
