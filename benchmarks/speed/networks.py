"""Networks as they are written after the first: windows copied by loops, and a layer that goes from step to step."""

from typing import Any

import numpy as np

from benchmarks.speed.layers import Affine, Relu, SoftmaxWithLoss


def windows_of(x: Any, high: int, wide: int, stride: int = 1) -> Any:
    """(N, C, H, W) → a row for each window, with the elements of all channels."""
    count, channels, height, width = x.shape
    down, across = (height - high) // stride + 1, (width - wide) // stride + 1
    parts = np.zeros((count, channels, high, wide, down, across), x.dtype)
    for i in range(high):
        for j in range(wide):
            parts[:, :, i, j] = x[:, :, i : i + stride * down : stride, j : j + stride * across : stride]
    return parts.transpose(0, 4, 5, 1, 2, 3).reshape(count * down * across, -1)


def sums_of(rows: Any, shape: tuple[int, ...], high: int, wide: int, stride: int = 1) -> Any:
    """What `windows_of` passes back: each element is the sum over the windows that it lies in."""
    count, channels, height, width = shape
    down, across = (height - high) // stride + 1, (width - wide) // stride + 1
    parts = rows.reshape(count, down, across, channels, high, wide).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape, rows.dtype)
    for i in range(high):
        for j in range(wide):
            x[:, :, i : i + stride * down : stride, j : j + stride * across : stride] += parts[:, :, i, j]
    return x


class Convolution:
    """Square filters, without a border."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) → (N, F, H − size + 1, W − size + 1)."""
        filters, _, high, wide = self.W.shape
        count, _, height, width = x.shape
        self.shape, self.rows = x.shape, windows_of(x, high, wide)
        out = np.dot(self.rows, self.W.reshape(filters, -1).T) + self.b
        return out.reshape(count, height - high + 1, width - wide + 1, filters).transpose(0, 3, 1, 2)

    def backward(self, dout: Any) -> Any:
        """Gradients of W and b stay in the layer."""
        filters, _, high, wide = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, filters)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.rows.T, dout).T.reshape(self.W.shape)
        return sums_of(np.dot(dout, self.W.reshape(filters, -1)), self.shape, high, wide)


class MaxPooling:
    """Windows of two by two, side by side."""

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) → (N, C, H / 2, W / 2)."""
        count, channels, height, width = x.shape
        rows = windows_of(x, 2, 2, 2).reshape(-1, 4)
        self.shape, self.place = x.shape, np.argmax(rows, axis=1)
        return np.max(rows, axis=1).reshape(count, height // 2, width // 2, channels).transpose(0, 3, 1, 2)

    def backward(self, dout: Any) -> Any:
        """To the largest of each window."""
        dout = dout.transpose(0, 2, 3, 1)
        rows = np.zeros((dout.size, 4), dout.dtype)
        rows[np.arange(dout.size), self.place] = dout.ravel()
        return sums_of(rows, self.shape, 2, 2, 2)


class Flatten:
    """A row for each example."""

    def forward(self, x: Any) -> Any:
        """(N, …) → (N, all)."""
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout: Any) -> Any:
        """Back into the shape."""
        return dout.reshape(self.shape)


class ConvolutionalNet:
    """Convolution, Relu, pooling, and two affine layers, for images of 28 by 28 with one channel and ten classes."""

    def __init__(self, dtype: Any = np.float32, filters: int = 30, size: int = 5, hidden: int = 100) -> None:
        rng = np.random.default_rng(7)
        flat = filters * ((28 - size + 1) // 2) ** 2
        shapes = {"W1": (filters, 1, size, size), "W2": (flat, hidden), "W3": (hidden, 10)}
        self.params: dict[str, Any] = {}
        for name, shape in shapes.items():
            self.params[name] = (0.05 * rng.standard_normal(shape)).astype(np.float32).astype(dtype)
            self.params[f"b{name[1]}"] = np.zeros(shape[0] if len(shape) == 4 else shape[1], dtype)
        weights = [(self.params[f"W{i}"], self.params[f"b{i}"]) for i in (1, 2, 3)]
        self.with_parameters = [Convolution(*weights[0]), Affine(*weights[1]), Affine(*weights[2])]
        first, second, third = self.with_parameters
        self.layers = [first, Relu(), MaxPooling(), Flatten(), second, Relu(), third]
        self.last = SoftmaxWithLoss()

    def gradient(self, x: Any, t: Any) -> dict[str, Any]:
        """Forward, backward, and what the layers found, by the name of the parameter."""
        for layer in self.layers:
            x = layer.forward(x)
        self.last.forward(x, t)
        dout = self.last.backward()
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        grads = {}
        for i, layer in enumerate(self.with_parameters, 1):
            grads[f"W{i}"], grads[f"b{i}"] = layer.dW, layer.db
        return grads


class Recurrent:
    """Long short-term memory over all steps, from zeros: forget, new, input and output gate side by side."""

    def __init__(self, inputs: int = 100, hidden: int = 100) -> None:
        rng = np.random.default_rng(7)
        self.Wx = (rng.standard_normal((inputs, 4 * hidden)) / 10).astype(np.float32)
        self.Wh = (rng.standard_normal((hidden, 4 * hidden)) / 10).astype(np.float32)
        self.b = np.zeros(4 * hidden, np.float32)

    def forward(self, x: Any) -> Any:
        """(N, T, inputs) → (N, T, hidden)."""
        count, steps, _ = x.shape
        hidden = self.Wh.shape[0]
        h = c = np.zeros((count, hidden), x.dtype)
        out = np.empty((count, steps, hidden), x.dtype)
        self.kept = []
        for t in range(steps):
            gates = np.dot(x[:, t], self.Wx) + np.dot(h, self.Wh) + self.b
            f, i, o = (1 / (1 + np.exp(-gates[:, k * hidden : (k + 1) * hidden])) for k in (0, 2, 3))
            g = np.tanh(gates[:, hidden : 2 * hidden])
            before, c = (h, c), f * c + g * i
            h = o * np.tanh(c)
            out[:, t] = h
            self.kept.append((x[:, t], *before, f, g, i, o, c))
        return out

    def backward(self, dout: Any) -> Any:
        """Gradients of Wx, Wh and b stay in the layer."""
        count, steps, hidden = dout.shape
        dx = np.empty((count, steps, self.Wx.shape[0]), dout.dtype)
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dh = dc = np.zeros((count, hidden), dout.dtype)
        for t in reversed(range(steps)):
            x, h, before, f, g, i, o, c = self.kept[t]
            dh = dout[:, t] + dh
            tanh = np.tanh(c)
            dc = dc + dh * o * (1 - tanh**2)
            parts = (dc * before * f * (1 - f), dc * i * (1 - g**2), dc * g * i * (1 - i), dh * tanh * o * (1 - o))
            gates = np.hstack(parts)
            self.dWx += np.dot(x.T, gates)
            self.dWh += np.dot(h.T, gates)
            self.db += gates.sum(axis=0)
            dx[:, t], dh, dc = np.dot(gates, self.Wx.T), np.dot(gates, self.Wh.T), dc * f
        return dx
