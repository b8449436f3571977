"""A layer with __slots__ has no __dict__."""

import numpy as np

INPUTS = [[1.0, -2.0]]


class Layer:
    __slots__ = ("W", "dW", "x")

    def __init__(self):
        self.W = np.array([2.0, 3.0])

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW = dout * self.x
        return dout * self.W


EXPECT = """
#1 multiply(x, W)
#2 multiply(dout, x)
#3 multiply(dout, W)
gives #1
Layer(x) → #1, back #3
"""
