"""Fifty layers: one step of training through Affine, Relu, Affine, Relu … and a mean squared error."""

import numpy as np


class Affine:
    """y = x · W + b."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Relu:
    """y = x where x is positive, else 0."""

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class MeanSquaredError:
    """Half the mean of the squared distances of the rows."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return 0.5 * np.sum((y - t) ** 2) / len(y)

    def backward(self, dout=1):
        dy = dout * (self.y - self.t) / len(self.y)
        return dy, -dy


rng = np.random.default_rng(0)
sizes = [10] + [16] * 49 + [4]
layers = []
for n_in, n_out in zip(sizes, sizes[1:]):
    layers += [Affine(rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in), np.zeros(n_out)), Relu()]
layers.pop()  # no Relu after the last
loss = MeanSquaredError()

x, t = rng.normal(size=(8, 10)), rng.normal(size=(8, 4))
y = x
for layer in layers:
    y = layer.forward(y)
error = loss.forward(y, t)
dout, _ = loss.backward(1)
for layer in reversed(layers):
    dout = layer.backward(dout)
