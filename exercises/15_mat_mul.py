"""A product of matrices: y = x @ W."""

import numpy as np


class MatMul:
    """y = x @ W: x has shape (N, D), W (D, M)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        """Return the gradient of x, and set self.dW, that of W."""
        raise NotImplementedError
