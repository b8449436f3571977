"""The engine's passes that choose other nodes: masked writes become choices, formulas better ones."""

import numpy as np
import pytest
from differentiated import differentiate
from engine_graphs import X, exact_passes, left, rows, traced, values_of
from flint import arb
from hypothesis import assume, given, settings
from jets import ExactNumPy, KinkError, base, jets, lift
from random_programs import ORDINARY, programs

from dout.ops import kind_of
from dout.rewrite.simplify import simplify
from dout.rewrite.stable_forms import stable_forms
from dout.trace.model.replay import same_bits

# --- masked writes are choices ----------------------------------------------------------------------------------------


def written(key, value):
    """A function that writes into a copy of its input."""

    def function(x, *others):
        out = x.copy()
        out[key(x) if callable(key) else key] = value(x, *others) if callable(value) else value
        return out

    return function


def negative(x):
    return x < 0


@pytest.mark.parametrize(
    ("key", "value", "rows_left"),
    [
        (negative, 0, ["less", "where"]),
        (negative, np.float32(0.1), ["less", "where"]),
        (negative, np.nan, ["less", "where"]),
        (negative, lambda x: x[x < 0], []),
        (negative, lambda x: np.exp(x[x < 0]) * 2 + x[0, 0], ["add", "exp", "getitem", "less", "multiply", "where"]),
        (negative, lambda x: x[x < 0] * np.sum(x), ["less", "multiply", "sum", "where"]),
        (lambda x: x[:, 0] > 0, 7, ["getitem", "greater", "reshape", "where"]),
        (lambda x: x[:, 0] > 0, lambda x: x[0] * 2, ["getitem", "getitem", "greater", "multiply", "reshape", "where"]),
        (
            lambda x: x[:, 0] > 0,
            lambda x: x[x[:, 0] > 0] * np.sum(x, 0),
            ["getitem", "greater", "multiply", "reshape", "sum", "where"],
        ),
        (..., 1, ["full"]),
        (slice(None), lambda x: x[0], ["broadcast_to", "getitem"]),
        ((slice(None), slice(0, 3)), lambda x: np.exp(x), ["exp"]),
    ],
)
def test_a_masked_write_is_a_choice(key, value, rows_left):
    assert sorted(left(exact_passes, written(key, value), X)) == rows_left
    assert sorted(left(exact_passes, written(key, value), X.astype(np.float32))) == rows_left


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (negative, lambda x: x[x > 0][:1]),
        (negative, lambda x: np.arange(2.0)[: np.sum(np.ones(1), dtype=int)]),
        (negative, lambda x: x[x < 0] + x[x > 0][:1]),
        (lambda x: (slice(None), x[0] > 0), 0),
        (slice(None, None, -1), lambda x: x),
        (0, 1),
    ],
)
def test_other_writes_stay(key, value):
    assert "setitem" in left(exact_passes, written(key, value), X)


def test_what_is_written_is_cast_as_numpy_casts_it():
    whole = np.array([[1, -2, 3], [-4, 5, 6]])
    assert left(exact_passes, written(negative, 2.7), whole) == ["less", "where"]
    assert left(exact_passes, written(negative, lambda x: x[x < 0] / 3), whole) == ["less", "divide", "astype", "where"]
    assert left(exact_passes, written(..., lambda x: x / 3), whole) == ["divide", "astype"]


def test_what_numpy_would_refuse_elsewhere_is_computed_for_the_chosen_alone():
    whole = np.array([[1, -2, 3], [-4, 5, 6]])
    assert "setitem" in left(exact_passes, written(lambda x: x > 0, lambda x: 2 ** x[x > 0]), whole)


def test_the_slides_relu_becomes_a_choice_forward_and_backward():
    def relu(x, dout):
        mask = x <= 0
        out = x.copy()
        out[mask] = 0
        dx = dout.copy()
        dx[mask] = 0
        return out, dx

    assert left(exact_passes, relu, X, X + 1) == ["less_equal", "where", "where"]


def test_a_masked_read_that_is_written_back_is_computed_everywhere():
    def stable_sigmoid(x):
        out = np.empty_like(x)
        out[x >= 0] = 1 / (1 + np.exp(-x[x >= 0]))
        e = np.exp(x[x < 0])
        out[x < 0] = e / (1 + e)
        return out

    assert not {"getitem", "setitem"} & set(left(exact_passes, stable_sigmoid, X))


def test_the_gradient_of_a_masked_read_is_a_choice():
    def function(x, y):
        out = y.copy()
        out[x < 0] = np.square(x[x < 0])
        return out

    graph, given = traced(function, X, X + 1)
    graph = differentiate(graph)
    given |= {node: -np.zeros(node.shape, node.dtype) for node in graph.inputs.values() if node not in given}
    after = exact_passes(graph)
    assert not {"getitem", "setitem", "scatter"} & set(rows(after))
    assert all(map(same_bits, values_of(after, given), values_of(graph, given)))


