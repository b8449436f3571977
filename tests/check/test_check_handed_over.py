"""What is handed over between the methods of strangers' layers: whose gradients these are, and of which loss."""

import numpy as np
import pytest

from dout.check.verb.check_layer import check

RIGHT = {"exact", "exact up to rounded constants", "exact up to a stabiliser", "agrees within rounding"}


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def errors(report):
    return [finding for finding in report.findings if finding.severity == "error"]


class Dense:
    """One line of weights: the gradients of weights and bias have as many numbers."""

    def __init__(self, inputs=1, outputs=5):
        draw = np.random.default_rng(1)
        self.weights, self.bias = draw.normal(size=(inputs, outputs)), draw.normal(size=(1, outputs))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias


class HandsTheLayerOver(Dense):
    def backward(self, dout, optimizer):
        optimizer.update(self, self.x.T @ dout, dout.sum(axis=0))
        return dout @ self.weights.T


class ReturnsPairs(Dense):
    def backward(self, dout):
        return dout @ self.weights.T, [(self.weights, self.x.T @ dout), (self.bias, dout.sum(axis=0, keepdims=True))]


class ReturnsADictBeside(Dense):
    def backward(self, dout):
        return dout @ self.weights.T, {"bias": dout.sum(axis=0, keepdims=True), "weights": self.x.T @ dout}


@pytest.mark.parametrize("cls", [HandsTheLayerOver, ReturnsPairs, ReturnsADictBeside])
def test_gradients_handed_over_with_their_layer_are_those_of_its_parameters(cls):
    report = check(cls, x=np.arange(3.0)[:, None])
    assert {"x", "weights", "bias"} <= words(report).keys()
    assert not errors(report)


class Network:
    def __init__(self, inputs=3, hidden=4, outputs=2):
        draw = np.random.default_rng(2)
        self.W1, self.W2 = draw.normal(size=(inputs, hidden)), draw.normal(size=(hidden, outputs))


class TakesWhatIsWanted(Network):
    """No name says what `yd` is: a difference of it and of what forward gave does."""

    def forward(self, X):
        self.inner = np.tanh(X @ self.W1)
        return self.inner @ self.W2

    def backward(self, X, yd, output):
        d = output - yd
        self.dW2 = self.inner.T @ d
        self.dW1 = X.T @ (d @ self.W2.T * (1 - self.inner**2))

    def train(self, X, yd):
        output = self.forward(X)
        self.backward(X, yd, output)


class ReturnsItsLists(Network):
    """What backward takes the target from is the last of a list that forward returned."""

    def forward(self, X):
        sums, outs = [], [X]
        for W in (self.W1, self.W2):
            sums.append(outs[-1] @ W)
            outs.append(np.tanh(sums[-1]))
        return outs, sums

    def backward(self, X, y, outs, sums):
        d = (outs[-1] - y) * (1 - np.tanh(sums[1]) ** 2)
        return {"W2": outs[1].T @ d, "W1": X.T @ (d @ self.W2.T * (1 - outs[1] ** 2))}


class LossRunsForward(Network):
    def forward(self, X):
        inner = np.tanh(X @ self.W1)
        return inner @ self.W2, (X, inner)

    def compute_loss(self, X, y, reg):
        out, _ = self.forward(X)
        return ((out - y) ** 2).mean() + reg * (self.W1**2).sum()

    def backward(self, X, y, out, cache, reg):
        X, inner = cache
        d = 2 * (out - y) / y.size
        return {"W1": X.T @ (d @ self.W2.T * (1 - inner**2)) + 2 * reg * self.W1, "W2": inner.T @ d}


class NamesCross(Network):
    """Forward calls its output `y`, as backward the target: the call says what is handed on."""

    def forward(self, x):
        inner = np.tanh(x @ self.W1)
        y = inner @ self.W2
        return inner, y

    def backward(self, x, y, y_pred, h):
        d = y_pred - y
        return {"W2": h.T @ d, "W1": x.T @ (d @ self.W2.T * (1 - h**2))}

    def train(self, x, wanted):
        h, y_pred = self.forward(x)
        self.backward(x, wanted, y_pred, h)


@pytest.mark.parametrize(
    "cls", [TakesWhatIsWanted, pytest.param(ReturnsItsLists, marks=pytest.mark.long), LossRunsForward, NamesCross]
)
def test_a_network_is_judged_by_the_target_that_its_code_tells(cls):
    report = check(cls)
    assert {name: words(report).get(name) in RIGHT for name in ("W1", "W2")} == {"W1": True, "W2": True}
    assert not errors(report)


