"""A random mask, drawn in forward, scales both ways."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


EXPECT = """
#1 greater(input1, 0.5)
#2 multiply(x, #1)
#3 multiply(dout, #1)
gives #2
Layer(x) → #2, back #3
draw: rand drew random numbers
"""
