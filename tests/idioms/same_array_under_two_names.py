"""One array, two attributes: a write through one is seen through the other."""

import numpy as np

INPUTS = [[1.0, 4.0]]


class Layer:
    def __init__(self):
        self.W = np.array([2.0, 3.0])
        self.params = {"W": self.W}

    def forward(self, x):
        self.params["W"] *= 2
        return x * self.W

    def backward(self, dout):
        return dout * self.params["W"]


EXPECT = """
#1 multiply(W, 2)
#2 multiply(x, #1)
#3 multiply(dout, #1)
gives #2
Layer(x) → #2, back #3
"""
