"""Causes that are an exchange: of indices, of one name in all of an expression, of a length for several."""

import sys

import numpy as np
import pytest

import dout
from dout.adapt.interface.function_pairs import function_pairs


def judged(name):
    return dout.check(function_pairs(vars(sys.modules[__name__]))[name])


def errors(report):
    return [finding for finding in report.findings if finding.severity == "error"]


def lines_of(fix):
    return [line[1:].strip() for line in str(fix).splitlines() if line.startswith("+") and not line.startswith("+++")]


class Depthwise:
    def __init__(self, channels):
        self.W = np.random.default_rng(0).normal(size=(channels, 3, 3))

    def forward(self, x):
        self.x = x
        h, w = x.shape[2] - 2, x.shape[3] - 2
        out = 0
        for i in range(3):
            for j in range(3):
                out = out + x[:, :, i : i + h, j : j + w] * self.W[:, i, j, None, None]
        return out

    def backward(self, dout):
        h, w = dout.shape[2:]
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        for i in range(3):
            for j in range(3):
                self.dW[:, i, j] = np.sum(dout * self.x[:, :, i : i + h, j : j + w], axis=(0, 2, 3))
                dx[:, :, i : i + h, j : j + w] += dout * self.W[:, j, i, None, None]  # wrong
        return dx


class Whiten:
    def forward(self, x):
        self.std = x.std(axis=(0, 2, 3), keepdims=True)
        self.y = (x - x.mean(axis=(0, 2, 3), keepdims=True)) / self.std
        return self.y

    def backward(self, dout):
        n = dout.shape[0]  # wrong: of all that the mean is taken over
        mean = dout.sum(axis=(0, 2, 3), keepdims=True) / n
        along = (dout * self.y).sum(axis=(0, 2, 3), keepdims=True) / n
        return (dout - mean - self.y * along) / self.std


class Axes:
    def __init__(self, order=(2, 0, 1)):
        self.order = order

    def forward(self, x):
        return np.transpose(x, self.order)

    def backward(self, dout):
        return np.transpose(dout, self.order)  # wrong: back by the same way


class Activation:
    def __init__(self, function, slope):
        self.function, self.slope = function, slope

    def forward(self, x):
        self.x = x
        return self.function(x)

    def backward(self, dout):
        return dout * self.slope(self.x)


class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)


class Logistic(Activation):
    def __init__(self):
        def logistic(x):
            return 1 / (1 + np.exp(-x))

        def slope(x):
            s = logistic(x)
            return x * (1 - x) + 0 * s  # wrong: of s

        super().__init__(logistic, slope)


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (Depthwise, "dx[:, :, i : i + h, j : j + w] += dout * self.W[:, i, j, None, None]"),
        (Whiten, "n = dout.shape[0] * dout.shape[2] * dout.shape[3]"),
        (Axes, "return np.transpose(dout, np.argsort(self.order))"),
        (Logistic, "return s * (1 - s)"),
    ],
)
def test_an_exchange_is_found(layer, line):
    (error,) = errors(dout.check(layer))
    assert any(new.startswith(line) for new in lines_of(error.fix))


class Base:
    def forward(self, x):
        self.x = x
        return self.f(x)

    def backward(self, dout):
        return dout * self.slope(self.x)


class Cosine(Base):
    def f(self, x):
        return np.cos(x)

    def slope(self, x):
        return -np.sin(x)


class Exponential(Base):
    def f(self, x):
        return np.exp(x)

    def slope(self, x):
        return x  # wrong


def test_a_repair_is_looked_for_in_its_own_methods_before_the_base_that_another_layer_shares():
    (error,) = errors(dout.check(Exponential))
    assert lines_of(error.fix) == ["return self.f(x)  # wrong"]  # in its own method, which the base calls


# --- functions --------------------------------------------------------------------------------------------------------


def penalised_cost(X, y, theta):
    return np.mean((X @ theta - y) ** 2) / 2 + np.sum(theta[1:] ** 2) / 2


def penalised_gradient(X, y, theta):
    grad = X.T @ (X @ theta - y) / len(y)
    grad += theta  # wrong: the penalty leaves the first one out
    return grad


def test_a_penalty_leaves_the_bias_out():
    (error,) = errors(judged("penalised_cost"))
    assert lines_of(error.fix)[0].startswith("grad[1:] += (theta)[1:]")


def squashed(z):
    return np.tanh(z)


def slope_of(z):
    return 1 - squashed(z) ** 2


def net_cost(X, y, w):
    return np.sum((squashed(X @ w) - y) ** 2)


def net_gradient(X, y, w):
    z = X @ w
    d = 2 * (squashed(z) - y) * slope_of(squashed(z))  # wrong: of z
    return X.T @ d


def test_a_function_too_many():
    (error,) = errors(judged("net_cost"))
    assert "* slope_of(z)" in error.fix.after


hidden, letters = 4, 3
Wx = np.random.default_rng(0).normal(size=(hidden, letters))
Wh = np.random.default_rng(1).normal(size=(hidden, hidden))


