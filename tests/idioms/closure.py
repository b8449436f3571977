"""A function inside a function reads the array and the number of the outer one."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def make():
    scale = np.array([2.0, 3.0])
    shift = 1

    def inner(x):
        return x * scale + shift

    return inner


run = make()


EXPECT = """
#1 multiply(x, scale)
#2 add(#1, 1)
gives #2
"""
