"""Subtract: z = x − y, a price and its discount."""

import numpy as np


class SubLayer:
    """z = x − y."""

    def forward(self, x, y):
        return x - y

    def backward(self, dout):
        """Return the gradients of x and y."""
        raise NotImplementedError
