"""Softmax and cross entropy, as one layer."""

import numpy as np


class SoftmaxWithLoss:
    """−sum(t · log(y)) / N, with y = softmax(x) along rows: x and t have shape (N, C), a row of t has a single 1."""

    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y, self.t = e / np.sum(e, axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.y)) / len(x)

    def backward(self, dout):
        """Return the gradient of x; t needs none. A loss comes last: dout is 1."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(20).normal
    return {"inputs": {"x": draw(size=(3, 4)), "t": np.eye(4)[[2, 0, 3]]}}
