"""Affine: y = x @ W + b, a layer with weights."""

import numpy as np


class Affine:
    """y = x @ W + b: x has shape (N, D), W (D, M), b (M,)."""

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW, self.db = None, None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        """Return the gradient of x, and set self.dW and self.db, those of W and b."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(16).normal
    return {"init": {"W": draw(size=(4, 5)), "b": draw(size=5)}, "inputs": {"x": draw(size=(3, 4))}}
