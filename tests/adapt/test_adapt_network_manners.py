"""Networks in more manners: one sample, widths in a list, layers that hold the parameters, targets by other names."""

import numpy as np
import pytest

import dout


def softmax(scores, axis=1):
    shares = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return shares / shares.sum(axis=axis, keepdims=True)


class OneSample:
    """Takes one sample and makes outer products."""

    def __init__(self, n_in, n_hidden, n_out):
        draw = np.random.default_rng(0)
        self.first, self.last = draw.normal(size=(n_hidden, n_in)), draw.normal(size=(n_out, n_hidden))

    def feed_forward(self, inputs):
        self.given = inputs
        self.hidden = np.tanh(self.first @ inputs)
        self.out = self.last @ self.hidden
        return self.out

    def slope(self):
        return 1 - self.hidden**2

    def back_propagate(self, targets, lr):
        error = targets - self.out
        inner = self.last.T @ error * self.slope()
        self.last += lr * np.outer(error, self.hidden)
        self.first += lr * np.outer(inner, self.given)


class Dense:
    def __init__(self, inputs, outputs):
        self.W, self.b = np.random.default_rng(inputs).normal(size=(inputs, outputs)) / 2, np.zeros(outputs)

    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.W + self.b)
        return self.y

    def backward(self, d):
        d = d * (1 - self.y**2)
        self.dW, self.db = self.x.T @ d, d.sum(axis=0)
        return d @ self.W.T


class OfLayers:
    """The parameters are those of its layers, and the labels are places."""

    def __init__(self):
        self.layers = [Dense(4, 5), Dense(5, 3)]

    def slope(self):
        return 1.0

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        self.probs = softmax(x)
        return self.probs

    def backward(self, y):
        d = self.probs.copy()
        d[np.arange(len(y)), y] -= 1
        d = self.layers[1].backward(d / len(y))
        self.layers[0].backward(d * self.slope())


class SaidByTheLoss:
    """What backward is given is called as in its loss, and forward takes places."""

    def __init__(self, words, length):
        draw = np.random.default_rng(3)
        self.table, self.out = draw.normal(size=(words, length)), draw.normal(size=(length, words))

    def forward(self, center):
        self.center, self.h = center, self.table[center]
        self.y = softmax(self.h @ self.out)
        return self.y

    def loss(self, y, context):
        return -np.log(y[np.arange(len(context)), context]).sum()

    def slope(self):
        return 1.0

    def backward(self, context):
        d = self.y.copy()
        d[np.arange(len(context)), context] -= 1
        self.dout = self.h.T @ d
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.center, d @ self.out.T * self.slope())


