"""Right layers that a guess of ours once made look wrong: what they were given, and whose gradient they return."""

import inspect

import numpy as np
import pytest
from class_files import written

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


def severities(report):
    """The findings, without those on reuse, by code."""
    return {f.code: f.severity for f in report.findings if f.code != "D208"}


def judged(report):
    return {v.argument for v in report.verdicts}


def is_right(report):
    return bool(report.verdicts) and "error" not in severities(report).values()


class LayerNorm:
    def __init__(self, d_model):
        self.gamma, self.beta = np.ones(d_model), np.zeros(d_model)
        self.params, self.grads = [self.gamma, self.beta], [np.zeros(d_model), np.zeros(d_model)]

    def forward(self, x):
        self.scale = np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        self.normal = (x - x.mean(-1, keepdims=True)) / self.scale
        return self.gamma * self.normal + self.beta

    def backward(self, dout):
        rows = tuple(range(dout.ndim - 1))
        self.grads[0][...], self.grads[1][...] = (dout * self.normal).sum(rows), dout.sum(rows)
        d = dout * self.gamma
        inner = (d * self.normal).mean(-1, keepdims=True)
        return (d - d.mean(-1, keepdims=True) - self.normal * inner) / self.scale


def test_a_size_that_could_be_a_shape_is_one_number():
    assert is_right(check(LayerNorm))


class Steps:
    def __init__(self, d_in):
        self.params, self.grads = [np.arange(1.0, d_in + 1)], [np.zeros(d_in)]

    def forward(self, x):
        """Add the bias.

        x: N x T x D
        """
        return x + self.params[0]

    def backward(self, dout):
        self.grads[0][...] = dout.sum(axis=(0, 1))
        return dout.copy()


def test_axes_with_crosses_between_them_are_a_shape():
    assert is_right(check(Steps))


class Penalty:
    def __init__(self, weight):
        self.weight = weight

    def loss(self, W):
        return self.weight * np.sum(np.abs(W))

    def grad(self, W):
        return self.weight * np.sign(W)


def test_the_weight_of_a_regulariser_is_a_number():
    assert is_right(check(Penalty))


class Momentum:
    """A batch normalisation without its statistics: `alpha` is no learning rate, and `out` no parameter."""

    def __init__(self, features, alpha=0.9):
        self.alpha, self.out = alpha, None
        self.gamma, self.dgamma = np.full((1, features), 1.5), np.zeros((1, features))

    def forward(self, x):
        self.x = x
        self.out = x * self.gamma
        return self.out

    def backward(self, delta):
        self.dgamma = np.sum(delta * self.x, axis=0, keepdims=True)
        self.out = delta * self.gamma
        return self.out


def test_what_forward_and_backward_both_keep_is_no_step():
    report = check(Momentum)
    assert (judged(report), is_right(report)) == ({"x", "gamma"}, True)


class Network:
    """The gradients of its parameters stand in a dict, as many as forward has arguments."""

    def __init__(self, input_size, output_size):
        self.params = {
            "W1": np.linspace(-1, 1, input_size * output_size).reshape(input_size, -1),
            "b1": np.zeros(output_size),
        }

    def loss(self, x, t):
        score = x @ self.params["W1"] + self.params["b1"]
        e = np.exp(score - score.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.y[np.arange(len(x)), t.argmax(axis=1)]))

    def gradient(self, x, t):
        self.loss(x, t)
        d = self.y - t
        return {"W1": x.T @ d / len(x), "b1": d.mean(axis=0)}


def test_gradients_in_a_dict_belong_to_its_keys():
    report = check(Network(3, 5), np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]), np.eye(5)[[3, 0]])
    assert (judged(report), is_right(report)) == ({"W1", "b1"}, True)


class Words:
    """Takes indices, and labels that are whole numbers or rows with one 1."""

    def __init__(self, vocab_size, size):
        self.W = np.linspace(-1, 1, vocab_size * size).reshape(vocab_size, size)

    def forward(self, xs, ts):
        self.xs, self.ts = xs, ts
        score = self.W[xs].sum(axis=1)
        e = np.exp(score - score.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        t = np.eye(score.shape[1])[ts] if ts.ndim == 1 else ts
        return -np.sum(t * np.log(self.y + 1e-7)) / len(xs)

    def backward(self):
        d = self.y - (np.eye(self.y.shape[1])[self.ts] if self.ts.ndim == 1 else self.ts)
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.xs, d[:, None] / len(self.xs))


def test_whole_numbers_are_no_rows_of_shares():
    assert is_right(check(Words))


