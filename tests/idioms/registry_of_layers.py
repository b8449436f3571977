"""Classes in a registry that a decorator fills, made by their names."""

import numpy as np

INPUTS = [[1.0, -4.0]]
REGISTRY = {}


def register(name):
    def decorate(cls):
        REGISTRY[name] = cls
        return cls

    return decorate


@register("relu")
class Relu:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


class Layer:
    def __init__(self, activation="relu"):
        self.activation = REGISTRY[activation]()

    def forward(self, x):
        return self.activation.forward(x) * 2

    def backward(self, dout):
        return self.activation.backward(dout * 2)


EXPECT = """
#1 greater(x, 0)
#2 where(#1, x, 0)
#3 multiply(#2, 2)
#4 multiply(dout, 2)
#5 where(#1, #4, 0)
gives #3
Layer(x) → #3, back #5
Relu(x) → #2, back #5
"""
