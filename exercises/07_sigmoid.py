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