class OfWidths:
    """Columns are samples, the widths come in a list, and the cost is one number for one output alone."""

    def __init__(self, dims):
        draw = np.random.default_rng(1)
        self.params = {}
        for i in range(1, len(dims)):
            self.params["W" + str(i)] = draw.normal(size=(dims[i], dims[i - 1]))
            self.params["b" + str(i)] = np.zeros((dims[i], 1))

    def slope(self, a):
        return 1 - a**2

    def forward(self, X):
        kept, depth = [X], len(self.params) // 2
        for i in range(1, depth + 1):
            z = self.params[f"W{i}"] @ kept[-1] + self.params[f"b{i}"]
            kept.append(np.tanh(z) if i < depth else 1 / (1 + np.exp(-z)))
        return kept[-1], kept

    def cost(self, AL, Y):
        return float(np.squeeze(-(Y @ np.log(AL).T + (1 - Y) @ np.log(1 - AL).T)))

    def backward(self, AL, Y, kept):
        grads, d = {}, AL - Y
        for i in range(len(self.params) // 2, 0, -1):
            grads[f"dW{i}"], grads[f"db{i}"] = d @ kept[i - 1].T, d.sum(axis=1, keepdims=True)
            d = self.params[f"W{i}"].T @ d * self.slope(kept[i - 1])
        return grads


class Held(Dense):
    """Widths of layers that it builds itself: no layers are handed in."""

    def __init__(self, sizes):
        self.stack = [Dense(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]  # noqa: RUF007 - as people do

    def slope(self):
        return 1.0

    def forward(self, x):
        for layer in self.stack:
            x = layer.forward(x)
        return x

    def backward(self, d):
        for layer in self.stack[::-1]:
            d = layer.backward(d) * self.slope()
        return d


class OneColumn:
    """`backprop` runs forward itself, is given what `feedforward` calls otherwise, and takes one column at a time."""

    def __init__(self, sizes):
        draw = np.random.default_rng(2)
        self.weights = [draw.normal(size=(b, a)) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]  # noqa: RUF007
        self.biases = [draw.normal(size=(b, 1)) for b in sizes[1:]]

    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases, strict=True):
            a = np.tanh(w @ a + b)
        return a

    def slope(self, a):
        return 1 - a**2

    def backprop(self, x, y):
        kept = [x]
        for w, b in zip(self.weights, self.biases, strict=True):
            kept.append(np.tanh(w @ kept[-1] + b))
        nabla_w, nabla_b = [None] * len(self.weights), [None] * len(self.weights)
        delta = (kept[-1] - y) * (1 - kept[-1] ** 2)
        for i in range(len(self.weights) - 1, -1, -1):
            nabla_w[i], nabla_b[i] = delta @ kept[i].T, delta
            delta = self.weights[i].T @ delta * self.slope(kept[i])
        return nabla_w, nabla_b

    def learn(self, batch, rate):
        for x, y in batch:
            steps = self.backprop(x, y)[0]
            self.weights = [w - rate * step for w, step in zip(self.weights, steps, strict=True)]


class WithoutARate:
    """Steps by its gradients themselves."""

    def __init__(self):
        draw = np.random.default_rng(8)
        self.first, self.last = draw.normal(size=(4, 5)) / 2, draw.normal(size=(5, 3)) / 2

    def forward(self, x):
        self.hidden = np.tanh(x @ self.first)
        self.out = self.hidden @ self.last
        return self.out

    def slope(self):
        return 1 - self.hidden**2

    def backward(self, x, y):
        error = y - self.out
        inner = error @ self.last.T * self.slope()
        self.last += self.hidden.T @ error
        self.first += x.T @ inner


EVERY = [OneSample, OfLayers, SaidByTheLoss, OfWidths, Held, OneColumn, WithoutARate]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("network", EVERY)
def test_it_is_judged_with_its_loss(network):
    report = dout.check(network)
    assert report.verdicts
    assert {str(verdict.word) for verdict in report.verdicts} <= {"exact", "right up to a constant factor"}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("network", EVERY)
def test_the_wrong_slope_of_an_inner_layer_is_an_error(network, monkeypatch):
    monkeypatch.setattr(network, "slope", lambda self, *given: 0.5)
    assert not dout.check(network).ok


class Attention:
    """Says nowhere how many axes it takes, and raises on tables."""

    def forward(self, query, key, value):
        self.q, self.k, self.v = query, key, value
        scores = query @ key.swapaxes(1, 2)
        self.shares = softmax(scores, axis=-1)
        return self.shares @ value

    def backward(self, dout):
        back = dout @ self.v.swapaxes(1, 2)
        d = self.shares * (back - (back * self.shares).sum(axis=-1, keepdims=True))
        return d @ self.k, d.swapaxes(1, 2) @ self.q, self.shares.swapaxes(1, 2) @ dout


def test_an_axis_that_is_lacking_is_given():
    assert [str(verdict.word) for verdict in dout.check(Attention).verdicts] == ["exact"] * 3


class OfItsResult:
    """The slope is given what was computed beside what it was computed from, by other names."""

    def compute(self, value):
        return 1 / (1 + np.exp(-value))

    def derivative(self, result, output):
        return output * (1 - output)


def test_what_is_called_output_beside_another_argument_is_what_was_computed():
    assert [str(verdict.word) for verdict in dout.check(OfItsResult).verdicts] == ["exact"]
