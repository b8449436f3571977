"""Lambdas in a list, one of them with a default argument."""

import numpy as np

INPUTS = [[1.0, 4.0]]
STEPS = [lambda x: x * 2, lambda x, power=2: x**power, np.sqrt, abs]


def run(x):
    for step in STEPS:
        x = step(x)
    return x


EXPECT = """
#1 multiply(x, 2)
#2 pow(#1, 2)
#3 sqrt(#2)
#4 absolute(#3)
gives #4
"""
