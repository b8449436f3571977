"""np.c_ puts columns side by side, np.r_ rows end to end."""

import numpy as np

INPUTS = [[1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]]]


def run(x, y):
    both = np.c_[x, y, np.ones(2)]
    return both * 2, np.r_[x, 0.0, x * 3]


EXPECT = """
#1 ones shape=(2,) dtype=float64()
#2 reshape shape=(1, 2)(x)
#3 transpose axes=(1, 0)(#2)
#4 reshape shape=(1, 2)(#1)
#5 transpose axes=(1, 0)(#4)
#6 concatenate axis=1(#3, y, #5)
#7 multiply(#6, 2)
#8 multiply(x, 3)
#9 reshape shape=(1,)(input1)
#10 concatenate axis=0(x, #9, #8)
gives #7, #10
"""