# --- better formulas --------------------------------------------------------------------------------------------------


def log_softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return np.log(e / np.sum(e, axis=1, keepdims=True))


def log_softmax_by_reshape(x):
    largest = x.max(axis=1).reshape(-1, 1)
    return np.log(np.exp(x - largest) / np.exp(x - largest).sum(axis=1)[:, None])


def sigmoid_by_sides(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))


def sigma(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = [
    (lambda x: 1 / (1 + np.exp(-x)), ["sigmoid"]),
    (lambda x: 1.0 / (np.exp(-x) + np.ones_like(x)), ["sigmoid"]),
    (lambda x: 1 / (1 + np.exp(-2 * x)), ["multiply", "sigmoid"]),
    (lambda x: 1 / (1 + np.exp(x)), ["negative", "sigmoid"]),
    (lambda x: (1 + np.exp(-x)) ** -1, ["sigmoid"]),
    (lambda x: np.reciprocal(1 + np.exp(-x)), ["sigmoid"]),
    (lambda x: 1 / (1 + 1 / np.exp(x)), ["sigmoid"]),
    (lambda x: np.exp(x) / (np.exp(x) + 1), ["sigmoid"]),
    (lambda x: (np.tanh(x / 2) + 1) / 2, ["sigmoid"]),
    (lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), ["sigmoid"]),
    (lambda x: x / (1 + np.exp(-x)), ["multiply", "sigmoid"]),
    (lambda x: x / (1 + np.exp(-1.702 * x)), ["multiply", "multiply", "sigmoid"]),
    (sigmoid_by_sides, ["sigmoid"]),
    (lambda x: np.log(1 + np.exp(x)), ["softplus"]),
    (lambda x: np.log1p(np.exp(x)), ["softplus"]),
    (lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(0, x), ["softplus"]),
    (lambda x: np.maximum(x, 0) - 0.3 * x + np.log(1 + np.exp(-abs(x))), ["multiply", "softplus", "subtract"]),
    (lambda x: np.log(1 / (1 + np.exp(-x))), ["negative", "negative", "softplus"]),
    (lambda x: -np.log(1 / (1 + np.exp(-x))), ["negative", "softplus"]),
    (lambda x: np.log(1 - 1 / (1 + np.exp(-x))), ["negative", "softplus"]),
    (
        lambda x: np.log(np.where(x > 1, sigma(x), 1 - sigma(x))),
        ["greater", "negative", "negative", "softplus", "where"],
    ),
    (
        lambda x: np.log(np.where(x > 1, 1 - sigma(x), sigma(x))),
        ["greater", "negative", "negative", "softplus", "where"],
    ),
    (lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), ["tanh"]),
    (lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), ["tanh"]),
    (lambda x: (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x)), ["tanh"]),
    (lambda x: 2 / (1 + np.exp(-2 * x)) - 1, ["tanh"]),
    (lambda x: 1 - 2 / (np.exp(2 * x) + 1), ["tanh"]),
    (lambda x: 2 * (1 / (1 + np.exp(-2 * x))) - 1, ["tanh"]),
    (lambda x: np.sinh(x) / np.cosh(x), ["tanh"]),
    (lambda x: x**2, ["square"]),
    (lambda x: np.power(x, 2.0), ["square"]),
    (lambda x: x**3, ["multiply", "square"]),
    (lambda x: x**4, ["square", "square"]),
    (lambda x: x**1, []),
    (lambda x: x**-1, ["divide"]),
    (lambda x: x**-2, ["divide", "square"]),
    (lambda x: (x * x) ** 0.5, ["multiply", "sqrt"]),
    (lambda x: x / 4, ["multiply"]),
    (log_softmax, ["exp", "log", "max", "subtract", "subtract", "sum"]),
    (log_softmax_by_reshape, ["exp", "log", "max", "subtract", "subtract", "sum"]),
]
LINE = np.concatenate([np.linspace(-30, 30, 400), [1e-3, -1e-3, 1e-9, -1e-9, 5e-20]]).reshape(-1, 5)


def rewritten(function, x):
    """The rows of a function after the rewrites, and what they compute; the dtype is still that of the function."""
    graph, given = traced(function, x)
    after = stable_forms(graph)
    (value,), (plain,) = values_of(after, given), values_of(graph, given)
    assert (np.shape(value), kind_of(value)) == (np.shape(plain), kind_of(plain))
    return sorted(rows(after)), value, plain


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("function", "rows_left"), FORMULAS)
def test_a_formula_becomes_a_better_one(function, rows_left, dtype):
    x = LINE.astype(dtype)
    left, value, plain = rewritten(function, x)
    assert left == rows_left
    exact = function(np.array([arb(float(item)) for item in x.flat], object).reshape(x.shape))
    assert ulps(value, exact) <= max(3, ulps(plain, exact) + 1)


