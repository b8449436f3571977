"""One step of a recurrent layer."""

import numpy as np


class RnnStep:
    """h_next = tanh(h @ Wh + x @ Wx + b): h has shape (N, H), x (N, D), Wh (H, H), Wx (D, H), b (H,)."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx, self.dWh, self.db = None, None, None

    def forward(self, x, h):
        self.x, self.h = x, h
        self.h_next = np.tanh(h @ self.Wh + x @ self.Wx + self.b)
        return self.h_next

    def backward(self, dout):
        """Return the gradients of x and h, and set self.dWx, self.dWh and self.db."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(29).normal
    return {
        "init": {"Wx": draw(size=(5, 4)), "Wh": draw(size=(4, 4)), "b": draw(size=4)},
        "inputs": {"x": draw(size=(3, 5)), "h": draw(size=(3, 4))},
    }
