"""An array among the module's globals is an input, under its name; a global number is a constant."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]
SCALE = np.array([2.0, 3.0])
SHIFT = 1


def run(x):
    return x * SCALE + SHIFT


EXPECT = """
#1 multiply(x, SCALE)
#2 add(#1, 1)
gives #2
"""
