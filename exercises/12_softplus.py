"""Softplus: y = log(1 + exp(x)), a smooth Relu."""

import numpy as np


class Softplus:
    """y = log(1 + exp(x))."""

    def forward(self, x):
        self.x = x
        return np.logaddexp(0, x)

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError
