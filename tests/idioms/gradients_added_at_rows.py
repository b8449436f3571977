"""np.add.at(dW, ids, dout), np.subtract.at: rows that come twice count twice."""

import numpy as np

INPUTS = [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]


class Layer:
    def __init__(self):
        self.ids = np.array([0, 2, 0])

    def forward(self, x):
        self.shape = x.shape
        return x[self.ids]

    def backward(self, dout):
        dx = np.zeros(self.shape)
        np.add.at(dx, self.ids, dout * 2)
        np.subtract.at(dx, self.ids, dout)
        return dx


EXPECT = """
#1 getitem[ids](x)
#2 zeros shape=(3, 2) dtype=float64()
#3 multiply(dout, 2)
#4 add_at[ids](#2, #3)
#5 negative(dout)
#6 add_at[ids](#4, #5)
gives #1
Layer(x) → #1, back #6
"""
