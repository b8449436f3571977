"""Layers as they are written first: one loop inside the other, over every element."""

from typing import Any

import numpy as np


class NaiveConvolution:
    """Sixteen filters of three by three, with a border of zeros."""

    def __init__(self, dtype: Any = np.float32) -> None:
        self.W = np.linspace(-1, 1, 16 * 3 * 9).reshape(16, 3, 3, 3).astype(np.float32).astype(dtype)
        self.b = np.linspace(-0.1, 0.1, 16).astype(np.float32).astype(dtype)
        self.params = self.W, self.b

    def forward(self, x: Any) -> Any:
        """x: (N, 3, H, W) → (N, 16, H, W)."""
        count, _, height, width = x.shape
        filters, _, high, wide = self.W.shape
        self.padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros((count, filters, height, width), x.dtype)
        for n in range(count):
            for f in range(filters):
                for i in range(height):
                    for j in range(width):
                        window = self.padded[n, :, i : i + high, j : j + wide]
                        out[n, f, i, j] = np.sum(window * self.W[f]) + self.b[f]
        return out

    def backward(self, dout: Any) -> Any:
        """(N, 16, H, W) → (N, 3, H, W); gradients of W and b stay in the layer."""
        count, filters, height, width = dout.shape
        _, _, high, wide = self.W.shape
        dpadded, self.dW, self.db = np.zeros_like(self.padded), np.zeros_like(self.W), np.zeros_like(self.b)
        for n in range(count):
            for f in range(filters):
                for i in range(height):
                    for j in range(width):
                        window = self.padded[n, :, i : i + high, j : j + wide]
                        self.dW[f] += dout[n, f, i, j] * window
                        self.db[f] += dout[n, f, i, j]
                        dpadded[n, :, i : i + high, j : j + wide] += dout[n, f, i, j] * self.W[f]
        self.grads = self.dW, self.db
        return dpadded[:, :, 1:-1, 1:-1]


class NaiveMaxPooling:
    """Windows of two by two."""

    def forward(self, x: Any) -> Any:
        """x: (N, C, H, W) → (N, C, H / 2, W / 2)."""
        self.x = x
        count, channels, height, width = x.shape
        out = np.zeros((count, channels, height // 2, width // 2), x.dtype)
        for n in range(count):
            for c in range(channels):
                for i in range(height // 2):
                    for j in range(width // 2):
                        out[n, c, i, j] = np.max(x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
        return out

    def backward(self, dout: Any) -> Any:
        """To the largest of each window."""
        dx = np.zeros_like(self.x)
        count, channels, height, width = dout.shape
        for n in range(count):
            for c in range(channels):
                for i in range(height):
                    for j in range(width):
                        window = self.x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                        row, column = np.unravel_index(np.argmax(window), window.shape)
                        dx[n, c, 2 * i + row, 2 * j + column] += dout[n, c, i, j]
        return dx


class ElementLoop:
    """A leaky Relu, number by number."""

    def forward(self, x: Any) -> Any:
        """A hundredth of what is below zero."""
        self.x = x
        out = np.zeros_like(x)
        for i in range(len(x)):
            if x[i] > 0:
                out[i] = x[i]
            else:
                out[i] = 0.01 * x[i]
        return out

    def backward(self, dout: Any) -> Any:
        """The slope on either side."""
        dx = np.zeros_like(dout)
        for i in range(len(dout)):
            if self.x[i] > 0:
                dx[i] = dout[i]
            else:
                dx[i] = 0.01 * dout[i]
        return dx


def leaky(x: Any) -> Any:
    """Of one number."""
    return x if x > 0 else 0.01 * x


def slope(x: Any) -> Any:
    """Of one number."""
    return 1.0 if x > 0 else 0.01


class CallingLoop:
    """The same by functions of one number, which no kernel calls."""

    def forward(self, x: Any) -> Any:
        """A hundredth of what is below zero."""
        self.x = x
        out = np.zeros_like(x)
        for i in range(len(x)):
            out[i] = leaky(x[i])
        return out

    def backward(self, dout: Any) -> Any:
        """The slope on either side."""
        dx = np.zeros_like(dout)
        for i in range(len(dout)):
            dx[i] = dout[i] * slope(self.x[i])
        return dx
