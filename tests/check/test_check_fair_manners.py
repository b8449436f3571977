"""No error on right layers in the manners of others: optimizers inside, frozen rows, masks, networks without a loss."""

import numpy as np
import pytest
from fair_examples import severities, table

import dout
from dout.errors import TargetError


class Adam:
    """Steps in backward; the averages are called as the parameters are."""

    def __init__(self, inputs, outputs, lr=1e-3):
        draw = np.random.default_rng(1)
        self.W, self.lr, self.turn = draw.normal(size=(inputs, outputs)), lr, 0
        self.first, self.second = {"W": np.zeros_like(self.W)}, {"W": np.zeros_like(self.W)}

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, delta, update=True):
        dx, gradient = delta @ self.W.T, self.x.T @ delta
        if update:
            self.turn += 1
            self.first["W"] = 0.9 * self.first["W"] + 0.1 * gradient
            self.second["W"] = 0.999 * self.second["W"] + 0.001 * gradient**2
            size = np.sqrt(self.second["W"] / (1 - 0.999**self.turn))
            self.W -= self.lr * self.first["W"] / (1 - 0.9**self.turn) / (size + 1e-8)
        return dx


class Reconstruction:
    """Its backward takes nothing: it is that of its own squared error."""

    def __init__(self, visible, hidden):
        draw = np.random.default_rng(2)
        self.W, self.b = draw.normal(size=(visible, hidden)) / 3, np.zeros(visible)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W)
        self.out = self.h @ self.W.T + self.b
        return self.out

    def backward(self):
        d = 2 * (self.out - self.x)
        self.dW = self.x.T @ (d @ self.W * (1 - self.h**2)) + d.T @ self.h
        self.db = d.sum(axis=0)


class Table:
    def __init__(self, words, length, padding=None):
        self.table, self.padding = np.random.default_rng(3).normal(size=(words, length)), padding

    def forward(self, idx):
        self.idx = idx
        return self.table[idx]

    def backward(self, dout):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.idx, dout)
        if self.padding is not None:
            self.dtable[self.padding] = 0


class MaskedMean:
    def forward(self, x, mask):
        self.mask = mask.astype(float)
        self.count = self.mask.sum(axis=1, keepdims=True)
        return (x * self.mask[:, :, None]).sum(axis=1) / self.count

    def backward(self, dout):
        return dout[:, None, :] * self.mask[:, :, None] / self.count[:, :, None]


class Smoothed:
    """The number of classes is said twice: to the constructor, and by the scores."""

    def __init__(self, n_classes, share=0.1):
        self.n, self.share = n_classes, share

    def forward(self, scores, y):
        z = scores - scores.max(axis=1, keepdims=True)
        self.logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.wanted = np.full(scores.shape, self.share / self.n)
        self.wanted[np.arange(len(y)), y] += 1 - self.share
        return -(self.wanted * self.logs).sum() / len(y)

    def backward(self):
        return (np.exp(self.logs) - self.wanted) / len(self.wanted)


class Noise:
    def __init__(self, size):
        self.W = np.random.default_rng(4).normal(size=(size, 3))

    def forward(self, x):
        self.x, self.noise = x, np.random.standard_normal((len(x), 3))  # noqa: NPY002 - as people write it
        return x @ self.W * self.noise

    def backward(self, dout):
        d = dout * self.noise
        self.dW = self.x.T @ d
        return d @ self.W.T


@pytest.mark.parametrize("cls", [Adam, Reconstruction, Table, MaskedMean, Smoothed, Noise])
def test_right_layers_of_these_manners_have_no_error(cls):
    assert [f.message for f in dout.check(cls).findings if f.severity == "error"] == []


def test_numbers_that_are_drawn_need_no_gradient():
    assert dout.check(Noise).missing == ()


def test_a_row_that_backward_sets_to_nothing_is_stopped_on_purpose():
    report = dout.check(Table, init={"words": 6, "length": 3, "padding": 1})
    (verdict,) = report.verdicts
    assert verdict.word == "stopped on purpose: nothing is passed on"


