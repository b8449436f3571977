"""Sigmoid: y = 1 / (1 + exp(−x))."""

import numpy as np


class Sigmoid:
    """y = 1 / (1 + exp(−x)). `out` is what forward returned."""

    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(7).normal
    return {"inputs": {"x": draw(size=(3, 4))}}
