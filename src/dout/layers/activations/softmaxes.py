"""Activations along an axis: softmax and its relatives turn scores into shares; a gate weighs one half by the other.

They take arrays, write into nothing, and hand out fresh arrays in the dtype they were given. The largest score is taken
off before `exp`, so nothing overflows.
"""

import numpy as np

from dout.layers.form import Value, arriving, fresh, keep_form, sigmoid


class Softmax:
    """Turn scores into shares that add up to 1. PyTorch: `torch.nn.Softmax`; with `axis=-3` `torch.nn.Softmax2d`.

    `y = exp(x) / Σ exp(x)` along an axis, and `dx = y · (dout - Σ dout·y)`: a share grows by its own `dout`, and all
    pay for it in proportion. `x` has any shape.
    Source: Bridle (1990), "Probabilistic interpretation of feedforward classification network outputs".

    >>> import numpy as np
    >>> layer = Softmax()
    >>> layer.forward(np.log(np.array([[1.0, 3.0]])))
    array([[0.25, 0.75]])
    >>> layer.backward(np.array([[1.0, 0.0]]))
    array([[ 0.1875, -0.1875]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Value) -> Value:
        """Return the shares, in the shape of `x`."""
        small = np.exp(x - np.max(x, axis=self.axis, keepdims=True))
        self.out = small / np.sum(small, axis=self.axis, keepdims=True)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `y * (dout - Σ dout * y)`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)
        mean = np.sum(dout * self.out, axis=self.axis, keepdims=True)

        return self.out * (dout - mean)


class Softmin:
    """A Softmax that prefers the small: of `-x`. PyTorch: `torch.nn.Softmin`.

    `y = exp(-x) / Σ exp(-x)` along an axis, and `dx = y · (Σ dout·y - dout)`. `x` has any shape.
    Source: Bridle (1990), "Probabilistic interpretation of feedforward classification network outputs".
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Value) -> Value:
        """Return the shares, in the shape of `x`."""
        small = np.exp(np.min(x, axis=self.axis, keepdims=True) - x)
        self.out = small / np.sum(small, axis=self.axis, keepdims=True)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `y * (Σ dout * y - dout)`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)
        mean = np.sum(dout * self.out, axis=self.axis, keepdims=True)

        return self.out * (mean - dout)


class LogSoftmax:
    """The logarithm of a Softmax, as a loss needs it. PyTorch: `torch.nn.LogSoftmax`.

    `y = x - log Σ exp(x)` along an axis, and `dx = dout - exp(y) · Σ dout`. `x` has any shape.
    Source: Bridle (1990), "Probabilistic interpretation of feedforward classification network outputs".
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Value) -> Value:
        """Return the logarithms of the shares, in the shape of `x`."""
        below = x - np.max(x, axis=self.axis, keepdims=True)
        self.out = below - np.log(np.sum(np.exp(below), axis=self.axis, keepdims=True))
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout - exp(y) * Σ dout`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)

        return dout - np.exp(self.out) * np.sum(dout, axis=self.axis, keepdims=True)


class Glu:
    """Weigh the first half along an axis by the sigmoid of the second. PyTorch: `torch.nn.GLU`.

    `y = a · s` with `s = 1 / (1 + exp(-b))`, where `x` is `a` and `b` side by side; `da = dout · s`, and
    `db = dout · y · (1 - s)`. `x` has any shape of an even length along the axis, `y` half of it.
    Source: Dauphin, Fan, Auli and Grangier (2017), "Language modeling with gated convolutional networks".
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Value) -> Value:
        """Return the first half times the sigmoid of the second."""
        if np.shape(x)[self.axis] % 2:
            raise ValueError(
                f"Glu.forward: x has shape {np.shape(x)}, and {np.shape(x)[self.axis]} along axis {self.axis} is odd: "
                "give two halves of one length"
            )
        a, b = np.split(x, 2, axis=self.axis)
        self.share = sigmoid(b)
        self.out = a * self.share
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return the gradients of both halves, side by side."""
        dout = arriving(self, dout)
        da = dout * self.share
        db = dout * self.out * (1 - self.share)

        return np.concatenate([da, db], axis=self.axis)