class LosesARow(Table):
    def backward(self, dout):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.idx, dout)
        self.dtable[-1] *= 0.0


def test_a_row_that_is_lost_is_an_error():
    report = dout.check(LosesARow, np.array([0, 5, 2, 5]), init={"words": 6, "length": 3})
    assert "error" in severities(report)


class OwnNumberOfClasses(Smoothed):
    def backward(self):
        hard = self.wanted == self.wanted.max(axis=1, keepdims=True)
        return (np.exp(self.logs) - hard) / len(self.wanted)


@pytest.mark.long
def test_a_smoothed_loss_with_hard_labels_in_backward_is_an_error():
    assert "error" in severities(dout.check(OwnNumberOfClasses))


class Activated:
    """Wrong at a word that no argument has as it is given."""

    def __init__(self, inputs, outputs, activation=None):
        self.W, self.activation = np.random.default_rng(5).normal(size=(inputs, outputs)), activation

    def forward(self, x):
        self.x, self.z = x, x @ self.W
        return np.tanh(self.z) if self.activation == "tanh" else self.z

    def backward(self, dout):
        d = dout * (1 - self.z**2) if self.activation == "tanh" else dout
        self.dW = self.x.T @ d
        return d @ self.W.T


def test_words_are_tried_in_place_of_none():
    errors = [f for f in dout.check(Activated).findings if f.severity == "error"]
    assert errors
    assert all("with activation = 'tanh'" in f.message for f in errors)


class AddsItsStep:
    """It is given the target minus the output."""

    def __init__(self, inputs, outputs, rate=0.1):
        self.w, self.rate = np.random.default_rng(6).normal(size=(inputs, outputs)), rate

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, error):
        back = error @ self.w.T
        self.w += self.rate * self.x.T @ error
        return back


class AddsTheGradient(AddsItsStep):
    def backward(self, dout):
        back = dout @ self.w.T
        self.w += self.rate * self.x.T @ dout
        return back


class OfSeveralCalls:
    def __init__(self, inputs, outputs, calls=4):
        self.w, self.total = np.random.default_rng(7).normal(size=(inputs, outputs)), np.zeros((inputs, outputs))
        self.calls = calls

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, dout):
        self.dw = self.total + self.x.T @ dout / self.calls
        return dout @ self.w.T


class OfItsOwnLength(OfSeveralCalls):
    """Forward reads the number: it is none of calls."""

    def forward(self, x):
        assert self.calls
        return super().forward(x)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("cls", "found"),
    [
        (AddsItsStep, ["warning"]),
        (AddsTheGradient, ["error"]),
        (OfSeveralCalls, ["warning"]),
        (OfItsOwnLength, ["error"]),
    ],
)
def test_a_constant_that_a_caller_may_undo_is_a_warning(cls, found):
    assert severities(dout.check(cls)) == found


class Margins:
    """Of labels -1 and 1, in one column."""

    def loss(self, y_hat, y):
        return np.mean(np.maximum(0, 1 - y * y_hat))

    def gradient(self, y_hat, y):
        return np.where(y * y_hat < 1, -y, 0) / len(y)


class Squares:
    def loss(self, y_hat, y):
        return np.mean((y_hat - y) ** 2)

    def gradient(self, y_hat, y):
        return 2 * (y_hat - y) / len(y)


@pytest.mark.parametrize(("cls", "found"), [(Margins, ["warning"]), (Squares, ["error"])])
def test_a_loss_of_margins_may_be_for_one_column_alone(cls, found):
    assert severities(dout.check(cls, table(3, 2), np.sign(table(3, 2)))) == found


class DecayedSteps:
    """Steps at a rate that is smaller in every round."""

    def __init__(self, inputs, outputs, lr=0.5, decay=0.1):
        self.w, self.lr, self.decay, self.rounds = np.ones((inputs, outputs)), lr, decay, 0

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, dout):
        back = dout @ self.w.T
        self.w -= self.lr / (1 + self.decay * self.rounds) * self.x.T @ dout
        self.rounds += 1
        return back


