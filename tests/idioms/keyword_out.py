"""np.add(x, y, out=buffer) writes where it is told."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]], [0.5, 2.0]]


def run(x, y):
    buffer = np.zeros_like(x)
    np.add(x, y, out=buffer)
    np.multiply(buffer, 2, out=buffer)
    return buffer


EXPECT = """
#1 zeros shape=(2, 2) dtype=float64()
#2 add(x, y)
#3 setitem[...](#1, #2)
#4 multiply(#3, 2)
#5 setitem[...](#3, #4)
gives #5
"""
