"""The work that is timed: layers, functions and networks in plain NumPy, as people write them."""

import math
from collections import OrderedDict
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import erf

# Layers with a forward and a backward.


class Sigmoid:
    """As on the slides."""

    def forward(self, x: Any) -> Any:
        """1 / (1 + e⁻ˣ)."""
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout: Any) -> Any:
        """From the output alone."""
        return dout * (1.0 - self.out) * self.out


class Relu:
    """As on the slides, with the copy that leaves the caller's `dout` alone."""

    def forward(self, x: Any) -> Any:
        """Nothing below zero."""
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout: Any) -> Any:
        """Where the input was positive."""
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class Chain:
    """sigmoid(x·a + b) · relu(x): a gate."""

    def forward(self, x: Any, a: Any, b: Any) -> Any:
        """All three are arrays of one shape."""
        self.x, self.a = x, a
        self.gate = 1 / (1 + np.exp(-(x * a + b)))
        return self.gate * np.maximum(x, 0)

    def backward(self, dout: Any) -> Any:
        """Gradients of x, a and b."""
        dz = dout * np.maximum(self.x, 0) * self.gate * (1 - self.gate)
        dx = dz * self.a + dout * self.gate * (self.x > 0)
        return dx, dz * self.x, dz


class GeluTanh:
    """GELU by its well-known approximation."""

    def forward(self, x: Any) -> Any:
        """½x(1 + tanh(√(2/π)(x + 0.044715x³)))."""
        self.x = x
        self.t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + self.t)

    def backward(self, dout: Any) -> Any:
        """By the product rule."""
        inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * self.x**2)
        return dout * (0.5 * (1 + self.t) + 0.5 * self.x * (1 - self.t**2) * inner)


class GeluErf:
    """GELU itself; NumPy has no erf, so people take SciPy's."""

    def forward(self, x: Any) -> Any:
        """½x(1 + erf(x/√2))."""
        self.x = x
        self.cdf = 0.5 * (1 + erf(x / math.sqrt(2)))
        return x * self.cdf

    def backward(self, dout: Any) -> Any:
        """Distribution plus x times density."""
        pdf = np.exp(-0.5 * self.x**2) / math.sqrt(2 * math.pi)
        return dout * (self.cdf + self.x * pdf)


class Silu:
    """x · sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        """Also called swish."""
        self.x = x
        self.s = 1 / (1 + np.exp(-x))
        return x * self.s

    def backward(self, dout: Any) -> Any:
        """By the product rule."""
        return dout * (self.s + self.x * self.s * (1 - self.s))


class Softplus:
    """log(1 + eˣ), without overflow."""

    def forward(self, x: Any) -> Any:
        """max(x, 0) + log(1 + e^−|x|)."""
        self.x = x
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, dout: Any) -> Any:
        """The sigmoid."""
        return dout / (1 + np.exp(-self.x))


class Tanh:
    """As NumPy has it."""

    def forward(self, x: Any) -> Any:
        """tanh(x)."""
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout: Any) -> Any:
        """From the output alone."""
        return dout * (1 - self.out**2)


class SoftmaxWithLoss:
    """Mean cross-entropy of a softmax; labels are numbers, or rows of zeros with a one."""

    def forward(self, x: Any, t: Any) -> Any:
        """One number for the batch."""
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = e / np.sum(e, axis=1, keepdims=True)
        self.t = t
        if t.ndim == 2:
            return -np.sum(t * np.log(self.y + 1e-7)) / x.shape[0]
        return -np.sum(np.log(self.y[np.arange(x.shape[0]), t] + 1e-7)) / x.shape[0]

    def backward(self, dout: Any = 1) -> Any:
        """What the softmax gives too much, over the batch."""
        batch = self.t.shape[0]
        if self.t.ndim == 2:
            return dout * (self.y - self.t) / batch
        dx = self.y.copy()
        dx[np.arange(batch), self.t] -= 1
        return dx * dout / batch


class LayerNorm:
    """Each row to mean 0 and variance 1, then scaled and shifted."""

    def __init__(self, gamma: Any, beta: Any, eps: float = 1e-5) -> None:
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def forward(self, x: Any) -> Any:
        """Statistics along the last axis."""
        xc = x - x.mean(axis=-1, keepdims=True)
        self.std = np.sqrt((xc**2).mean(axis=-1, keepdims=True) + self.eps)
        self.xn = xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout: Any) -> Any:
        """Gradients of gamma and beta stay in the layer."""
        self.dgamma = np.sum(dout * self.xn, axis=0)
        self.dbeta = np.sum(dout, axis=0)
        dxn = dout * self.gamma
        mean = dxn.mean(axis=-1, keepdims=True)
        along = (dxn * self.xn).mean(axis=-1, keepdims=True)
        return (dxn - mean - self.xn * along) / self.std


class BatchNorm:
    """Each column to mean 0 and variance 1 over the batch, with running statistics for later."""

    def __init__(self, gamma: Any, beta: Any, momentum: float = 0.9) -> None:
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean = np.zeros_like(gamma)
        self.running_var = np.zeros_like(gamma)

    def forward(self, x: Any, train: bool = True) -> Any:
        """Training uses the batch's own statistics."""
        if not train:
            return self.gamma * (x - self.running_mean) / np.sqrt(self.running_var + 1e-5) + self.beta
        mu = x.mean(axis=0)
        xc = x - mu
        var = np.mean(xc**2, axis=0)
        self.std = np.sqrt(var + 1e-5)
        self.xn = xc / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        return self.gamma * self.xn + self.beta

    def backward(self, dout: Any) -> Any:
        """Gradients of gamma and beta stay in the layer."""
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        return (dxn - dxn.mean(axis=0) - self.xn * np.mean(dxn * self.xn, axis=0)) / self.std