def test_the_logarithm_of_one_more_than_an_exponential_is_numpy_s_own():
    left, value, plain = rewritten(lambda x: np.logaddexp(x, 0), LINE)
    assert left == ["softplus"]
    assert np.array_equal(value, plain)


def ulps(values, exact):
    """The largest distance to the exact value, in units of the last place."""
    spacing = np.spacing(np.abs(values)).astype(float)
    return max(abs(float(arb(float(a)) - b)) / s for a, b, s in zip(values.flat, exact.flat, spacing.flat, strict=True))


@pytest.mark.parametrize(("function", "rows_left"), FORMULAS)
def test_a_better_formula_is_right_where_the_plain_one_is(function, rows_left):
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 700, -700, 1000, -1000, 5e-324, 1e-310, 1e300, -1e300, 1e155, 2.5, -1]
    _, value, plain = rewritten(function, np.array(edges).reshape(-1, 1))
    with np.errstate(invalid="ignore"):
        near = abs(value - plain) <= 1e-13 * np.maximum(1, abs(plain))
    lost = np.isnan(plain) | (np.isinf(plain) & np.isfinite(value))  # the plain formula overflowed
    assert np.all(lost | near | (value == plain))
    assert np.isnan(value[4])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / 3,
        lambda x: x**5,
        lambda x: x**2.5,
        lambda x: 1 / (2 + np.exp(-x)),
        lambda x: np.log(1 + 2 * np.exp(x)),
        lambda x: x / np.float64(2.0**600),
        lambda x: np.log(np.exp(x) / np.sum(np.exp(x), 1, keepdims=True)),
    ],
)
def test_other_formulas_stay(function):
    graph, _ = traced(function, LINE)
    assert rows(stable_forms(graph)) == rows(exact_passes(graph))


def test_a_formula_that_would_be_computed_in_another_dtype_stays():
    assert "sigmoid" not in rewritten(lambda x: np.float64(1) / (1 + np.exp(-x)), LINE.astype(np.float32))[0]
    assert rewritten(lambda x: x**2, np.arange(4))[0] == ["pow"]
    assert rewritten(lambda x: x**2, 3.0)[0] == ["pow"]
    assert rewritten(lambda x: 1 / (1 + np.exp(x)), np.arange(4, dtype=np.uint8))[0] == ["add", "divide", "exp"]


def test_a_formula_that_shares_its_exponential_stays():
    graph, _ = traced(lambda x: (1 / (1 + np.exp(-x)), np.exp(-x) * 2), LINE)
    assert "sigmoid" not in rows(stable_forms(graph))


def test_the_logarithm_of_a_sigmoid_is_better_though_the_sigmoid_is_needed_too():
    def loss(x):
        y = 1 / (1 + np.exp(-x))
        return y, -np.log(y)

    graph, given = traced(loss, np.array([-800.0, 2.0]))
    assert sorted(rows(stable_forms(graph))) == ["negative", "sigmoid", "softplus"]
    assert values_of(stable_forms(graph), given)[1][0] == 800


def test_the_slides_sigmoid_is_rewritten_forward_and_differentiated():
    graph, given = traced(lambda x: 1 / (1 + np.exp(-x)), np.array([-800.0, 0.0, 800.0]))
    after = simplify(differentiate(stable_forms(graph)))
    dout = {node: np.ones(3) for node in after.inputs.values() if node not in given}
    assert np.array_equal(values_of(after, given | dout)[1], [0, 0.25, 0])


@given(program=programs())
@settings(ORDINARY, max_examples=150)
def test_random_programs_stay_as_accurate(program):
    try:
        exact = program.function(ExactNumPy())(*map(jets, program.arguments(), program.arguments()))
    except (KinkError, SystemError):
        assume(False)
    graph, given = traced(program.function(), *program.arguments())
    eps = np.finfo(program.arguments()[0].dtype).eps
    for value, plain, item in zip(values_of(stable_forms(graph), given), values_of(graph, given), exact, strict=True):
        wanted = [base(lift(jet)) for jet in np.ravel(np.asarray(item, object))]
        errors = [
            [abs(float(arb(float(a)) - b)) for a, b in zip(np.ravel(v), wanted, strict=True)] for v in (value, plain)
        ]
        scale = max(map(abs, map(float, wanted)), default=0)
        assert all(e <= 4 * p + 16 * eps * scale for e, p in zip(*errors, strict=True))
