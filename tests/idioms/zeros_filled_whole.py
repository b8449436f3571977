"""np.zeros(...)[...] = x: an array made elsewhere takes the values in, and the gradient goes through it."""

import numpy as np

INPUTS = [[1.0, -2.0, 3.0]]


def run(x):
    out = np.zeros((2, 3))
    out[...] = x * 2
    out[1, ...] = 5.0
    return out


EXPECT = """
#1 zeros shape=(2, 3) dtype=float64()
#2 multiply(x, 2)
#3 setitem[...](#1, #2)
#4 setitem[1, ...](#3, 5.0)
gives #4
"""
