"""Max pooling: the largest of each 2 × 2 square."""

import numpy as np


class MaxPool:
    """The largest number of each square of 2 × 2: x has shape (N, C, H, W), H and W are even.

    `squares` has shape (N, C, H/2, W/2, 4), and `at` says which of the 4 is the largest.
    """

    def forward(self, x):
        n, c, h, w = x.shape
        squares = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        self.squares = squares.reshape(n, c, h // 2, w // 2, 4)
        self.at = self.squares.argmax(axis=-1)
        return self.squares.max(axis=-1)

    def backward(self, dout):
        """Return the gradient of x."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(27).normal
    return {"inputs": {"x": draw(size=(2, 3, 4, 6))}}
