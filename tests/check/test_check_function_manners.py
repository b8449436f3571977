"""Functions as courses write them: with a switch for the derivative, costs beside gradients, losses with indices."""

import functools
import itertools
import sys

import numpy as np
import pytest
from fair_examples import severities

import dout
from dout.adapt.interface.function_pairs import function_pairs
from dout.adapt.source.switches import derivative_switch


def judged(name):
    return dout.check(function_pairs(vars(sys.modules[__name__]))[name])


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def errors(report):
    return {finding.argument: finding for finding in report.findings if finding.severity == "error"}


# --- a switch ---------------------------------------------------------------------------------------------------------


def logistic(x, deriv=False):
    if deriv:
        return x * (1 - x)  # of the output
    return 1 / (1 + np.exp(-x))


def leaky(x, derivative=False, alpha=0.01):
    return np.where(x > 0, 1, 0) if derivative else np.where(x > 0, x, alpha * x)  # wrong below 0


def test_a_switch_gives_the_derivative():
    assert words(judged("logistic")) == {"x": "exact"}
    found = errors(judged("leaky"))["x"]
    assert "`0` should be `alpha`" in found.message
    assert found.fix is not None


class Activation:
    @staticmethod
    def softsign(x, prime=False):
        return 1 / (1 + np.abs(x)) if prime else x / (1 + np.abs(x))  # wrong: not squared

    def tanh(self, x, prime=False):
        return 1 - np.tanh(x) ** 2 if prime else np.tanh(x)


@pytest.mark.long
def test_a_bag_of_functions_with_switches_has_a_layer_each():
    from dout.adapt.interface.method_pairs import pair_classes

    pairs = pair_classes(Activation)
    assert words(dout.check(pairs["tanh"])) == {"x": "exact"}
    assert set(errors(dout.check(pairs["softsign"]))) == {"x"}


# --- a cost and its gradient ------------------------------------------------------------------------------------------


def compute_cost(X, y, w, b, lambda_=1):
    f = 1 / (1 + np.exp(-(X @ w + b)))
    return -(y * np.log(f) + (1 - y) * np.log(1 - f)).mean() + lambda_ / (2 * len(y)) * np.sum(w**2)


def compute_gradient(X, y, w, b, lambda_=1):
    miss = 1 / (1 + np.exp(-(X @ w + b))) - y
    return miss.mean(), X.T @ miss / len(y) + lambda_ * w  # wrong: the penalty is divided in the cost


def line_cost(x, y, w, b):
    return sum((w * x[i] + b - y[i]) ** 2 for i in range(len(x))) / (2 * len(x))


def line_gradient(x, y, w, b):
    misses = [w * x[i] + b - y[i] for i in range(len(x))]
    return sum(m * one for m, one in zip(misses, x, strict=True)) / len(x), sum(misses) / len(x)


def test_a_cost_and_the_gradient_of_the_same_arguments_are_a_pair():
    report = judged("compute_cost")
    assert words(report) == {"w": "refuted", "b": "exact"}
    assert "lambda_ * w" in errors(report)["w"].message
    assert not [finding for finding in report.findings if finding.code == "D501"]  # nobody unpacks dX, dy, dw, db


def test_a_line_has_one_weight():
    assert words(judged("line_cost")) == {"w": "exact", "b": "exact"}


# --- losses that return their gradients -------------------------------------------------------------------------------


def sampled_loss(center, outside_idx, vectors, negatives):
    u = vectors[outside_idx]
    s = 1 / (1 + np.exp(-(u @ center)))
    loss = -np.log(s)
    d, grad_vectors = (s - 1) * u, np.zeros_like(vectors)
    grad_vectors[outside_idx] = (s - 1) * center
    for k in negatives:
        n = 1 / (1 + np.exp(vectors[k] @ center))
        loss -= np.log(n)
        d += (1 - n) * vectors[k]
        grad_vectors[k] = (1 - n) * center  # wrong: an index comes twice
    return loss, d, grad_vectors


def test_what_is_taken_as_an_index_is_one():
    report = judged("sampled_loss")
    assert words(report) == {"center": "exact", "vectors": "refuted"}
    assert "should be `grad_vectors[k] += (1 - n) * center`" in errors(report)["vectors"].message


