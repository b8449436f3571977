"""An OrderedDict of layers, run in order and back: the book's nets."""

from collections import OrderedDict

import numpy as np

INPUTS = [[[1.0, 2.0]]]


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Layer:
    def __init__(self):
        self.params = {"W1": np.array([[0.5, 1.0], [-1.0, 0.25]]), "b1": np.zeros(2)}
        self.layers = OrderedDict()
        self.layers["Affine1"] = Affine(self.params["W1"], self.params["b1"])
        self.grads = {}

    def forward(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        self.grads["W1"] = self.layers["Affine1"].dW
        self.grads["b1"] = self.layers["Affine1"].db
        return dout


EXPECT = """
#1 dot(x, W)
#2 add(#1, b)
#3 transpose axes=(1, 0)(x)
#4 dot(#3, dout)
#5 sum axis=0(dout)
#6 transpose axes=(1, 0)(W)
#7 dot(dout, #6)
gives #2
Layer(x) → #2, back #7
Affine(x) → #2, back #7
"""
