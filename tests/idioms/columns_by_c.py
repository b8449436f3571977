"""np.c_ puts columns side by side, np.r_ rows end to end."""

import numpy as np

INPUTS = [[1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]]]


def run(x, y):
    both = np.c_[x, y, np.ones(2)]
    return both * 2, np.r_[x, 0.0, x * 3]


EXPECT = """
#1 ones shape=(2,) dtype=float64()
#2 reshape shape=(2, 1)(x)
#3 reshape shape=(2, 1)(#1)
#4 concatenate axis=1(#2, y, #3)
#5 multiply(#4, 2)
#6 multiply(x, 3)
#7 reshape shape=(1,)(input1)
#8 concatenate axis=0(x, #7, #6)
gives #5, #8
"""
