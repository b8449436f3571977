"""A network that measures a whole list of pairs: `self.cost.fn(self.feedforward(x), y)` in a loop is its loss."""

from itertools import pairwise

import numpy as np
import pytest

import dout


class Entropy:
    @staticmethod
    def fn(a, y):
        return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

    @staticmethod
    def delta(z, a, y):
        return a - y


class Network:
    def __init__(self, sizes, cost=Entropy):
        draw = np.random.default_rng(0)
        self.cost = cost
        self.biases = [draw.normal(size=(b, 1)) for b in sizes[1:]]
        self.weights = [draw.normal(size=(b, a)) for a, b in pairwise(sizes)]

    def feedforward(self, a):
        for bias, weight in zip(self.biases, self.weights, strict=True):
            a = 1 / (1 + np.exp(-(weight @ a + bias)))
        return a

    def backprop(self, x, y):
        kept, last = [x], None
        for bias, weight in zip(self.biases, self.weights, strict=True):
            last = weight @ kept[-1] + bias
            kept.append(1 / (1 + np.exp(-last)))
        down, across = [0] * len(self.biases), [0] * len(self.weights)
        delta = self.cost.delta(last, kept[-1], y)
        for place in range(len(self.weights) - 1, -1, -1):
            down[place], across[place] = delta, delta @ kept[place].T
            delta = self.weights[place].T @ delta * self.slope(kept[place])
        return down, across

    def slope(self, a):
        return a * (1 - a)

    def update(self, batch, rate):
        for x, y in batch:
            down, across = self.backprop(x, y)
            self.biases = [b - rate * d for b, d in zip(self.biases, down, strict=True)]
            self.weights = [w - rate * d for w, d in zip(self.weights, across, strict=True)]

    def total_cost(self, data, lmbda):
        cost = 0.0
        for x, y in data:
            a = self.feedforward(x)
            cost += self.cost.fn(a, y) / len(data)
        return cost + 0.5 * lmbda / len(data) * sum(np.sum(w**2) for w in self.weights)


class Stepping(Network):
    """Only what measures it says that it takes one sample after another."""

    def update(self, batch, rate):
        for x, y in batch:
            self.step(x, y, rate)

    def step(self, x, y, rate):
        down, across = self.backprop(x, y)
        self.biases = [b - rate * d for b, d in zip(self.biases, down, strict=True)]
        self.weights = [w - rate * d for w, d in zip(self.weights, across, strict=True)]


class SteppingWrong(Stepping):
    def slope(self, a):
        return 1 - a


class NetworkWrong(Network):
    def slope(self, a):
        return 1 - a


class Turned(Entropy):
    @staticmethod
    def delta(z, a, y):
        return y - a


class NetworkTurned(Network):
    def __init__(self, sizes, cost=Turned):
        super().__init__(sizes, cost)


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


@pytest.mark.parametrize("network", [Network, Stepping])
def test_the_loss_of_pairs_is_that_of_one(network):
    report = dout.check(network)
    assert words(report)["weights[0]"] == "exact"
    assert report.ok


@pytest.mark.parametrize("network", [NetworkWrong, SteppingWrong])
def test_a_wrong_hidden_layer_is_an_error(network):
    report = dout.check(network)
    assert words(report)["weights[0]"] == "refuted"
    assert not report.ok


def test_a_delta_of_the_other_sign_is_an_error():
    report = dout.check(NetworkTurned)
    assert words(report)["weights[0]"] == "refuted"
    assert not report.ok
