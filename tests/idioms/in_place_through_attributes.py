"""self.total += x changes the array that the attribute held before the call."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def __init__(self):
        self.total = np.zeros((2, 2))
        self.count = 0

    def forward(self, x):
        self.total += x
        self.total *= 0.5
        self.count += 1
        return self.total + x

    def backward(self, dout):
        self.total -= dout
        return dout * 1.5


EXPECT = """
#1 add(total, x)
#2 multiply(#1, 0.5)
#3 add(count, 1)
#4 add(#2, x)
#5 subtract(#2, dout)
#6 multiply(dout, 1.5)
gives #4
Layer(x) → #4, back #6
"""
