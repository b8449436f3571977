"""Networks whose weights stand in lists, with gradients in lists of their own, and a loss that only its slope tells."""

from itertools import pairwise

import numpy as np
import pytest

import dout


def bend(z):
    return np.tanh(z)


class Stacked:
    """Dense layers with columns of samples; backprop runs them again, and returns a list for biases and for weights."""

    def __init__(self, widths):
        draw = np.random.default_rng(0)
        self.weights = [draw.normal(size=(b, a)) / 2 for a, b in pairwise(widths)]
        self.biases = [np.zeros((b, 1)) for b in widths[1:]]

    def feedforward(self, x):
        self.kept = [x]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            self.kept.append(bend(weight @ self.kept[-1] + bias))
        return self.kept[-1]

    def backprop(self, x, y):
        self.feedforward(x)
        nabla_b, nabla_w = [0] * len(self.biases), [0] * len(self.weights)
        delta = self.cost_derivative(self.kept[-1], y) * (1 - self.kept[-1] ** 2)
        for place in range(len(self.weights) - 1, -1, -1):
            nabla_b[place], nabla_w[place] = self.summed(delta), delta @ self.kept[place].T
            delta = self.weights[place].T @ delta * self.slope(self.kept[place])
        return nabla_b, nabla_w

    def cost_derivative(self, output, y):
        return output - y

    def summed(self, delta):
        return delta.sum(axis=1, keepdims=True)

    def slope(self, out):
        return 1 - out**2


class StackedWrong(Stacked):
    def slope(self, out):
        return 1 - out


class OneSample(Stacked):
    """It is trained by one sample after another, and does not sum."""

    def summed(self, delta):
        return delta

    def train(self, pairs, rate):
        for x, y in pairs:
            down, across = self.backprop(x, y)
            self.biases = [b - rate * d for b, d in zip(self.biases, down, strict=True)]
            self.weights = [w - rate * d for w, d in zip(self.weights, across, strict=True)]


class NotSummed(Stacked):
    def summed(self, delta):
        return delta


def errors(layer):
    return {finding.code for finding in dout.check(layer).findings if finding.severity == "error"}


def test_a_list_of_gradients_is_that_of_the_list_it_is_called_after():
    report = dout.check(Stacked)
    assert {verdict.argument: str(verdict.word) for verdict in report.verdicts} == {
        "biases[0]": "exact",
        "weights[0]": "exact",
    }
    assert report.ok


def test_with_more_layers_each_gradient_stays_with_its_own_parameter():
    (finding, *_) = [f for f in dout.check(StackedWrong).findings if f.severity == "error"]
    assert finding.code == "D101"
    assert "with widths = [" in finding.message


def test_a_backward_that_a_loop_calls_for_one_sample_is_judged_on_one_sample():
    assert errors(OneSample) == set()
    assert {str(verdict.word) for verdict in dout.check(OneSample).verdicts} == {"exact"}


@pytest.mark.long
def test_without_such_a_loop_a_bias_that_is_not_summed_is_wrong():
    assert errors(NotSummed) == {"D501"}


class Keeps:
    """Keeps what it made of each row, and the gradients of that, in lists: neither is a parameter."""

    def __init__(self):
        self.weight = np.arange(1.0, 4.0)
        self.states, self.gradient_states = [], []

    def forward(self, x):
        self.x, self.states = x, [row * self.weight for row in x]
        return np.tanh(np.array(self.states))

    def backward(self, dout):
        out = np.tanh(np.array(self.states))
        self.gradient_states = list(dout * (1 - out**2))
        self.dweight = np.sum(self.gradient_states * self.x, axis=0)
        return self.gradient_states * self.weight


def test_lists_that_forward_makes_anew_are_no_parameters():
    report = dout.check(Keeps(), np.cos(np.arange(6.0)).reshape(2, 3))
    assert {verdict.argument for verdict in report.verdicts} == {"x", "weight"}
    assert report.ok
