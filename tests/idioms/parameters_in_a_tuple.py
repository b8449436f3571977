"""self.params = (W, b): a tuple of arrays stays that tuple."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def __init__(self):
        self.params = (np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        W, _ = self.params
        return dout @ W.T


EXPECT = """
#1 matmul(x, params[0])
#2 add(#1, params[1])
#3 transpose axes=(1, 0)(params[0])
#4 matmul(dout, #3)
gives #2
Layer(x) → #2, back #4
"""
