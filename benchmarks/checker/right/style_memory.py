"""Right layers in unusual style, by what they do with memory: buffers, out=, views, strides, writes into own copies."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class OutArguments:
    """A chain of operations in one buffer, by out=."""

    def forward(self, x):
        self.x = x
        buffer = np.empty_like(x)
        np.multiply(x, x, out=buffer)
        np.negative(buffer, out=buffer)
        np.exp(buffer, out=buffer)
        return buffer

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.multiply(self.x, self.x, out=dx)
        np.negative(dx, out=dx)
        np.exp(dx, dx)
        np.multiply(dx, self.x, dx)
        np.multiply(dx, -2, out=dx)
        return np.multiply(dx, dout, out=dx)


class WhereArgument:
    """The logarithm of 1 + x where x is positive, 0 elsewhere, by where= and out=."""

    def forward(self, x):
        self.on = x > 0
        self.x = x
        return np.log1p(x, out=np.zeros_like(x), where=self.on)

    def backward(self, dout):
        slope = np.zeros_like(dout)
        np.divide(dout, 1 + self.x, out=slope, where=self.on)
        return slope


class InPlaceOnCopy:
    """x³ by two products in place, each on a copy of its own."""

    def forward(self, x):
        y = np.array(x)
        y *= x
        self.square = y.copy()
        y *= x
        return y

    def backward(self, dout):
        self_square = self.square
        dx = np.array(dout, copy=True)
        dx *= self_square
        dx *= 3
        return dx


class NegativeSlopesInPlace:
    """A leaky ReLU that writes into its copy through a mask."""

    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        y = x.copy()
        self.below = y < 0
        y[self.below] *= self.slope
        return y

    def backward(self, dout):
        dx = dout.copy()
        dx[self.below] *= self.slope
        return dx


class PutMask:
    """ReLU by np.putmask and np.copyto."""

    def forward(self, x):
        y = x.copy()
        self.off = x <= 0
        y[self.off] = 0
        return y

    def backward(self, dout):
        dx = dout.copy()
        np.putmask(dx, self.off, 0)
        return dx


class CopyTo:
    """Twice x for odd columns, x² for even ones, written with np.copyto."""

    def forward(self, x):
        self.x = x
        y = np.empty_like(x)
        y[:, ::2] = x[:, ::2] ** 2
        y[:, 1::2] = 2 * x[:, 1::2]
        return y

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.copyto(dx, dout)
        dx[:, 1::2] *= 2
        np.copyto(dx[:, ::2], 2 * self.x[:, ::2] * dout[:, ::2])
        return dx


class SlidingWindow:
    """Sums over windows of three, by a view with repeated strides."""

    def forward(self, x):
        self.shape = x.shape
        windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
        return windows.sum(axis=-1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        for k in range(3):
            dx[:, k : k + dout.shape[1]] += dout
        return dx


class StridedBackward:
    """The diagonal of each square, whose gradient goes through a view of the diagonal."""

    def forward(self, x):
        self.shape = x.shape
        i = np.arange(x.shape[-1])
        return x[:, i, i] * 3

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        n, d, _ = self.shape
        s0, s1, s2 = dx.strides
        diagonal = np.lib.stride_tricks.as_strided(dx, (n, d), (s0, s1 + s2))
        diagonal[...] = 3 * dout
        return dx


class MemoryView:
    """The halves of each row swapped; backward goes through a memoryview."""

    def forward(self, x):
        self.half = x.shape[1] // 2
        return np.concatenate([x[:, self.half :], x[:, : self.half]], axis=1)

    def backward(self, dout):
        view = np.asarray(memoryview(np.ascontiguousarray(dout)))
        dx = np.empty(dout.shape, dout.dtype)
        k = dout.shape[1] - self.half
        dx[:, self.half :] = view[:, :k]
        dx[:, : self.half] = view[:, k:]
        return dx


class Preallocated:
    """A buffer for the gradient that is made once a forward and zeroed by fill."""

    def forward(self, x):
        self.x = x
        self.buffer = np.empty(x.shape, x.dtype)
        return x[:, 1:] * x[:, :-1]

    def backward(self, dout):
        self.buffer.fill(0)
        self.buffer[:, 1:] += dout * self.x[:, :-1]
        self.buffer[:, :-1] += dout * self.x[:, 1:]
        return self.buffer.copy()


class AddAt:
    """Columns gathered by index, one twice; the gradient by np.add.at."""

    columns = (0, 2, 2, 1)

    def forward(self, x):
        self.shape = x.shape
        self.picked = x[:, self.columns]
        return self.picked**2

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, (slice(None), list(self.columns)), 2 * self.picked * dout)
        return dx


class SubtractAt:
    """x minus the mean of its row, taken away by np.subtract.at."""

    def forward(self, x):
        y = x.copy()
        np.subtract.at(y, np.arange(len(x)), x.mean(axis=1, keepdims=True))
        return y

    def backward(self, dout):
        dx = dout.copy()
        np.subtract.at(dx, np.arange(len(dx)), dout.mean(axis=1, keepdims=True))
        return dx


class Rolled:
    """x plus the row shifted by one, by slices written one after the other."""

    def forward(self, x):
        y = x.copy()
        y[:, 1:] += x[:, :-1]
        y[:, 0] += x[:, -1]
        return y

    def backward(self, dout):
        dx = dout.copy()
        dx[:, :-1] += dout[:, 1:]
        dx[:, -1] += dout[:, 0]
        return dx


class Flat:
    """Numbers written through .flat and read through ravel."""

    def forward(self, x):
        y = np.empty_like(x)
        y[...] = x
        self.x = x
        return (y.ravel() ** 2).reshape(x.shape)

    def backward(self, dout):
        dx = np.zeros(dout.shape, dout.dtype)
        dx.flat = (2 * self.x).ravel() * dout.ravel()
        return dx


class FlatIndexed:
    """The greatest of each row, whose gradient is put by flat index."""

    def forward(self, x):
        self.shape = x.shape
        self.flat = x.argmax(axis=1) + np.arange(x.shape[0]) * x.shape[1]
        return x.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype).ravel()
        np.put(dx, self.flat, dout)
        return dx.reshape(self.shape)


class AlongAxis:
    """The smallest of each row by take_along_axis; the gradient by put_along_axis."""

    def forward(self, x):
        self.shape = x.shape
        self.at = np.expand_dims(np.argmin(x, axis=1), 1)
        return np.take_along_axis(x, self.at, axis=1)[:, 0]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.put_along_axis(dx, self.at, dout[:, None], axis=1)
        return dx


class SplitAndStack:
    """Two halves multiplied, split and put together again by NumPy's helpers."""

    def forward(self, x):
        self.left, self.right = np.split(x, 2, axis=1)
        return self.left * self.right

    def backward(self, dout):
        return np.hstack((dout * self.right, dout * self.left))


class PaddedView:
    """The sum of three neighbours, each row padded with zeros; the gradient is a view of the padded one, copied."""

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (1, 1)))
        return padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]

    def backward(self, dout):
        n, d = dout.shape
        padded = np.zeros((n, d + 2), dout.dtype)
        padded[:, :-2] += dout
        padded[:, 1:-1] += dout
        padded[:, 2:] += dout
        return padded[:, 1:-1].copy()


class ReversedWrites:
    """A running sum written from right to left."""

    def forward(self, x):
        y = x.copy()
        for j in range(x.shape[1] - 2, -1, -1):
            y[:, j] += y[:, j + 1]
        return y

    def backward(self, dout):
        dx = dout.copy()
        for j in range(1, dout.shape[1]):
            dx[:, j] += dx[:, j - 1]
        return dx


class TransposedWrite:
    """Each row times a weight, written through the transpose."""

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x = x
        y = x.copy()
        y.T[...] *= self.w[:, None]
        return y

    def backward(self, dout):
        dx = dout.copy()
        dx.T[...] *= self.w[:, None]
        self.dw = np.empty_like(self.w)
        self.dw[:] = (dout * self.x).sum(0)
        return dx
