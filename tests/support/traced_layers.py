"""The slides' layers and a training loop as users write them, and what a trace of them noted."""

import numpy as np


class MulLayer:
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        out = x * y
        return out

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return np.matmul(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.matmul(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.matmul(dout, self.W.T)


def kinds(trace):
    return [event.kind for event in trace.events]


def messages(trace):
    return [str(event) for event in trace.events]


LOOP = """
import numpy as np
class Scale:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x * self.W
    def backward(self, dout):
        self.dW = dout * self.x
        return dout * self.W
layer = Scale(np.array([1.0, 2.0]))
for step in range(4):
    y = layer.forward(np.array([1.0, 1.0]))
    layer.backward(np.ones(2))
    layer.W -= 0.5 * layer.dW
print(layer.W, type(layer.W).__name__)
"""
