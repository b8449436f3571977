"""`show` draws a gradient in red exactly where `check` refutes it: both ask one judge."""

import math
import sys

import numpy as np
import pytest

import dout

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
STEP = np.array([[1.0, 2.0, -3.0], [0.5, -1.0, 4.0]])


class Layer:
    """Made of two functions: forward(x) gives the output, backward(x, y, dout) the gradient."""

    def __init__(self, forward, backward):
        self.functions = forward, backward

    def forward(self, x):
        self.x = x
        self.y = self.functions[0](x)
        return self.y

    def backward(self, dout):
        return self.functions[1](self.x, self.y, dout)


class Affine:
    def __init__(self, share):
        self.W, self.b, self.share = RNG.normal(size=(4, 2)), np.zeros(2), share

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.share * (self.x.T @ dout), dout.sum(axis=0)
        return dout @ self.W.T


def norm(x):
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True) + 1e-8)


def norm_back(x, y, d):
    size = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return (d - y * (d * y).sum(axis=1, keepdims=True)) / size


def both(layer, x, upstream=None):
    """Whether show draws the gradient of an input or a parameter in red, and whether check calls one wrong here."""
    given = {} if upstream is None else {"dout": upstream}
    trace = dout.trace(layer, x, **given)
    call = trace.calls[0]
    judged = [*call.inputs, *(parameter.node for parameter in call.parameters)]
    red = any(trace.by_node[node].gradient.expected is not None for node in judged)
    return red, any(verdict.word in ("refuted", "right except at a kink") for verdict in dout.check(layer, x).verdicts)


def generic(x):
    """An upstream gradient of no special numbers."""
    return RNG.normal(size=x.shape)


RIGHT = {
    "exp": Layer(np.exp, lambda x, y, d: d * y),
    "by another road": Layer(lambda x: x**3, lambda x, y, d: d * 3 * y / x),
    "one part in 2**52": Layer(lambda x: x * 3.0, lambda x, y, d: d * (3.0 * (1 + 2.0**-52))),
    "a rounded constant": Layer(lambda x: x * 0.79788456, lambda x, y, d: d * np.sqrt(2 / np.pi)),
    "a stabiliser": Layer(norm, norm_back),
    "what cancels": Layer(lambda x: (x + 1e6) - 1e6 + x * 0, lambda x, y, d: (d * 1e6 + d) - d * 1e6),
    "affine": Affine(1.0),
}  # fmt: skip

WRONG = {
    "a factor": Layer(np.exp, lambda x, y, d: 2 * d * y),
    "a sign": Layer(np.exp, lambda x, y, d: -d * y),
    "a millionth": Layer(np.exp, lambda x, y, d: d * y * (1 + 2.0**-20)),
    "a part in 10**9": Layer(np.exp, lambda x, y, d: d * y * (1 + 2.0**-30)),
    "a part in 10**12": Layer(np.exp, lambda x, y, d: d * y * (1 + 2.0**-40)),
    "a missing sum": Layer(lambda x: x - x.mean(axis=0), lambda x, y, d: d),
    "affine": Affine(1.0 + 2.0**-30),
}  # fmt: skip


@pytest.mark.parametrize("scale", [1e-9, 1e9])
@pytest.mark.parametrize("dtype", [float, np.float32])
@pytest.mark.parametrize("name", ["by another road", "one part in 2**52", "affine"])
def test_a_right_gradient_is_neither_red_nor_refuted_at_any_scale(name, dtype, scale):
    assert both(RIGHT[name], (X * scale).astype(dtype)) == (False, False)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_neither_red_nor_refuted(name):
    assert both(RIGHT[name], X.copy()) == (False, False)


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("dtype", [float, np.float32])
def test_a_wrong_gradient_is_red_and_refuted(name, dtype):
    assert both(WRONG[name], X.astype(dtype), generic(X[:, :2] if name == "affine" else X)) == (True, True)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("scale", [1e-9, 1e9])
@pytest.mark.parametrize("share", [2.0, 1 + 2.0**-30])
def test_a_wrong_factor_is_red_and_refuted_at_any_scale(share, scale):
    layer = Layer(lambda x: x * x, lambda x, y, d: d * x * (2 * share))
    assert both(layer, X * scale) == (True, True)


TIES = {
    "relu": (lambda x: np.maximum(x, 0), lambda x, y, d: d * (x > 0), False),
    "relu, from the other side": (lambda x: np.maximum(x, 0), lambda x, y, d: d * (x >= 0), False),
    "relu, halved": (lambda x: np.maximum(x, 0), lambda x, y, d: d * (x > 0) / 2, True),
    "the largest, where it stands first": (
        lambda x: x.max(axis=1), lambda x, y, d: d[:, None] * np.eye(3)[x.argmax(axis=1)], False,
    ),
    "the largest, wherever it stands": (lambda x: x.max(axis=1), lambda x, y, d: d[:, None] * (x == y[:, None]), True),
}  # fmt: skip


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize("x", [STEP, np.zeros((2, 3)), np.array([[1.0, 1.0, 0.0], [0.0, -2.0, 0.0]])])
def test_at_a_kink_both_say_the_same(name, x):
    forward, backward, wrong = TIES[name]
    red, refuted = both(Layer(forward, backward), x)
    assert refuted == wrong
    assert not red or refuted


