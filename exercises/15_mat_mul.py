"""A product of matrices: y = x @ W."""

import numpy as np


class MatMul:
    """y = x @ W: x has shape (N, D), W (D, M)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        """Return the gradient of x, and set self.dW, that of W."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(15).normal
    return {"init": {"W": draw(size=(4, 5))}, "inputs": {"x": draw(size=(3, 4))}}