# The same as functions, whose gradient is asked of dout.


def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ)."""
    return 1 / (1 + np.exp(-x))


def chain(x: Any, a: Any, b: Any) -> Any:
    """A gate."""
    return sigmoid(x * a + b) * np.maximum(x, 0)


def gelu_tanh(x: Any) -> Any:
    """The approximation."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_erf(x: Any) -> Any:
    """GELU itself."""
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def silu(x: Any) -> Any:
    """Swish."""
    return x * sigmoid(x)


def softplus(x: Any) -> Any:
    """log(1 + eˣ)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def tanh(x: Any) -> Any:
    """As NumPy has it."""
    return np.tanh(x)


def ten_norms(x: Any) -> Any:
    """Ten times into the unit ball: no pass over x can begin before the sum of the last one is known."""
    for _ in range(10):
        x = x / np.sqrt(1 + np.sum(x * x))
    return x


# Networks in the manner of the first book: parameters and layers by name.


class Affine:
    """x·W + b."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b

    def forward(self, x: Any) -> Any:
        """A row for each example."""
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout: Any) -> Any:
        """Gradients of W and b stay in the layer."""
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Net:
    """Affine layers of the given widths with Relu between them, and a softmax loss at the end."""

    def __init__(self, widths: tuple[int, ...], dtype: Any = np.float32) -> None:
        rng = np.random.default_rng(7)
        self.params: dict[str, Any] = {}
        self.layers: OrderedDict[str, Any] = OrderedDict()
        for i, (rows, columns) in enumerate(pairwise(widths), 1):
            if i > 1:
                self.layers[f"Relu{i - 1}"] = Relu()
            weight = rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)
            self.params[f"W{i}"] = weight.astype(np.float32).astype(dtype)
            self.params[f"b{i}"] = np.zeros(columns, dtype)
            self.layers[f"Affine{i}"] = Affine(self.params[f"W{i}"], self.params[f"b{i}"])
        self.last = SoftmaxWithLoss()

    def loss(self, x: Any, t: Any) -> Any:
        """Forward through all."""
        for layer in self.layers.values():
            x = layer.forward(x)
        return self.last.forward(x, t)

    def gradient(self, x: Any, t: Any) -> dict[str, Any]:
        """Forward, backward, and what the layers found, by the name of the parameter."""
        self.loss(x, t)
        dout = self.last.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        grads = {}
        for i in range(1, len(self.params) // 2 + 1):
            grads[f"W{i}"] = self.layers[f"Affine{i}"].dW
            grads[f"b{i}"] = self.layers[f"Affine{i}"].db
        return grads


# A purchase, in numbers: the first example of the slides and the book.


class MulLayer:
    """A product of two."""

    def forward(self, x: Any, y: Any) -> Any:
        """The product."""
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> Any:
        """Each gets the other."""
        return dout * self.y, dout * self.x


class AddLayer:
    """A sum of two."""

    def forward(self, x: Any, y: Any) -> Any:
        """The sum."""
        return x + y

    def backward(self, dout: Any) -> Any:
        """Both get all."""
        return dout * 1, dout * 1


mul_apple, mul_orange, add_fruits, mul_tax = MulLayer(), MulLayer(), AddLayer(), MulLayer()


def buy_fruits(apple: Any, apples: Any, orange: Any, oranges: Any, tax: Any) -> Any:
    """The price, and what each number changes about it."""
    apple_price = mul_apple.forward(apple, apples)
    orange_price = mul_orange.forward(orange, oranges)
    fruits = add_fruits.forward(apple_price, orange_price)
    price = mul_tax.forward(fruits, tax)

    dfruits, dtax = mul_tax.backward(1)
    dapple_price, dorange_price = add_fruits.backward(dfruits)
    dorange, doranges = mul_orange.backward(dorange_price)
    dapple, dapples = mul_apple.backward(dapple_price)
    return price, dapple, dapples, dorange, doranges, dtax
