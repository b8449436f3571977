"""What a layer's errors, asserts and names say of an example, and of its backward's arguments."""

import numpy as np
import pytest

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


class Variable:
    def __init__(self, data):
        self.data = data
        self.grad = None


class Function:
    def __call__(self, input):
        output = Variable(self.forward(input.data))
        self.input = input
        return output


class Square(Function):
    """A function of a graph: what its parent calls `input`, it calls `x`."""

    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.input.data * gy


class Cell:
    """One step of a sequence, whose hidden state is used above and in the next step."""

    def __init__(self, n_in, n_hidden):
        generator = np.random.default_rng(0)
        self.Wx, self.Wh = generator.normal(size=(n_in, n_hidden)), generator.normal(size=(n_hidden, n_hidden))

    def forward(self, x, h, c):
        state = c + x @ self.Wx + h @ self.Wh
        cache = (x, h, state)
        return np.tanh(state), state, cache

    def backward(self, dh, dh_next, dc_next, cache):
        x, h, state = cache
        dc = dc_next + (dh + dh_next) * (1 - np.tanh(state) ** 2)
        self.dWx, self.dWh = x.T @ dc, h.T @ dc
        return dc @ self.Wx.T, dc @ self.Wh.T, dc


class OneSample:
    """Says by an assertion that it takes one sample alone."""

    def __init__(self, width):
        self.width = width

    def forward(self, x):
        self.x = x
        assert self.x.shape == (self.width,)
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout


class Wide:
    """Says in its error how many columns it wants."""

    def forward(self, x):
        if x.shape[-1] != 24:
            raise ValueError(f"expected 24 columns, got {x.shape[-1]}")
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        return np.cos(self.x) * dout


class Linear:
    """Returns what it keeps beside the gradient of its input, and holds what an optimizer needs."""

    def __init__(self, n_in, n_out):
        self.W = np.random.default_rng(0).normal(size=(n_in, n_out))
        self.W_moment = np.zeros_like(self.W)

    def forward(self, x):
        return x @ self.W, x

    def gradient(self, dout, cache):
        self.grad_W = cache.T @ dout
        return self.grad_W, dout @ self.W.T


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Square, {"x"}),
        (Cell, {"x", "h", "c", "Wx", "Wh"}),
        (OneSample, {"x"}),
        (Wide, {"x"}),
        (Linear, {"x", "W"}),
    ],
)
def test_it_is_driven_and_every_gradient_is_right(cls, names):
    report = check(cls)
    assert {v.argument for v in report.verdicts} == names
    assert {v.word for v in report.verdicts} <= {Word.EXACT, Word.AGREES}
    assert all(finding.severity != "error" for finding in report.findings)


def test_several_uses_of_an_output_share_what_arrives():
    assert str(example(Cell, {}, {}).interface) == "forward(…), backward(dout, dout, dout, cache)"


class OfOneUse(Cell):
    """Forgets what comes back from the next step."""

    def backward(self, dh, dh_next, dc_next, cache):
        return super().backward(dh, 0 * dh_next, dc_next, cache)


def test_a_use_that_is_left_out_is_found():
    assert Word.REFUTED in {v.word for v in check(OfOneUse).verdicts}


class SoftmaxInLoss:
    """Gives the shares, and keeps its loss to itself."""

    def forward(self, x, labels):
        shares = np.exp(x - x.max(axis=1, keepdims=True))
        self.shares, self.labels = shares / shares.sum(axis=1, keepdims=True), labels
        self.loss = -np.sum(labels * np.log(self.shares))
        return self.shares

    def backward(self):
        return self.shares - self.labels


def test_a_loss_that_is_not_given_is_nothing_to_compare_with():
    report = check(SoftmaxInLoss)
    assert not report.verdicts
    assert [f.code for f in report.findings] == ["D002"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x)) if x > -700 else 0.0


def sigmoid_prime(y):
    return y * (1 - y) if y < 1 else 0.0


class OfOneNumber:
    def forward(self, x):
        return sigmoid(x)

    def derivative(self, output):
        return sigmoid_prime(output)


def test_a_derivative_that_is_given_the_output_of_one_number_is_known_as_such():
    report = check(OfOneNumber)
    assert [v.word for v in report.verdicts] == [Word.EXACT]


class RecurrentCell:
    """Its one output goes to two places, from each of which a gradient comes back."""

    def __init__(self, inputs, hidden):
        generator = np.random.default_rng(0)
        self.Wx, self.Wh = generator.normal(size=(inputs, hidden)), generator.normal(size=(hidden, hidden))

    def forward(self, x, h):
        self.x, self.h = x, h
        self.out = np.tanh(x @ self.Wx + h @ self.Wh)
        return self.out

    def backward(self, dout, dh_next):
        inner = (dout + dh_next) * (1 - self.out**2)
        self.dWx, self.dWh = self.x.T @ inner, self.h.T @ inner
        return inner @ self.Wx.T, inner @ self.Wh.T


class ForgetsTheSecond(RecurrentCell):
    def backward(self, dout, dh_next):
        return super().backward(dout, 0 * dh_next)


@pytest.mark.long
def test_two_upstream_gradients_of_one_output_add_up():
    right, wrong = check(RecurrentCell), check(ForgetsTheSecond)
    assert {verdict.word for verdict in right.verdicts} == {Word.EXACT}
    assert len(right.verdicts) == 4
    assert {verdict.word for verdict in wrong.verdicts} == {Word.REFUTED}


class Slope:
    """Returns what it makes its output of before that, and is given it again."""

    def forward(self, x):
        z = 2 * x
        return z, np.tanh(z)

    def backward(self, dout, z):
        return 2 * dout * (1 - np.tanh(z) ** 2)


class Scores(Slope):
    """Its output is what comes first."""

    def backward(self, dout, probabilities):
        return 2 * dout


class WrongSlope(Slope):
    def backward(self, dout, z):
        return 2 * dout * (1 - np.tanh(z))


@pytest.mark.parametrize(("cls", "role"), [(Slope, "first"), (Scores, "cache")])
def test_which_of_two_results_is_the_output_is_told_by_a_backward_that_is_right(cls, role):
    report = check(cls)
    assert [str(verdict.word) for verdict in report.verdicts] == [Word.EXACT]
    assert example(cls, {}, {}).interface.roles == ("dout", role)


def test_a_backward_that_is_right_for_neither_of_two_results_is_wrong():
    assert not check(WrongSlope).ok


class SlopeOfWhatItIsGiven:
    """Returns its output, then its input: a backward that forgets the derivative would be right for the input."""

    def forward(self, x):
        return np.tanh(x), x

    def backward(self, dout, cache):
        return dout


class SlopeOfNames(SlopeOfWhatItIsGiven):
    def forward(self, x):
        out = np.tanh(x)
        return out, x


class SlopeOfAName(SlopeOfWhatItIsGiven):
    def forward(self, x):
        z = x + 1
        return np.tanh(z), z

    def backward(self, dout, z):
        return dout


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cls", [SlopeOfWhatItIsGiven, SlopeOfNames, SlopeOfAName])
def test_what_an_output_is_made_of_is_no_output(cls):
    assert [str(verdict.word) for verdict in check(cls).verdicts] == ["refuted"]