def sequence_loss(x, y, mask):
    p = np.exp(x - x.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    rows = np.arange(x.shape[0])[:, None], np.arange(x.shape[1]), y
    d = p.copy()
    d[rows] -= 1
    loss = -(mask * np.log(p[rows])).sum()
    return loss, d * mask[:, :, None]


def test_a_gradient_may_be_called_d_beside_a_loss():
    assert "error" not in severities(judged("sequence_loss"))
    assert words(judged("sequence_loss"))["x"] == "exact"


# --- networks of functions, and of methods that take what forward gave ------------------------------------------------


def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    e = np.exp(Z2 - Z2.max(axis=0))
    return Z1, A1, Z2, e / e.sum(axis=0)


def back_prop(Z1, A1, Z2, A2, W2, X, Y):
    m = Y.shape[1]
    dZ2 = A2 - Y  # m times as large as the gradient of a mean
    dZ1 = W2.T @ dZ2 * (1 - A1**2)
    db1 = np.sum(dZ1) / m  # wrong: over the units, too
    return dZ1 @ X.T / m, db1, dZ2 @ A1.T / m, dZ2.sum(axis=1, keepdims=True) / m


def test_the_cause_in_a_network_of_functions():
    rng = np.random.default_rng(2)
    shapes = {"W1": (4, 3), "b1": (4, 1), "W2": (5, 4), "b2": (5, 1), "X": (3, 6)}
    given = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    pair = function_pairs(vars(sys.modules[__name__]))["forward_prop"]
    report = dout.check(pair, **given, Y=np.eye(5)[:, [0, 4, 2, 2, 1, 3]])
    assert set(errors(report)) == {"b1"}
    found = errors(report)["b1"]
    assert "`np.sum(dZ1)` should be `np.sum(dZ1, axis=1, keepdims=True)`" in found.message
    assert not found.first_wrong


class Deep:
    def __init__(self, sizes=(3, 4, 5, 2)):
        rng = np.random.default_rng(3)
        pairs = list(itertools.pairwise(sizes))
        self.weights = [rng.normal(size=(n_out, n_in)) for n_in, n_out in pairs]
        self.biases = [rng.normal(size=(n_out, 1)) for _, n_out in pairs]

    def cost(self, x, y):
        for w, b in zip(self.weights, self.biases, strict=True):
            x = np.tanh(w @ x + b)
        return 0.5 * np.sum((x - y) ** 2)

    def backprop(self, x, y):
        acts, zs = [x], []
        for w, b in zip(self.weights, self.biases, strict=True):
            zs.append(w @ acts[-1] + b)
            acts.append(np.tanh(zs[-1]))
        delta = (acts[-1] - y) * slope(zs[-1])
        of_b, of_w = [0.0 * b for b in self.biases], [0.0 * w for w in self.weights]
        of_b[-1], of_w[-1] = delta, delta @ acts[-2].T
        for k in range(2, len(self.weights) + 1):
            delta = self.weights[-k + 1].T @ delta  # wrong: the slope is missing
            of_b[-k], of_w[-k] = delta, delta @ acts[-k - 1].T
        return of_b, of_w


def slope(z):
    return 1 - np.tanh(z) ** 2


@pytest.mark.long
def test_what_is_right_at_one_index_is_tried_at_another():
    report = dout.check(Deep(), np.array([[0.5], [-1.0], [2.0]]), np.array([[0.2], [0.7]]))
    found = [item for item in report.findings if item.severity == "error"]
    assert {item.argument for item in found} == {"weights[0]", "weights[1]", "biases[0]", "biases[1]"}
    assert "should be `(self.weights[-k + 1].T @ delta) * slope(zs[-k])`" in found[0].message


# --- what is no layer -------------------------------------------------------------------------------------------------


def plainly(function):
    @functools.wraps(function)
    def called(*args, **named):
        return function(*map(np.asarray, args), **named)

    return called


HELPERS = {
    "normalize": lambda x, back=False: x * 2.0 + 1.0 if back else (x - 1.0) / 2.0,
    "tape": lambda x, grad=False: (np.tanh(x), grad),
    "entropy": lambda p, diff=False: -np.sum(p * np.log(p)) - (diff and 1.0),
    "unread": lambda x, derivative=False: np.tanh(x),
    "decorated": plainly(lambda x, derivative=False: 1 - np.tanh(x) ** 2 if derivative else np.tanh(x)),
}


@pytest.mark.parametrize("name", HELPERS)
def test_another_switch_makes_no_layer(name):
    assert derivative_switch(HELPERS[name]) == ""


def test_a_gradient_belongs_to_the_cost_of_its_name():
    functions = {
        "compute_cost_linear": lambda X, y, w: X @ w - y,
        "compute_gradient": lambda X, y, w: X,
        "huber_cost": lambda a, y: a - y,
        "l1_cost": lambda a, y: a + y,
        "gradient_huber": lambda a, y: a,
        "gradient_step": lambda a, y: y,
        "stochastic_gradient_l1": lambda a, y: y,
    }
    for name, function in functions.items():
        function.__module__, function.__name__ = "losses", name
    pairs = function_pairs({"__name__": "losses", **functions})
    assert {name: pair.dout_pair for name, pair in pairs.items()} == {"huber_cost": ("huber_cost", "gradient_huber")}
