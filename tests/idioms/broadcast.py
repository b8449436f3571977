"""A bias row is added to every row; its gradient is the sum over them."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def __init__(self):
        self.b = np.array([0.5, -0.5])
        self.db = None

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = np.sum(dout, axis=0)
        return dout * 1


EXPECT = """
#1 add(x, b)
#2 sum axis=0(dout)
#3 multiply(dout, 1)
gives #1
Layer(x) → #1, back #3
"""
