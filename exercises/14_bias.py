"""Add a bias to each row."""

import numpy as np


class Bias:
    """y = x + b: x has shape (N, D), b (D,)."""

    def __init__(self, b):
        self.b = b
        self.db = None

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        """Return the gradient of x, and set self.db, that of b."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(14).normal
    return {"init": {"b": draw(size=4)}, "inputs": {"x": draw(size=(3, 4))}}
