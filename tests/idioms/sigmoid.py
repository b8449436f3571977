"""1 / (1 + np.exp(-x))."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    return 1 / (1 + np.exp(-x))


EXPECT = """
#1 negative(x)
#2 exp(#1)
#3 add(1, #2)
#4 divide(1, #3)
gives #4
"""