class Sparse:
    """A sigmoid with a penalty on its mean, which backward adds: 0 of it where the strength is 0."""

    def __init__(self, wanted=0.5, strength=1):
        self.wanted, self.strength = wanted, strength

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dout):
        mean = self.y.mean(axis=0)
        return dout * self.y * (1 - self.y) + self.strength * ((1 - self.wanted) / (1 - mean) - self.wanted / mean)


class AddsItsInput(Sparse):
    def backward(self, dout):
        return dout * self.y * (1 - self.y) + self.y


def test_a_penalty_whose_strength_is_a_setting_is_no_error():
    report = check(Sparse)
    assert not errors(report)
    assert any(finding.code == "D112" and "self.strength" in finding.message for finding in report.findings)


def test_a_term_without_a_setting_is_an_error():
    assert errors(check(AddsItsInput))


class Centred:
    """Each element by itself, although the mean ties them together."""

    def __init__(self, width):
        self.beta = np.zeros(width)

    def forward(self, x):
        self.rows = len(x)
        return x - x.mean(axis=0) + self.beta

    def backward(self, dout):
        dbeta = dout.sum(axis=0)
        dx = (1 - 1 / self.rows) * dout
        return dx, [(self.beta, dbeta)]


def test_the_diagonal_of_a_derivative_alone_is_called_so():
    (error,) = errors(check(Centred))
    assert "the diagonal of the derivative alone" in error.message


class OwnContext:
    def __init__(self, frozen=False):
        self._items, self.frozen = (), frozen

    def save(self, *items):
        self._items = items

    @property
    def saved(self):
        return self._items[0] if len(self._items) == 1 else self._items


class Reciprocal:
    """Its backward asks the context for the one item itself, as the class beside it gives it."""

    @staticmethod
    def forward(ctx, a):
        ctx.save(a)
        return 1 / a

    @staticmethod
    def backward(ctx, d_output):
        return -d_output / ctx.saved**2


def test_a_context_is_the_users_own():
    assert words(check(Reciprocal)) == {"a": "exact"}


def windows_forward(x, w, size):
    return np.lib.stride_tricks.sliding_window_view(x, len(w), axis=1) @ w


def windows_backward(x, dout, w, size):
    padded = np.pad(dout, ((0, 0), (size - 1, size - 1)))
    dx = np.lib.stride_tricks.sliding_window_view(padded, len(w), axis=1) @ w[::-1]
    dw = np.array([(x[:, i : i + dout.shape[1]] * dout).sum() for i in range(len(w))])
    return dx, dw


def test_a_setting_that_has_to_agree_with_an_input_is_no_error():
    """Forward reads the size from the array itself; only backward takes the number."""
    report = check((windows_forward, windows_backward), x=np.arange(10.0).reshape(2, 5) % 3, w=np.arange(3.0), size=3)
    assert not errors(report)


class Filters:
    """The gradient of the bias is that of its last number: each turn of the loop overwrites it."""

    def __init__(self, width=3):
        self.b = np.zeros(width)

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        for i in range(dout.shape[1]):
            self.db = np.sum(dout[:, i])
        return dout


class Normed:
    """The number of samples is taken from the width, twice: no change of one place mends it."""

    def __init__(self, width):
        self.width = width

    def forward(self, x):
        return (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 1e-5)

    def backward(self, x, dout):
        centred = x - np.mean(x, axis=0)
        inverse = 1.0 / np.sqrt(np.var(x, axis=0) + 1e-5)
        ds = np.sum(dout * centred, axis=0) * -0.5 * inverse**3
        dm = np.sum(dout * -inverse, axis=0) + ds * np.mean(-2.0 * centred, axis=0)
        return (dout * inverse) + (ds * 2 * centred / self.width) + (dm / self.width)


def test_rows_are_not_as_many_as_the_layer_is_wide():
    """As many, they would hide that backward takes the one for the other."""
    assert errors(check(Normed, init={"width": 3}))


@pytest.mark.parametrize(
    ("cls", "words"),
    [(Filters, "each turn of a loop overwrites")],
)
def test_a_cause_is_told_by_the_numbers(cls, words):
    assert any(words in error.message for error in errors(check(cls)))


class SoftmaxOfG:
    """What arrives has a name that says nothing, and a sum of it is taken from it."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, g):
        inner = (g * self.y).sum(axis=-1, keepdims=True)
        return self.y * (g - inner)


def test_what_arrives_is_no_target_where_a_sum_of_it_is_taken_from_it():
    report = check(SoftmaxOfG)
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]
