"""A formula of one element is returned only where it holds, and its number is that of the array."""

import numpy as np
import pytest
from explained_steps import ExplainedSteps, written

from dout.explain.axes.index_forms import index_form
from dout.explain.axes.term_values import holds
from dout.explain.terms.terms import Cases, Compare, Number, SumOver, Symbol, product, total
from dout.graph import INPUT, Node

N, D, M = (Symbol(name) for name in "ndm")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def product_of_matrices():
    return ExplainedSteps.of(lambda x, W: x @ W, RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)))


RIGHT = SumOver(("d",), product(Symbol("x", (N, D)), Symbol("W", (D, M))))


def element(steps):
    return index_form("y", steps.output, steps.names, steps.letters, steps.values)[1]


def is_right(steps, right, name="y", left=(N, M)):
    node = steps.node(name)
    return holds(Symbol(name, left), right, node, steps.names, steps.letters, steps.values)


def test_an_element_of_a_product(product_of_matrices):
    steps = product_of_matrices
    found = element(steps)
    assert found == RIGHT
    assert is_right(steps, found)


@pytest.mark.parametrize(
    "broken",
    [
        SumOver(("d",), product(Symbol("x", (N, D)), Symbol("W", (M, D)))),
        SumOver(("d",), product(Symbol("x", (N, D)), Symbol("x", (N, D)))),
        SumOver(("n",), product(Symbol("x", (N, D)), Symbol("W", (D, M)))),
        SumOver(("d",), product(Symbol("x", (N, D)), Symbol("V", (D, M)))),
        product(RIGHT, Number(1 + 2**-52)),
        total(RIGHT, Number(1e-40)),
        Cases(((Number(0), Compare(N, "=", Number(1))),), RIGHT),
    ],
    ids=["transposed", "another value", "an index twice", "no such value", "a last bit", "beside", "one row"],
)  # fmt: skip
def test_a_broken_form_is_refused(product_of_matrices, broken):
    assert not is_right(product_of_matrices, broken)


def test_two_values_of_one_name_are_refused(product_of_matrices):
    steps = product_of_matrices
    other = Node(INPUT, (), {}, (2, 3), np.dtype(float))
    names = {**steps.names, other: "x"}
    letters = {**steps.letters, other: ("N", "D")}
    right = element(steps)
    values = {**steps.values, other: np.ones((2, 3))}
    assert not holds(Symbol("y", (N, M)), right, steps.output, names, letters, values)


def test_a_value_that_is_not_known_is_refused(product_of_matrices):
    steps = product_of_matrices
    right = element(steps)
    assert not holds(Symbol("y", (N, M)), right, steps.output, steps.names, steps.letters, {})


def test_large_arrays_are_compared_within_rounding():
    steps = ExplainedSteps.of(lambda x, W: x @ W, RNG.normal(size=(50, 100)), RNG.normal(size=(100, 80)))
    right = element(steps)
    assert is_right(steps, right)
    assert not is_right(steps, product(right, Number(1.0001)))


FORMS = {
    "softmax's sum": (lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), "exp(x[n, d]) / (Σ_k exp(x[n, k]))"),
    "mean": (lambda x: x.mean(axis=0), "Σ_n x[n, d] / (N)"),
    "mean of all": (lambda x: x.mean(), "Σ_n,d x[n, d] / (N · D)"),
    "largest": (lambda x: x.max(axis=1), "max_d x[n, d]"),
    "product": (lambda x: x.prod(axis=1), "Π_d x[n, d]"),
    "turned": (lambda x: x[:, ::-1], "x[n, 2 − d]"),
    "steps": (lambda x: x[1, ::2], "x[1, 2 · m]"),
    "new axes": (lambda x: x[:, None] - x[None], "x[n, d] − x[k, d]"),
    "inner": (lambda x: np.inner(x, x), "Σ_d x[n, d] · x[k, d]"),
    "einsum": (lambda x: np.einsum("nd,nd->n", x, x), "Σ_d x[n, d]^2"),
    "padded": (lambda x: np.pad(x, ((0, 0), (1, 0))), "{x[n, m − 1] where 1 ≤ m; 0}"),
    "half": (lambda x: np.tril(x), "{x[n, d] where d ≤ n; 0}"),
    "running": (lambda x: np.cumsum(x, axis=1), "Σ_k {x[n, k] where k ≤ d; 0}"),
    "relu": (lambda x: np.where(x > 0, x, 0), "{x[n, d] where x[n, d] > 0; 0}"),
    "a row": (lambda x: np.stack([x[0], x[1]]), "{x[0, d] where m < 1; x[1, d]}"),
    "windows": (
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1),
        "x[n, m + k]",
    ),
}


@pytest.mark.parametrize("what", FORMS)
def test_an_element_is_written_out(what):
    function, expected = FORMS[what]
    steps = ExplainedSteps.of(function, RNG.normal(size=(2, 3)))
    names = {n: name for n, name in steps.names.items() if n is steps.output or not n.inputs}
    form = index_form("y", steps.output, names, steps.letters, steps.values)
    assert written(form[1]) == expected
    assert holds(*form, steps.output, names, steps.letters, steps.values)


def test_distinct_axes_have_distinct_letters_and_equal_ones_share_them():
    def network(x, W1, b1, W2, b2):
        return np.tanh(x @ W1 + b1) @ W2 + b2

    shapes = ((2, 3), (3, 4), (4,), (4, 5), (5,))
    steps = ExplainedSteps.of(network, *(RNG.normal(size=shape) for shape in shapes))
    assert [steps.axes(n) for n in ("x", "W1", "b1", "W2", "b2")] == [
        ("N", "D"), ("D", "H"), ("H",), ("H", "M"), ("M",),
    ]  # fmt: skip
    lengths = {}
    for node, letters in steps.letters.items():
        for letter, length in zip(letters, node.shape, strict=True):
            assert lengths.setdefault(letter, length) == length