class Stabilised:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.mean(np.log(self.y[np.arange(len(x)), t] + 1e-6))

    def backward(self, dout=1):
        d = self.y.copy()
        d[np.arange(len(d)), self.t] -= 1
        return d / len(d)


def test_a_stabiliser_is_none_of_a_large_input_either():
    report = check(Stabilised(), np.random.default_rng(0).normal(size=(120, 300)), np.arange(120))
    assert report.verdicts[0].route == "the derived gradient in float64"
    assert is_right(report)


class Kernel:
    """Four gradients for two inputs: those of the constructor's numbers."""

    def __init__(self, alpha, beta):
        self.numbers = {"alpha": alpha, "beta": beta}

    def __call__(self, x, y):
        distance = np.sum((x[:, None] - y[None]) ** 2, axis=-1)
        return self.numbers["alpha"] * np.exp(-self.numbers["beta"] * distance)

    def gradient(self, x, y):
        distance = np.sum((x[:, None] - y[None]) ** 2, axis=-1)
        e = np.exp(-self.numbers["beta"] * distance)
        return [e, -self.numbers["alpha"] * distance * e, np.ones_like(e), distance]


def test_more_gradients_than_inputs_of_other_shapes_are_nobodys():
    report = check(Kernel)
    assert judged(report) == set()
    assert severities(report)["D502"] == "note"


class Recurrent:
    """Gives the gradient of its first state, which it makes itself."""

    def __init__(self, size):
        self.W = np.linspace(-1, 1, size * size).reshape(size, size)

    def forward(self, x, h_0=None):
        self.states = [np.zeros(x.shape) if h_0 is None else h_0]
        self.states.append(np.tanh(x + self.states[0] @ self.W))
        return self.states[-1]

    def backward(self, delta):
        dh_0 = delta * (1 - self.states[-1] ** 2) @ self.W.T
        return dh_0


def test_a_gradient_by_its_name_is_not_that_of_the_first_input():
    assert judged(check(Recurrent)) == set()


class Channels:
    """Takes and gives an image channel by channel, in lists."""

    def __init__(self):
        self.kernels = [np.eye(3), 2 * np.eye(3)]

    def __call__(self, x):
        return [2.0 * x[i] for i in range(len(x))]

    def backprop(self, dout):
        return [2.0 * d for d in dout]


def test_a_gradient_may_come_in_a_list_of_its_parts():
    report = check(Channels, np.arange(1.0, 19).reshape(2, 3, 3))
    assert (judged(report), is_right(report)) == ({"x"}, True)


class Row:
    """A cell for one sample, whose gradient is a row."""

    def forward(self, x):
        assert x.ndim == 1
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, dout):
        return (dout * (1 - self.y**2)).reshape(1, -1)


class Column(Row):
    def backward(self, dout):
        return (dout * (1 - self.y**2)).reshape(-1, 1)


@pytest.mark.parametrize(("layer", "severity"), [(Row, "warning"), (Column, "error")])
def test_only_an_axis_in_front_spreads_nothing(layer, severity):
    assert severities(check(layer(), np.array([0.5, -1.0, 2.0])))["D501"] == severity


class Input:
    def forward(self, x):
        return x

    def backward(self, grad):
        return np.zeros_like(grad)


class Twice(Input):
    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize(("layer", "severity"), [(Input, "note"), (Twice, "error")])
def test_an_input_layer_may_stop_the_gradient(layer, severity):
    assert severities(check(layer(), np.array([[0.5, -1.0]])))["D103"] == severity


class WrongSign:
    """Of the absolute error, and averaged over the samples, which a caller does not do."""

    def forward(self, y_pred, y_true):
        return np.mean(np.abs(y_true - y_pred), axis=-1)

    def backward(self, y_pred, y_true):
        self.dinputs = np.sign(y_true - y_pred) / y_pred[0].size / len(y_pred)


def test_a_wrong_sign_is_said_beside_a_constant():
    (found,) = (f for f in check(WrongSign).findings if f.code == "D101")
    assert "the sign is wrong" in found.message
    assert "should be `-np.sign(y_true - y_pred) / y_pred[0].size / len(y_pred)`" in found.message
    assert np.all(np.equal(found.inputs["dout"], 1))


def decorated(function):
    def wrap(*arguments):
        return function(*arguments)

    return wrap


class Overwrites:
    @decorated
    def forward(self, x):
        return np.maximum(x, 0, x)

    def backward(self, dout):
        return dout * 1.0


