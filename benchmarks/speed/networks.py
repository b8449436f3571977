"""Convolutional networks as they are written after naive ones: windows by loops, in views, and by index arrays."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.speed.layers import Affine, Relu, SoftmaxWithLoss, Tanh


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
    """Square filters over images with a border of `pad` zeros; windows are copied by two loops."""

    def __init__(self, W: Any, b: Any, pad: int = 0) -> None:
        self.W, self.b, self.pad = W, b, pad

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) → (N, F, H + 2 pad − size + 1, W + 2 pad − size + 1)."""
        filters, _, high, wide = self.W.shape
        x = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
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
        dx = sums_of(np.dot(dout, self.W.reshape(filters, -1)), self.shape, high, wide)
        return dx[:, :, self.pad : self.shape[2] - self.pad, self.pad : self.shape[3] - self.pad]


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


class ImageNet:
    """Layers in a list, and a softmax loss at the end; parameters and their gradients have names in dicts."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], dtype: Any) -> None:
        rng = np.random.default_rng(7)
        self.params: dict[str, Any] = {}
        for name, shape in shapes.items():
            scale = np.sqrt(2 / np.prod(shape[1:] if len(shape) == 4 else shape[:1]))
            self.params[name] = (scale * rng.standard_normal(shape)).astype(np.float32).astype(dtype)
            self.params[f"b{name[1]}"] = np.zeros(shape[0] if len(shape) == 4 else shape[1], dtype)
        self.weights = [(self.params[f"W{i}"], self.params[f"b{i}"]) for i in range(1, len(shapes) + 1)]
        self.layers: list[Any] = []
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
        for i, layer in enumerate([layer for layer in self.layers if hasattr(layer, "W")], 1):
            grads[f"W{i}"], grads[f"b{i}"] = layer.dW, layer.db
        return grads


class TwoLayerNet(ImageNet):
    """Two affine layers, of 50 and 10, with Relu between them."""

    def __init__(self, dtype: Any = np.float32) -> None:
        super().__init__({"W1": (28 * 28, 50), "W2": (50, 10)}, dtype)
        first, second = self.weights
        self.layers = [Flatten(), Affine(*first), Relu(), Affine(*second)]


class ConvolutionalNet(ImageNet):
    """Convolution, Relu, pooling, and two affine layers, for images of 28 by 28 with one channel and ten classes."""

    def __init__(self, dtype: Any = np.float32, filters: int = 30, size: int = 5, hidden: int = 100) -> None:
        flat = filters * ((28 - size + 1) // 2) ** 2
        super().__init__({"W1": (filters, 1, size, size), "W2": (flat, hidden), "W3": (hidden, 10)}, dtype)
        first, second, third = self.weights
        self.layers = [Convolution(*first), Relu(), MaxPooling(), Flatten()]
        self.layers += [Affine(*second), Relu(), Affine(*third)]


class DeepConvolutionalNet(ImageNet):
    """Three times two convolutions of three by three with borders and a pooling, then two affine layers.

    Nothing is dropped: every contender would drop other numbers.
    """

    def __init__(self, dtype: Any = np.float32) -> None:
        channels = (1, 16, 16, 32, 32, 64, 64)
        shapes: dict[str, tuple[int, ...]] = {f"W{i}": (channels[i], channels[i - 1], 3, 3) for i in range(1, 7)}
        super().__init__(shapes | {"W7": (64 * 4 * 4, 50), "W8": (50, 10)}, dtype)
        for i, pad in enumerate((1, 1, 1, 2, 1, 1)):  # 28 → 14, 16 → 8, 8 → 4
            self.layers += [Convolution(*self.weights[i], pad), Relu()]
            if i % 2:
                self.layers.append(MaxPooling())
        self.layers += [Flatten(), Affine(*self.weights[6]), Relu(), Affine(*self.weights[7])]


class WindowConvolution:
    """Square filters over a view of windows, in the gradient of the input, too."""

    def __init__(self, W: Any, b: Any, pad: int = 0) -> None:
        self.W, self.b, self.pad = W, b, pad

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) → (N, F, H + 2 pad − size + 1, W + 2 pad − size + 1)."""
        x = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        self.windows = sliding_window_view(x, self.W.shape[2:], axis=(2, 3))
        out = np.tensordot(self.windows, self.W, axes=((1, 4, 5), (1, 2, 3)))
        return out.transpose(0, 3, 1, 2) + self.b.reshape(1, -1, 1, 1)

    def backward(self, dout: Any) -> Any:
        """Gradients of W and b stay in the layer."""
        self.db = dout.sum(axis=(0, 2, 3))
        self.dW = np.tensordot(dout, self.windows, axes=((0, 2, 3), (0, 2, 3)))
        border = self.W.shape[2] - 1 - self.pad
        wide = np.pad(dout, ((0, 0), (0, 0), (border, border), (border, border)))
        windows = sliding_window_view(wide, self.W.shape[2:], axis=(2, 3))
        flipped = self.W[:, :, ::-1, ::-1]
        return np.tensordot(windows, flipped, axes=((1, 4, 5), (0, 2, 3))).transpose(0, 3, 1, 2)


