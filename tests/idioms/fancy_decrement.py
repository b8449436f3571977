"""dx[np.arange(n), t] -= 1: the gradient of a softmax with labels t."""

import numpy as np

INPUTS = [[[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], [1, 0, 0]]


def run(y, t):
    dx = y.copy()
    dx[np.arange(3), t] -= 1
    return dx / 3


EXPECT = """
#1 copy(y)
#2 getitem[input1, t](#1)
#3 subtract(#2, 1)
#4 setitem[input1, t](#1, #3)
#5 divide(#4, 3)
gives #5
"""
