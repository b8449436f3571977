"""Parameters in objects, under names with an ending of their own, and in parts that go forward by another name."""

import numpy as np
import pytest

import dout

DRAWN = np.random.default_rng(0)


def wrong(layer):
    return {finding.argument for finding in dout.check(layer).findings if finding.severity == "error"}


def judged(layer):
    return {verdict.argument for verdict in dout.check(layer).verdicts}


# --- an object whose arrays are behind properties ---------------------------------------------------------------------


class Weight:
    def __init__(self, value):
        self._value, self._grad = value, np.zeros_like(value)

    @property
    def value(self):
        return self._value

    @property
    def grad(self):
        return self._grad


class Dense:
    times = 1

    def __init__(self, n_in: int, n_out: int):
        self.W, self.b = Weight(DRAWN.normal(size=(n_in, n_out))), Weight(np.zeros(n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W.value + self.b.value

    def backward(self, dout):
        self.W.grad[...] = self.x.T @ dout
        self.b.grad[...] = self.times * dout.sum(axis=0)
        return dout @ self.W.value.T


class DenseTwice(Dense):
    times = 2


def test_an_object_with_a_private_value_and_its_private_gradient_is_a_parameter():
    assert len(judged(Dense)) == 3
    assert not wrong(Dense)
    assert len(wrong(DenseTwice)) == 1


class Pair:
    def __init__(self, value):
        self._table, self._grad_table = value, np.zeros_like(value)


class OfPair(Dense):
    def __init__(self, n_in: int, n_out: int):
        self.W = Pair(DRAWN.normal(size=(n_in, n_out)))

    def forward(self, x):
        self.x = x
        return x @ self.W._table

    def backward(self, dout):
        self.W._grad_table = self.times * self.x.T @ dout
        return dout @ self.W._table.T


class OfPairTwice(OfPair):
    times = 2


def test_of_private_names_each_counts_once():
    assert len(judged(OfPair)) == 2
    assert not wrong(OfPair)
    assert len(wrong(OfPairTwice)) == 1


# --- names that end alike ---------------------------------------------------------------------------------------------


class Ending:
    times = 1

    def __init__(self, n_in: int, n_out: int):
        self.params, self.bias_params = DRAWN.normal(size=(n_in, n_out)), DRAWN.normal(size=n_out)
        self.params_delta, self.bias_delta = np.zeros((n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.params + self.bias_params

    def backward(self, dout):
        self.params_delta = self.x.T @ dout
        self.bias_delta = self.times * dout.sum(axis=0)
        return dout @ self.params.T


class EndingTwice(Ending):
    times = 2


def test_what_ends_a_name_does_not_say_whose_a_gradient_is():
    assert judged(Ending) == {"x", "params", "bias_params"}
    assert not wrong(Ending)
    assert wrong(EndingTwice) == {"bias_params"}


# --- parts that go forward and back by other names --------------------------------------------------------------------


class Affine:
    times = 1

    def __init__(self, n_in, n_out):
        self.W = DRAWN.normal(size=(n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def gradient(self, dout):
        self.dW = self.times * self.x.T @ dout
        return dout @ self.W.T


class AffineTwice(Affine):
    times = 2


class Net:
    part = Affine

    def __init__(self, n_in: int, n_out: int):
        self.one, self.two = Affine(n_in, 4), self.part(4, n_out)

    def forward(self, x):
        return self.two.forward(self.one.forward(x) ** 2)

    def backward(self, dout):
        return self.one.gradient(2 * self.one.forward(self.one.x) * self.two.gradient(dout))


class NetWithAWrongPart(Net):
    part = AffineTwice


def test_the_parts_of_a_network_may_go_back_by_another_name():
    assert judged(Net) == {"x", "one.W", "two.W"}
    assert not wrong(Net)
    assert wrong(NetWithAWrongPart) == {"two.W"}


class NetWithoutReturn(Net):
    def backward(self, dout):
        Net.backward(self, dout)


@pytest.mark.parametrize("net", [Net, NetWithoutReturn])
def test_nobody_asks_a_network_for_the_gradient_of_its_data(net):
    assert all(finding.code != "D105" or finding.severity == "note" for finding in dout.check(net).findings)


# --- what a whole does to the gradient of its part --------------------------------------------------------------------


class Tied:
    """It uses the weights of its part once more, and adds to their gradient."""

    times = 1

    def __init__(self, n: int):
        self.part = Affine(n, n)

    def forward(self, x):
        self.h = self.part.forward(x)
        return self.h @ self.part.W

    def backward(self, dout):
        dx = self.part.gradient(dout @ self.part.W.T)
        self.part.dW = self.times * self.part.dW + self.h.T @ dout
        return dx


class TiedTwice(Tied):
    times = 2


class Cleared(Net):
    """It makes a step, and clears the gradients that its parts keep."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.two.dW = np.zeros_like(self.two.dW)
        return dx


def test_the_gradient_of_a_part_is_what_the_whole_leaves():
    assert judged(Tied) == {"x", "part.W"}
    assert not wrong(Tied)
    assert wrong(TiedTwice) == {"part.W"}
    assert not wrong(Cleared)
