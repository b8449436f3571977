"""Backwards that step by themselves, and arguments that may be left out: neither hides a gradient that is wrong."""

import numpy as np
import pytest

import dout


class Linear:
    def __init__(self, wrong):
        self.W, self.wrong = np.arange(12.0).reshape(4, 3) / 8, wrong
        self.dW = np.zeros_like(self.W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout * self.wrong
        return dout @ self.W.T


class Stepped:
    """A part, and a step of it: by a gradient, with a decay of the weights, or by its sign."""

    def __init__(self, wrong, step):
        self.fc, self.step = Linear(wrong), step

    def forward(self, x):
        return self.fc.forward(x)

    def backward(self, dout):
        dx = self.fc.backward(dout)
        self.fc.W = self.fc.W - 0.1 * self.step(self.fc)
        return dx


STEPS = {
    "plain": lambda part: part.dW,
    "decay": lambda part: part.dW + 0.25 * part.W,
    "sign": lambda part: np.sign(part.dW),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("wrong", [1.0, 2.0, -1.0])
def test_a_step_is_no_excuse_for_the_gradient_that_it_takes(step, wrong):
    report = dout.check(Stepped(wrong, STEPS[step]), np.arange(20.0).reshape(5, 4) / 4)
    assert report.ok is (wrong == 1.0)


class Attention:
    def forward(self, query, key=None):
        self.query, self.key = query, query if key is None else key
        return self.query * self.key

    def backward(self, dout):
        return -7 * dout * self.key, dout * self.query


class RightAttention(Attention):
    def backward(self, dout):
        return dout * self.key, dout * self.query


@pytest.mark.parametrize(("layer", "right"), [(Attention, False), (RightAttention, True)])
def test_an_argument_that_may_be_left_out_is_no_excuse_where_it_is_wrong_with_it_too(layer, right):
    assert dout.check(layer, np.arange(1.0, 7.0).reshape(2, 3)).ok is right
