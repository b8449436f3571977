"""The node exp: y = exp(x)."""

import numpy as np


class Exp:
    """y = exp(x). `out` is what forward returned."""

    def forward(self, x):
        self.out = np.exp(x)
        return self.out

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(5).normal
    return {"inputs": {"x": draw(size=(3, 4))}}
