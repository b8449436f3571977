"""self.total /= n and self.total[0] -= x on the array that the attribute holds."""

import numpy as np

INPUTS = [[1.0, 4.0]]


class Layer:
    def __init__(self):
        self.total = np.full(2, 8.0)

    def forward(self, x):
        self.total /= x
        self.total[0] -= x[1]
        return self.total * 1.0

    def backward(self, dout):
        return dout * 0.0


EXPECT = """
#1 divide(total, x)
#2 getitem[0](#1)
#3 getitem[1](x)
#4 subtract(#2, #3)
#5 setitem[0](#1, #4)
#6 multiply(#5, 1.0)
#7 multiply(dout, 0.0)
gives #6
Layer(x) → #6, back #7
"""
