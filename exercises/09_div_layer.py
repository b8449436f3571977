"""Divide: z = x / y."""

import numpy as np


class DivLayer:
    """z = x / y, for y > 0."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, dout):
        """Return the gradients of x and y."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(9).normal
    return {"inputs": {"x": draw(size=(3, 4)), "y": np.exp(draw(size=(3, 4)))}}