def loss_of_words(inputs, before):
    """In the manner of Karpathy's min-char-rnn: weights of the module, one turn a letter."""
    xs, hs, loss = {}, {-1: before}, 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((letters, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wx @ xs[t] + Wh @ hs[t - 1])
        loss += np.sum(hs[t] ** 2)
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dh = 2 * hs[t]  # wrong: without dhnext
        draw = (1 - hs[t] ** 2) * dh
        dWx += draw @ xs[t].T
        dWh += draw @ hs[t - 1].T
        dhnext = Wh.T @ draw  # noqa: F841 - the mistake
    return loss, dWx, dWh


def test_what_is_carried_and_never_read_is_missing_even_with_weights_in_the_module():
    pair = function_pairs(vars(sys.modules[__name__]))["loss_of_words"]
    report = dout.check(pair, inputs=[0, 1, 2, 1], before=np.zeros((hidden, 1)))
    fixes = [error.fix for error in errors(report) if error.fix is not None]
    assert fixes
    assert "dh = 2 * hs[t] + dhnext" in fixes[0].after


class Policy:
    """The likelihood of actions: its gradient takes the same, and nothing says that it is a loss."""

    def __init__(self, states, actions):
        self.theta = np.random.default_rng(0).normal(size=(states, actions))
        self.log_std = np.zeros(actions)

    def log_prob(self, state, action):
        z = (action - state @ self.theta) / np.exp(self.log_std)
        return np.sum(-0.5 * z**2 - self.log_std)

    def grad_log_prob(self, state, action):
        std = np.exp(self.log_std)
        z = (action - state @ self.theta) / std
        return state.T @ (z / std), np.sum(z**2 - 1, axis=0)


def test_the_gradient_of_a_number_that_takes_what_forward_takes():
    report = dout.check(Policy)
    assert report.ok
    assert {v.argument: str(v.word) for v in report.verdicts} == {"theta": "exact", "log_std": "exact"}


class Contrastive:
    def forward(self, a, b, same):
        self.diff = a - b
        self.dist = np.sqrt(np.sum(self.diff**2, axis=1))
        self.same = same
        self.gap = np.maximum(0, 2 - self.dist)
        return np.mean(same * self.dist**2 + (1 - same) * self.gap**2) / 2

    def backward(self):
        push = -((1 - self.same) * self.gap / self.dist)[:, None] * self.diff
        da = (self.same[:, None] * self.diff + push) / len(self.dist)
        return da, -da


def test_rows_come_before_tables_of_rows():
    assert dout.check(Contrastive).ok


# --- a course of KTH: samples are columns, and the gradients are given the probabilities ------------------------------


def evaluate(X, W, b):
    s = W @ X + b
    e = np.exp(s - s.max(axis=0))
    return e / e.sum(axis=0)


def ComputeCost(X, Y, W, b, lamda):
    P = evaluate(X, W, b)
    return -np.sum(Y * np.log(P)) / X.shape[1] + lamda * np.sum(W**2)


def ComputeGradients(X, Y, P, W, lamda):
    G = P - Y
    grad_W = G @ X.T / X.shape[1] + 2 * lamda * W
    grad_b = np.sum(G, axis=1, keepdims=True) / X.shape[1]
    return grad_W, grad_b


def ComputeCost2(X, Y, W, b, lamda):
    P = evaluate(X, W, b)
    return -np.sum(Y * np.log(P)) / X.shape[1] + lamda * np.sum(W**2)


def ComputeGradients2(X, Y, P, W, lamda):
    G = P - Y
    grad_W = G @ X.T / X.shape[1] + lamda * W  # wrong: 2 * lamda
    grad_b = np.sum(G, axis=1, keepdims=True) / X.shape[1]
    return grad_W, grad_b


def test_what_a_gradient_takes_besides_is_computed_as_its_cost_computes_it():
    report = judged("ComputeCost")
    assert report.ok
    assert {v.argument: str(v.word) for v in report.verdicts} == {"W": "exact", "b": "exact"}


@pytest.mark.long
def test_what_is_wrong_beside_is_an_error():
    (error,) = errors(judged("ComputeCost2"))
    assert (error.code, error.argument) == ("D101", "W")


class Recurrent:
    """What the next step gives back is computed, and read by nobody."""

    def __init__(self):
        generator = np.random.default_rng(4)
        self.Wx, self.Wh = generator.normal(size=(3, 4)), generator.normal(size=(4, 4))

    def forward(self, xs):
        n, t, _ = xs.shape
        self.xs, self.hs = xs, np.zeros((n, t + 1, 4))
        for i in range(t):
            self.hs[:, i + 1] = np.tanh(xs[:, i] @ self.Wx + self.hs[:, i] @ self.Wh)
        return self.hs[:, 1:].copy()

    def backward(self, dhs):
        dxs, dnext = np.zeros_like(self.xs), np.zeros_like(dhs[:, 0])
        self.dWx, self.dWh = np.zeros_like(self.Wx), np.zeros_like(self.Wh)
        for i in reversed(range(dhs.shape[1])):
            da = dhs[:, i] * (1 - self.hs[:, i + 1] ** 2)
            self.dWx += self.xs[:, i].T @ da
            self.dWh += self.hs[:, i].T @ da
            dxs[:, i] = da @ self.Wx.T
            dnext = da @ self.Wh.T  # noqa: F841 - the mistake
        return dxs


class Scaled:
    """The product is divided by the root of 4, and its gradient is not."""

    def forward(self, q, k):
        self.q, self.k = q, k
        return q @ k.T / np.sqrt(k.shape[1])

    def backward(self, dout):
        return dout @ self.k / np.sqrt(self.k.shape[1]), dout.T @ self.q


def test_a_term_that_nothing_reads_and_a_root_by_its_name_are_named():
    x = np.cos(np.arange(30.0)).reshape(2, 5, 3)
    assert "`dhs[:, i]` should be `dhs[:, i] + dnext`" in errors(dout.check(Recurrent(), x))[0].because
    q, k = np.sin(np.arange(12.0)).reshape(3, 4), np.cos(np.arange(20.0)).reshape(5, 4)
    assert "np.sqrt(" in errors(dout.check(Scaled(), q, k))[0].because
