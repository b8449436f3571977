"""Mean squared error, for samples in rows."""

import numpy as np


class MeanSquaredError:
    """The sum of (y − t)² / 2, divided by the number of samples N: y and t have shape (N, D)."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return 0.5 * np.sum((y - t) ** 2) / len(y)

    def backward(self, dout):
        """Return the gradient of y; t needs none. A loss comes last: dout is 1."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(17).normal
    return {"inputs": {"y": draw(size=(3, 4)), "t": draw(size=(3, 4))}}
