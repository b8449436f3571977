"""A convolution, over all windows of an image."""

import numpy as np


class Convolution:
    """Each filter at each place of an image, plus its bias: x has shape (N, C, H, W), W (F, C, FH, FW), b (F,).

    The output has shape (N, F, OH, OW), with OH = H − FH + 1 and OW = W − FW + 1. `windows` are what the filters see: its
    shape is (N, C, OH, OW, FH, FW).
    """

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW, self.db = None, None

    def forward(self, x):
        self.x = x
        self.windows = np.lib.stride_tricks.sliding_window_view(x, self.W.shape[2:], axis=(2, 3))
        return np.einsum("ncijuv,fcuv->nfij", self.windows, self.W) + self.b[:, None, None]

    def backward(self, dout):
        """Return the gradient of x, and set self.dW and self.db."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(28).normal
    return {"init": {"W": draw(size=(3, 2, 2, 3)), "b": draw(size=3)}, "inputs": {"x": draw(size=(2, 2, 4, 5))}}
