"""A residual block: y = x + relu(x · scale), where the gradient branches."""

import numpy as np


class Residual:
    """y = x + h, with h = x · scale where that is positive, and 0 elsewhere: x has shape (N, D), scale (D,)."""

    def __init__(self, scale):
        self.scale = scale
        self.dscale = None

    def forward(self, x):
        self.x = x
        self.on = x * self.scale > 0
        return x + np.where(self.on, x * self.scale, 0)

    def backward(self, dout):
        """Return the gradient of x, and set self.dscale, that of scale."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(22).normal
    return {"init": {"scale": draw(size=4)}, "inputs": {"x": draw(size=(3, 4))}}
