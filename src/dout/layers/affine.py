"""Layers with weights: products of matrices, a bias, both together, and rows of a table.

A parameter is an attribute, `W`, and its gradient another with a `d` before it, `dW`: `backward` leaves it there and
returns the gradients of the inputs. Nothing that comes in is written into. The layer keeps `x` itself: do not write
into it before `backward`. Weights in float32 make float32 of float32.
"""

import math
from typing import Any

import numpy as np

from dout.layers.form import Value, arriving, keep_form, sum_back


class MatMul:
    """Multiply matrices: `out = x @ W`, `dx = dout @ Wᵀ`, `dW = xᵀ @ dout`. PyTorch: `torch.nn.Linear` without bias.

    `x` has shape (…, D), any number of axes before the last, `W` (D, M), and `out` (…, M). Over all axes but the last
    `dW` is a sum: each row of `x` uses the same `W`. Parameter `W`, gradient `dW`.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 1. PyTorch's `weight` is `W` transposed.
    """

    def __init__(self, W: Value) -> None:
        self.W = W
        self.dW = np.zeros_like(W)

    def forward(self, x: Value) -> Value:
        """Return `x @ W`."""
        _check_features(self, x, self.W)
        self.x = x
        out = x @ self.W
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dW` in the layer."""
        dout = arriving(self, dout)
        self.dW = _rows(self.x).T @ _rows(dout)

        return dout @ self.W.T


class Bias:
    """Add a bias to each row: `out = x + b`, `dx = dout`, `db = Σ dout`.

    `x` has shape (…, M) and `b` (M,). `b` is used once for each row, so `db` is the sum over all rows. Parameter `b`,
    gradient `db`.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 1.

    >>> import numpy as np
    >>> layer = Bias(np.array([10.0, 20.0]))
    >>> layer.forward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[11., 22.],
           [13., 24.]])
    >>> _ = layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> layer.db
    array([4., 6.])
    """

    def __init__(self, b: Value) -> None:
        self.b = b
        self.db = np.zeros_like(b)

    def forward(self, x: Value) -> Value:
        """Return `x + b`."""
        if np.shape(x)[-1:] != np.shape(self.b):
            raise ValueError(
                f"Bias.forward: x has shape {np.shape(x)}, b has shape {np.shape(self.b)}: "
                "the last axis of x must be as long as b"
            )
        out = x + self.b
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `db` in the layer."""
        dout = arriving(self, dout)
        self.db = sum_back(dout * 1, np.shape(self.b))

        return dout * 1


class Affine:
    """Multiply by weights and add a bias: `out = x @ W + b`. PyTorch: `torch.nn.Linear`, whose `weight` is `Wᵀ`.

    `dx = dout @ Wᵀ`, `dW = xᵀ @ dout` and `db = Σ dout`. `x` has shape (N, D), or (N, …) with D numbers a sample:
    images are laid flat. `W` has shape (D, M), `b` (M,), `out` (N, M). Parameters `W` and `b`, gradients `dW` and `db`.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> import numpy as np
    >>> layer = Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -0.5]))
    >>> layer.forward(np.array([[1.0, 1.0]]))
    array([[4.5, 5.5]])
    >>> layer.backward(np.array([[1.0, 0.0]]))
    array([[1., 3.]])
    >>> layer.dW
    array([[1., 0.],
           [1., 0.]])
    """

    def __init__(self, W: Value, b: Value) -> None:
        if np.ndim(W) != 2 or np.shape(W)[1:] != np.shape(b):
            raise ValueError(
                f"Affine: W has shape {np.shape(W)}, b has shape {np.shape(b)}: "
                "give W of shape (D, M), and b of shape (M,)"
            )
        self.W, self.b = W, b
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)

    def forward(self, x: Value) -> Value:
        """Return `x @ W + b`, of each sample laid flat."""
        self.x_shape = np.shape(x)
        self.x = np.reshape(x, (len(x), math.prod(self.x_shape[1:])))
        _check_features(self, self.x, self.W)
        out = self.x @ self.W + self.b
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx` in the shape of `x`, and leave `dW` and `db` in the layer."""
        dout = arriving(self, dout)
        self.dW = self.x.T @ dout
        self.db = np.sum(dout, axis=0)
        dx = dout @ self.W.T

        return dx.reshape(self.x_shape)


class Embedding:
    """Look up rows of a table: `out = W[idx]`. PyTorch: `torch.nn.Embedding`.

    `dW[i]` is the sum of `dout` over all places where `i` was looked up: `=` in the place of `+=` would keep the last
    alone. `idx` has any shape, and whole numbers in 0 … V - 1; `W` has shape (V, D), `out` that of `idx` and D behind.
    Parameter `W`, gradient `dW`; whole numbers have no gradient, so `backward` returns none.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 4.

    >>> import numpy as np
    >>> layer = Embedding(np.array([[1.0], [2.0], [3.0]]))
    >>> layer.forward(np.array([2, 0, 2])).tolist()
    [[3.0], [1.0], [3.0]]
    >>> layer.backward(np.array([[1.0], [10.0], [100.0]]))
    >>> layer.dW.tolist()
    [[10.0], [0.0], [101.0]]
    """

    def __init__(self, W: Value) -> None:
        self.W = W
        self.dW = np.zeros_like(W)

    def forward(self, idx: Value) -> Value:
        """Return the rows of `W` at `idx`."""
        try:
            out = self.W[idx]
        except IndexError as error:
            raise IndexError(
                f"Embedding.forward: {error}: give idx whole numbers from 0 to {len(self.W) - 1}"
            ) from None
        if np.any(np.less(idx, 0)):
            raise IndexError(f"Embedding.forward: idx has a number below 0: give numbers from 0 to {len(self.W) - 1}")
        self.idx = idx
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> None:
        """Leave `dW` in the layer: each row is the sum over the places where it was looked up."""
        dout = arriving(self, dout)
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout)


def _rows(x: Value) -> Value:
    """Return `x` with all axes but the last made one."""
    *lead, last = np.shape(x)
    return np.reshape(x, (math.prod(lead), last))


def _check_features(layer: Any, x: Value, W: Value) -> None:
    if np.shape(x)[-1:] != np.shape(W)[:1]:
        raise ValueError(
            f"{type(layer).__name__}.forward: x has shape {np.shape(x)}, W has shape {np.shape(W)}: "
            f"x must have {np.shape(W)[0]} numbers in a row"
        )
