"""Matrix products: x W + b in the ways people write it."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class Affine:
    """x W + b; an image is flattened first and comes back in its shape."""

    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.original_x_shape = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.original_x_shape = x.shape
        x = x.reshape(x.shape[0], -1)
        self.x = x
        out = np.dot(self.x, self.W) + self.b
        return out

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        dx = dx.reshape(*self.original_x_shape)
        return dx


class MatMul:
    """x W, with parameters and gradients in lists."""

    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        (W,) = self.params
        out = np.dot(x, W)
        self.x = x
        return out

    def backward(self, dout):
        (W,) = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        self.grads[0][...] = dW
        return dx


class AffineGrads:
    """x W + b, with parameters and gradients in dictionaries."""

    def __init__(self, W, b):
        self.params = {"W": W, "b": b}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        self.grads["b"] = dout.sum(axis=0)
        return dout @ self.params["W"].T


class SquareAffine:
    """x W + b with a square W, where a forgotten transpose still fits."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x.dot(self.W) + self.b

    def backward(self, dout):
        self.dW = self.x.T.dot(dout)
        self.db = dout.sum(0)
        return dout.dot(self.W.T)


class LinearByRows:
    """W x + b for each row x: W has one row for each output, as in PyTorch."""

    def __init__(self, weight, bias):
        self.weight = weight
        self.bias = bias

    def forward(self, x):
        self.x = x
        return np.einsum("nd,md->nm", x, self.weight) + self.bias

    def backward(self, dout):
        self.dweight = np.einsum("nm,nd->md", dout, self.x)
        self.dbias = np.einsum("nm->m", dout)
        return np.einsum("nm,md->nd", dout, self.weight)


class TimeAffine:
    """The same x W + b at every step of a sequence."""

    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.x = None

    def forward(self, x):
        n, t, _ = x.shape
        W, b = self.params
        rx = x.reshape(n * t, -1)
        out = np.dot(rx, W) + b
        self.x = x
        return out.reshape(n, t, -1)

    def backward(self, dout):
        x = self.x
        n, t, _ = x.shape
        W, _ = self.params
        dout = dout.reshape(n * t, -1)
        rx = x.reshape(n * t, -1)
        db = np.sum(dout, axis=0)
        dW = np.dot(rx.T, dout)
        dx = np.dot(dout, W.T)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx.reshape(*x.shape)


class Bilinear:
    """One number for each pair of rows: x W y."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        return np.sum(x @ self.W * y, axis=1)

    def backward(self, dout):
        d = dout[:, None]
        self.dW = (self.x * d).T @ self.y
        dx = d * (self.y @ self.W.T)
        dy = d * (self.x @ self.W)
        return dx, dy


class MatMulLayer:
    """The product of two inputs."""

    def forward(self, a, b):
        self.a, self.b = a, b
        return a @ b

    def backward(self, dout):
        da = dout @ self.b.T
        db = self.a.T @ dout
        return da, db


class TwoLayerNet:
    """Affine, ReLU, Affine in one class."""

    def __init__(self, W1, b1, W2, b2):
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
        self.grads = {}

    def forward(self, x):
        p = self.params
        self.x = x
        a = x @ p["W1"] + p["b1"]
        self.z = np.maximum(a, 0)
        return self.z @ p["W2"] + p["b2"]

    def backward(self, dout):
        p = self.params
        self.grads["W2"] = self.z.T @ dout
        self.grads["b2"] = dout.sum(axis=0)
        da = (dout @ p["W2"].T) * (self.z > 0)
        self.grads["W1"] = self.x.T @ da
        self.grads["b1"] = da.sum(axis=0)
        return da @ p["W1"].T


class AffineSigmoid:
    """A unit of the nineties: sigmoid(x W + b)."""

    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        a = x @ self.W + self.b
        small = np.exp(-np.abs(a))
        self.y = np.where(a >= 0, 1, small) / (1 + small)
        self.x = x
        return self.y.copy()

    def backward(self, dout):
        da = dout * self.y * (1 - self.y)
        self.dW = self.x.T @ da
        self.db = da.sum(axis=0)
        return da @ self.W.T


class OuterSum:
    """Every x plus every y: a table of sums."""

    def forward(self, x, y):
        return x[:, None] + y[None, :]

    def backward(self, dout):
        return dout.sum(axis=1), dout.sum(axis=0)
