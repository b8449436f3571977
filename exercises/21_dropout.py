"""Dropout: in training, random elements are set to 0."""

import numpy as np


class Dropout:
    """y = x · mask / (1 − ratio), with a new mask of True and False at each call."""

    def __init__(self, ratio=0.25):
        self.ratio = ratio

    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > self.ratio
        return x * self.mask / (1 - self.ratio)

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(21).normal
    return {"inputs": {"x": draw(size=(4, 5))}}
