"""Sigmoid and cross entropy, as one layer."""

import numpy as np


class SigmoidWithLoss:
    """The mean of −t · log(y) − (1 − t) · log(1 − y), with y = sigmoid(x): x and t have shape (N,), t is 0 or 1.

    In terms of x that is the mean of log(1 + exp(x)) − t · x.
    """

    def forward(self, x, t):
        self.y, self.t = 1 / (1 + np.exp(-x)), t
        return np.mean(np.logaddexp(0, x) - t * x)

    def backward(self, dout):
        """Return the gradient of x; t needs none. A loss comes last: dout is 1."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(18).normal
    return {"inputs": {"x": draw(size=5), "t": np.array([1.0, 0.0, 0.0, 1.0, 1.0])}}
