"""grads[i] += g: the array in the list changes where it is."""

import numpy as np

INPUTS = [[1.0, 2.0]]


def run(x):
    grads = [np.zeros(2), x * 3]
    first = grads[1]
    for i in range(2):
        grads[i] += x
        grads[i] -= 0.5
    return grads[0], first


EXPECT = """
#1 zeros shape=(2,) dtype=float64()
#2 multiply(x, 3)
#3 add(#1, x)
#4 subtract(#3, 0.5)
#5 add(#2, x)
#6 subtract(#5, 0.5)
gives #4, #6
"""