def test_a_rate_that_decays_is_no_error():
    assert [f.message for f in dout.check(DecayedSteps).findings if f.severity == "error"] == []


class KeepsWhatArrives:
    """The gradient that arrives is kept, too, under a name that may be its input's."""

    def __call__(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, in_gradient):
        self.in_gradient = in_gradient
        self.out_gradient = in_gradient * (self.x > 0)


class LeavesItsSlope:
    """Its slope is left in an attribute, and the caller multiplies."""

    def __call__(self, x):
        return 1 / (1 + np.exp(-x))

    def gradient(self, x):
        y = self(x)
        self.slope_grad = y * (1 - y)


class Shares:
    """What is given is a share, whatever it is: it is kept between 0 and 1 for its logarithm."""

    def forward(self, prediction, label):
        self.prediction = np.clip(prediction, 0, 1)
        return -np.sum(np.log(self.prediction[label == 1] + np.finfo(float).eps))

    def backward(self, label):
        return -(label / (self.prediction + np.finfo(float).eps))


class HalfSquares:
    def loss(self, real, predicted):
        return np.mean((real - predicted) ** 2) / 2

    def gradient(self, real, predicted):
        return (predicted - real) / real.size


@pytest.mark.parametrize(
    ("cls", "judged"),
    [(KeepsWhatArrives, "x"), (LeavesItsSlope, "x"), (Shares, "prediction"), (HalfSquares, "predicted")],
)
def test_gradients_are_found_where_they_are_left_and_belong_to_what_was_predicted(cls, judged):
    report = dout.check(cls)
    assert [
        (verdict.argument, verdict.word in ("exact", "exact up to a stabiliser")) for verdict in report.verdicts
    ] == [(judged, True)]
    assert [f.message for f in report.findings if f.severity == "error"] == []


class Bounded:
    """No logarithm: the limits are those of an activation."""

    def forward(self, x):
        return np.clip(x, 0, 1)

    def backward(self, dout):
        return dout


def test_limits_of_an_activation_count():
    assert severities(dout.check(Bounded)) == ["error"]


class Switch:
    """Its slope is whether a number is positive: of one number that is no array."""

    def relu(self, z):
        return z * (z > 0)

    def relu_derivative(self, z):
        return z >= 0


def test_a_slope_of_one_number_may_be_true_or_false():
    report = dout.check(Switch)
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]
    assert "D504" not in [f.code for f in report.findings if f.severity == "error"]


class TwoSides:
    """Its backward is given what was wanted and what came out, in words that no name tells apart."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return 1 / (1 + np.exp(-(x @ self.W + self.b)))

    def backward(self, wanted, guess, rate):
        delta = (guess - wanted) * guess * (1 - guess)
        dW, db = self.x.T @ delta, delta.sum(axis=0)
        self.W = self.W - rate * dW
        self.b = self.b - rate * db


def test_one_side_of_a_difference_is_no_upstream_gradient():
    draw = np.random.default_rng(5)
    with pytest.raises(TargetError, match="takes the target itself"):
        dout.check(TwoSides(draw.normal(size=(4, 3)), draw.normal(size=3)), draw.normal(size=(5, 4)))


class NextWeights:
    """Its backward is handed the weights of the layer after it, and what that has for its own outputs."""

    @staticmethod
    def forward(data, weight, bias):
        return 1 / (1 + np.exp(-(data.dot(weight) + bias.T)))

    @staticmethod
    def backward(inp, out, w_out, dz_out):
        dz = dz_out.dot(w_out.T) * out * (1 - out)
        return dz, inp.T.dot(dz) / len(inp), dz.sum(axis=0).reshape(-1, 1) / len(inp)


def test_arguments_of_backward_that_were_guessed_make_no_error():
    assert "error" not in {f.severity for f in dout.check(NextWeights).findings}