@pytest.mark.long
def test_a_repair_is_one_of_the_method_and_not_of_its_decorator():
    (found,) = (f for f in check(Overwrites(), np.array([[0.5, -1.0]])).findings if f.code == "D202")
    source = inspect.getsource(decorated)
    assert source in found.fix.before
    assert source in found.fix.after


class Scaled:
    """What it calls `grads` is the upstream gradient, not a dict to be filled: nothing else could be."""

    def __init__(self, size):
        self.w = np.linspace(0.5, 1.5, size)

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, grads, learning_rate):
        back = grads * self.w
        self.w -= learning_rate * (grads * self.x).sum(axis=0)
        return back


def test_grads_alone_are_the_upstream_gradient():
    report = check(Scaled)
    assert (judged(report), is_right(report)) == ({"x", "w"}, True)


def test_what_backward_returns_a_gradient_for_is_an_array(tmp_path):
    loss = """
class Closer:
    def forward(self, anchor, positive, negative):
        self.near, self.far = anchor - positive, anchor - negative
        self.on = ((self.near**2).sum(1) - (self.far**2).sum(1) + 1 > 0)[:, None]
        return np.sum(self.on[:, 0] * ((self.near**2).sum(1) - (self.far**2).sum(1) + 1))

    def backward(self):
        return 2 * (self.near - self.far) * self.on, -2 * self.near * self.on, 2 * self.far * self.on
"""
    given = example(written(tmp_path, loss), {}, {}).inputs
    assert len({array.shape for array in given.values()}) == 1
    assert np.ndim(given["negative"]) == 2
    assert [v.word for v in check(written(tmp_path, loss)).verdicts] == [Word.EXACT] * 3


def test_a_product_with_an_array_whose_three_axes_are_turned_is_of_stacks(tmp_path):
    scores = """
class Scores:
    def forward(self, a, b):
        self.a, self.b = a, b
        return a @ b.transpose(0, 2, 1)

    def backward(self, dout):
        return dout @ self.b, dout.transpose(0, 2, 1) @ self.a
"""
    assert [v.word for v in check(written(tmp_path, scores)).verdicts] == [Word.EXACT] * 2


@pytest.mark.one_in(8)
@pytest.mark.parametrize(("slope", "words"), [("self.a > 0", 4 * [Word.EXACT]), ("self.a > 1", None)])
def test_a_whole_network_is_judged_by_its_loss(tmp_path, slope, words):
    net = """
class Net:
    def __init__(self, d=5, h=7, c=3):
        r = np.random.default_rng(0)
        self.W1, self.b1, self.W2, self.b2 = r.normal(size=(d, h)), np.zeros(h), r.normal(size=(h, c)), np.zeros(c)

    def forward(self, X):
        self.a = np.maximum(0, X @ self.W1 + self.b1)
        e = np.exp(self.a @ self.W2 + self.b2)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def loss(self, X, y):
        return -np.mean(np.log(self.forward(X)[np.arange(len(y)), y]))

    def backward(self, X, y):
        d = self.p.copy()
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        self.dW2, self.db2 = self.a.T @ d, d.sum(0)
        d = d @ self.W2.T * (SLOPE)
        self.dW1, self.db1 = X.T @ d, d.sum(0)
"""
    verdicts = {v.argument: v.word for v in check(written(tmp_path, net.replace("SLOPE", slope))).verdicts}
    assert [*verdicts] == ["W1", "b1", "W2", "b2"]
    assert words is None or [*verdicts.values()] == words
    assert words is not None or verdicts["W1"] == Word.REFUTED


class ScoresWithoutLabels:
    def __init__(self, input_dim=7, hidden_dim=5, num_classes=3):
        draw = np.random.default_rng(0).normal
        self.params = {"W1": draw(size=(input_dim, hidden_dim)), "W2": draw(size=(hidden_dim, num_classes))}

    def loss(self, X, y=None):
        hidden = np.maximum(X.reshape(len(X), -1) @ self.params["W1"], 0)
        scores = hidden @ self.params["W2"]
        if y is None:
            return scores
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        rows = np.arange(len(X))
        loss = -np.mean(np.log(shares[rows, y]))
        shares[rows, y] -= 1
        shares /= len(X)
        grads = {"W1": X.reshape(len(X), -1).T @ ((shares @ self.params["W2"].T) * (hidden > 0))}
        grads["W2"] = hidden.T @ shares
        return loss, grads


def test_labels_without_which_a_network_returns_scores_alone_are_given():
    report = check(ScoresWithoutLabels)
    assert {v.argument: v.word for v in report.verdicts} == {"W1": Word.EXACT, "W2": Word.EXACT}
