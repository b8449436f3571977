"""A Python number beside a float32 array does not widen it; astype does."""

import numpy as np

INPUTS = [[1.0, 2.0]]


def run(x):
    x = x.astype(np.float32)
    x *= 0.1
    return x * 2 + 1


EXPECT = """
#1 astype dtype=float32(x)
#2 multiply(#1, 0.1)
#3 multiply(#2, 2)
#4 add(#3, 1)
gives #4
"""
