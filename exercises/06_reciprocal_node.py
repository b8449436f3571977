"""The node /: y = 1 / x."""

import numpy as np


class Reciprocal:
    """y = 1 / x, for x > 0. `out` is what forward returned."""

    def forward(self, x):
        self.out = 1 / x
        return self.out

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(6).normal
    return {"inputs": {"x": np.exp(draw(size=(3, 4)))}}
