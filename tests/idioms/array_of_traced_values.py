"""np.array([a, b]) keeps the way back to a and to b."""

import numpy as np

INPUTS = [2.0, 3.0, [4.0, 5.0]]


def run(a, b, x):
    pair = np.array([a, b * 2])
    return np.array([pair, x]) * x


EXPECT = """
#1 multiply(b, 2)
#2 array(a, #1)
#3 array(#2, x)
#4 multiply(#3, x)
gives #4
"""