class MeanPooling:
    """Windows of two by two, side by side, as axes of their own."""

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) → (N, C, H / 2, W / 2)."""
        count, channels, height, width = x.shape
        return x.reshape(count, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))

    def backward(self, dout: Any) -> Any:
        """A quarter to each of a window."""
        return np.repeat(np.repeat(dout / 4, 2, axis=2), 2, axis=3)


class LeNet(ImageNet):
    """LeNet-5: two convolutions of five by five with tanh and mean pooling, and three affine layers."""

    def __init__(self, dtype: Any = np.float32) -> None:
        shapes: dict[str, tuple[int, ...]] = {"W1": (6, 1, 5, 5), "W2": (16, 6, 5, 5)}
        super().__init__(shapes | {"W3": (400, 120), "W4": (120, 84), "W5": (84, 10)}, dtype)
        first, second, third, fourth, fifth = self.weights
        self.layers = [WindowConvolution(*first, 2), Tanh(), MeanPooling(), WindowConvolution(*second), Tanh()]
        self.layers += [MeanPooling(), Flatten(), Affine(*third), Tanh(), Affine(*fourth), Tanh(), Affine(*fifth)]


class IndexConvolution:
    """Three by three with a border; windows are columns that index arrays pick, and their sums are added at these."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b

    def places(self, channels: int, height: int, width: int) -> tuple[Any, Any, Any]:
        """Channel, row and column of each number of a window (down), for each window (across)."""
        channel, row, column = (place.reshape(-1, 1) for place in np.indices((channels, 3, 3)))
        down, across = (place.reshape(1, -1) for place in np.indices((height, width)))
        return channel, row + down, column + across

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) → (N, F, H, W)."""
        count, channels, height, width = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        channel, row, column = self.places(channels, height, width)
        self.shape, self.columns = padded.shape, padded[:, channel, row, column]
        out = self.W.reshape(len(self.W), -1) @ self.columns + self.b.reshape(-1, 1)
        return out.reshape(count, -1, height, width)

    def backward(self, dout: Any) -> Any:
        """Gradients of W and b stay in the layer."""
        count, filters, height, width = dout.shape
        flat = dout.reshape(count, filters, -1)
        self.db = flat.sum(axis=(0, 2))
        self.dW = (flat @ self.columns.transpose(0, 2, 1)).sum(axis=0).reshape(self.W.shape)
        columns = self.W.reshape(filters, -1).T @ flat
        padded = np.zeros(self.shape, dout.dtype)
        channel, row, column = self.places(self.shape[1], height, width)
        np.add.at(padded, (slice(None), channel, row, column), columns)
        return padded[:, :, 1:-1, 1:-1]


class ResidualBlock:
    """Three convolutions with Relu between them, added to what came in, and a Relu behind."""

    def __init__(self, dtype: Any = np.float32, channels: int = 16) -> None:
        rng = np.random.default_rng(7)
        self.params: dict[str, Any] = {}
        for i in (1, 2, 3):
            weight = 0.1 * rng.standard_normal((channels, channels, 3, 3))
            self.params[f"W{i}"] = weight.astype(np.float32).astype(dtype)
            self.params[f"b{i}"] = np.zeros(channels, dtype)
        first, second, third = (IndexConvolution(self.params[f"W{i}"], self.params[f"b{i}"]) for i in (1, 2, 3))
        self.layers = [first, Relu(), second, Relu(), third]
        self.last = Relu()

    def forward(self, x: Any) -> Any:
        """Images keep their shape."""
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        return self.last.forward(out + x)

    def backward(self, dout: Any) -> Any:
        """Gradients of the parameters stay in the block, by name."""
        dsum = dx = self.last.backward(dout)
        for layer in reversed(self.layers):
            dx = layer.backward(dx)
        self.grads = {}
        for i, layer in enumerate(self.layers[::2], 1):
            self.grads[f"W{i}"], self.grads[f"b{i}"] = layer.dW, layer.db
        return dx + dsum
