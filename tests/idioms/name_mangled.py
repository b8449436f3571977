"""Names with two underscores: Python mangles them, a layer's own are found all the same."""

import numpy as np

INPUTS = [[1.0, -2.0]]


class Layer:
    def __init__(self):
        self.__scale = np.array([2.0, 0.5])

    def forward(self, x):
        return self.__scaled(x)

    def backward(self, dout):
        return self.__scaled(dout)

    def __scaled(self, x):
        return x * self.__scale


EXPECT = """
#1 multiply(x, __scale)
#2 multiply(dout, __scale)
gives #1
Layer(x) → #1, back #2
"""
