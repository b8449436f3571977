"""np.empty(…, dtype="f") filled row by row in a loop."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    out = np.empty((2, 2), dtype="f")
    for i in range(2):
        out[i, :] = x[i] * 2
    return out


EXPECT = """
#1 empty shape=(2, 2) dtype=float32()
#2 getitem[0](x)
#3 multiply(#2, 2)
#4 setitem[0, :](#1, #3)
#5 getitem[1](x)
#6 multiply(#5, 2)
#7 setitem[1, :](#4, #6)
gives #7
"""
