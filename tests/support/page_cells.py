"""Small layers whose arrays are changed on the page: each has another way of moving, choosing or adding numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


class Affine:
    """A product of matrices and a row that is added."""

    def __init__(self, W: Any) -> None:
        self.W, self.b = W, np.zeros(W.shape[1], W.dtype)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Switch:
    """A ReLU that writes through a mask."""

    def forward(self, x: Any) -> Any:
        self.off = x <= 0
        out = x.copy()
        out[self.off] = 0
        return out

    def backward(self, dout: Any) -> Any:
        dx = dout.copy()
        dx[self.off] = 0
        return dx


class Maximum:
    """The largest of each block of four, and the place it came from."""

    def forward(self, x: Any) -> Any:
        n, c, high, wide = self.shape = x.shape
        blocks = x.reshape(n, c, high // 2, 2, wide // 2, 2).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 4)
        self.winner = blocks.argmax(axis=1)
        return blocks.max(axis=1).reshape(n, high // 2, wide // 2, c).transpose(0, 3, 1, 2)

    def backward(self, dout: Any) -> Any:
        n, c, high, wide = self.shape
        flat = np.zeros((dout.size, 4))
        flat[np.arange(dout.size), self.winner] = dout.transpose(0, 2, 3, 1).flatten()
        blocks = flat.reshape(n, high // 2, wide // 2, c, 2, 2)
        return blocks.transpose(0, 3, 1, 4, 2, 5).reshape(self.shape)


class SoftmaxLoss:
    """Cross entropy with labels, that choose a column of each row."""

    def forward(self, x: Any, t: Any) -> Any:
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = powers / powers.sum(axis=1, keepdims=True), t
        return -np.log(self.y[np.arange(len(t)), t]).mean()

    def backward(self, dout: Any = 1.0) -> Any:
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx * dout / len(self.t)


class Convolution:
    """Windows beside each other as one product, with a border of zeros."""

    def __init__(self, W: Any) -> None:
        self.W = W

    def forward(self, x: Any) -> Any:
        n, c, high, wide = self.shape = x.shape
        padded = np.pad(x, [(0, 0), (0, 0), (1, 0), (1, 0)])
        columns = np.zeros((n, c, 2, 2, high, wide))
        for i in range(2):
            for j in range(2):
                columns[:, :, i, j] = padded[:, :, i : i + high, j : j + wide]
        self.columns = columns.transpose(0, 4, 5, 1, 2, 3).reshape(n * high * wide, -1)
        return (self.columns @ self.W.reshape(len(self.W), -1).T).reshape(n, high, wide, -1).transpose(0, 3, 1, 2)

    def backward(self, dout: Any) -> Any:
        n, c, high, wide = self.shape
        rows = dout.transpose(0, 2, 3, 1).reshape(-1, len(self.W))
        self.dW = (self.columns.T @ rows).T.reshape(self.W.shape)
        columns = (rows @ self.W.reshape(len(self.W), -1)).reshape(n, high, wide, c, 2, 2).transpose(0, 3, 4, 5, 1, 2)
        padded = np.zeros((n, c, high + 1, wide + 1))
        for i in range(2):
            for j in range(2):
                padded[:, :, i : i + high, j : j + wide] += columns[:, :, i, j]
        return padded[:, :, 1:, 1:]


class Normalised:
    """Columns without their mean, over their deviation."""

    def forward(self, x: Any) -> Any:
        self.std = np.sqrt(np.var(x, axis=0) + 1e-6)
        self.unit = (x - np.mean(x, axis=0)) / self.std
        return self.unit * np.array([1.0, 2.0, 0.5])

    def backward(self, dout: Any) -> Any:
        d = dout * np.array([1.0, 2.0, 0.5])
        return (d - d.mean(axis=0) - self.unit * (d * self.unit).mean(axis=0)) / self.std


class Embedding:
    """Rows of a table, by their numbers; the same row may be taken twice."""

    def __init__(self, W: Any) -> None:
        self.W = W

    def forward(self, index: Any) -> Any:
        self.index = index
        return self.W[index]

    def backward(self, dout: Any) -> None:
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.index, dout)


class Recurrent:
    """One step of a recurrent layer."""

    def __init__(self, Wx: Any, Wh: Any) -> None:
        self.Wx, self.Wh = Wx, Wh

    def forward(self, x: Any, h: Any) -> Any:
        self.x, self.h = x, h
        self.next = np.tanh(x @ self.Wx + h @ self.Wh)
        return self.next

    def backward(self, dout: Any) -> tuple[Any, Any]:
        d = dout * (1 - self.next**2)
        self.dWx, self.dWh = self.x.T @ d, self.h.T @ d
        return d @ self.Wx.T, d @ self.Wh.T