def test_a_gradient_on_a_kink_of_many_sides_is_judged_beside_it():
    x = np.where(RNG.random((8, 8)) < 0.5, 0.0, RNG.normal(size=(8, 8)))
    right = Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d * (x > 0))
    wrong = Layer(lambda x: np.maximum(x, 0), lambda x, y, d: 2 * d * (x > 0))
    assert both(right, x) == (False, False)
    assert both(wrong, x) == (True, True)


@pytest.mark.long
def test_large_inputs_are_judged_alike():
    x = RNG.normal(size=(250, 250))  # more numbers over all nodes than exact arithmetic is asked for
    right = Layer(lambda x: x**3, lambda x, y, d: d * 3 * y / x)
    wrong = Layer(lambda x: x**3, lambda x, y, d: d * 3 * y)
    assert both(right, x) == (False, False)
    assert both(wrong, x) == (True, True)


class Scaled:
    """A number that is scaled by the exponential of another."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * x * math.exp(y)

    def backward(self, dout):
        return 3 * self.x * dout * math.exp(self.y), np.sum(dout * self.x * self.x) * math.exp(self.y)


PIXELS = np.where(RNG.random((200, 150)) < 0.7, 0.0, RNG.normal(size=(200, 150)))
ODD = {  # a wrong backward, at numbers where the forward has no derivative, or none that is finite
    "the edge of a domain": (np.log, lambda x, y, d: 2 * d / x, np.array([0.5, 0.0, 0.25])),
    "a root of 0": (np.sqrt, lambda x, y, d: d / y, np.array([1.0, 0.0, 4.0])),
    "no number": (np.square, lambda x, y, d: d * x, np.array([np.nan, 1.0, 2.0])),
    "infinity": (np.square, lambda x, y, d: d * x, np.array([np.inf, 1.0, 2.0])),
    "many kinks": (lambda x: np.maximum(x, 0), lambda x, y, d: 2 * d * (x > 0), PIXELS),
}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own
def test_a_picture_shows_a_wrong_gradient_beside_numbers_without_a_derivative(name, exact, monkeypatch):
    if not exact:
        monkeypatch.setitem(sys.modules, "dout.judge.exact_judge", None)
    forward, backward, x = ODD[name]
    assert len(dout.trace(Layer(forward, backward), x).wrong) > 0


def test_a_wrong_gradient_is_red_where_numbers_nearby_overflow():
    assert len(dout.trace(Scaled(), RNG.random((200, 200)), 700.0).wrong) > 0


def test_a_legal_gradient_at_many_kinks_is_not_red():
    assert dout.trace(Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d * (x > 0)), PIXELS).wrong == ()


class Chain:
    """Two layers, one after the other."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


def test_the_wrong_gradients_of_a_run_come_in_the_order_of_its_backward():
    first, last = Affine(0.5), Affine(0.25)
    last.W = last.W[:2]
    trace = dout.trace(Chain(first, last), X)
    assert list(dict.fromkeys(gradient.value.shape for gradient in trace.wrong)) == [last.W.shape, first.W.shape]
    np.testing.assert_array_equal(trace.wrong[0].value, last.dW)


def test_a_run_of_right_gradients_has_no_wrong_ones():
    assert dout.trace(Chain(Affine(1.0)), X).wrong == ()


def test_without_exact_arithmetic_a_picture_is_judged_in_floats(monkeypatch):
    monkeypatch.setitem(sys.modules, "dout.judge.exact_judge", None)
    assert dout.trace(RIGHT["a stabiliser"], X.copy()).wrong == ()
    assert len(dout.trace(WRONG["a sign"], X.copy()).wrong) > 0


class Switch:
    """A ReLU: below zero, many numbers are equally large after it."""

    def forward(self, x):
        self.on = x > 0
        return x * self.on

    def backward(self, dout):
        return dout * self.on


class LargestOfFour:
    """Takes the first of the largest numbers, or, wrong, gives each of them all of the gradient."""

    def __init__(self, wrong=False):
        self.wrong = wrong

    def forward(self, x):
        rows = x.reshape(-1, 4)
        self.x, self.winner, self.largest = x, rows.argmax(axis=1), rows.max(axis=1)
        return self.largest

    def backward(self, dout):
        dx = np.zeros((dout.size, 4))
        if self.wrong:
            dx[...] = dout[:, None]
        else:
            dx[np.arange(dout.size), self.winner] = dout
        return dx.reshape(self.x.shape)


class LogLoss:
    """Ignores its upstream gradient, as a loss may."""

    def forward(self, x):
        self.y = x + 2
        return -np.mean(np.log(self.y + 1e-7))

    def backward(self, dout=1.0):
        return -1 / self.y / self.y.size


@pytest.mark.parametrize("size", [(2, 4), (6_000, 4)])  # in exact arithmetic, and in floats
def test_a_maximum_may_choose_any_of_the_zeros_that_a_relu_leaves(size):
    x = np.random.default_rng(1).normal(size=size) - 0.5
    x[0] = -abs(x[0])
    assert dout.trace(Chain(Switch(), LargestOfFour(), LogLoss()), x).wrong == ()
    assert len(dout.trace(Chain(Switch(), LargestOfFour(wrong=True), LogLoss()), x).wrong) > 0
