"""Leaky Relu: negative numbers keep a part."""

import numpy as np


class LeakyRelu:
    """y = x where x > 0, and slope · x elsewhere."""

    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(11).normal
    return {"inputs": {"x": draw(size=(3, 4))}}
