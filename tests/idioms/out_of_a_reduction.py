"""out= of a reduction, of a method and of np.dot."""

import numpy as np

INPUTS = [[[1.0, 4.0], [2.0, -3.0]]]


def run(x):
    total, product = np.empty(2), np.empty((2, 2))
    np.sum(x, axis=0, out=total)
    np.dot(x, x, out=product)
    np.multiply(total, 2, out=total)
    return total, product


EXPECT = """
#1 empty shape=(2,) dtype=float64()
#2 empty shape=(2, 2) dtype=float64()
#3 sum axis=0(x)
#4 setitem[...](#1, #3)
#5 dot(x, x)
#6 setitem[...](#2, #5)
#7 multiply(#4, 2)
#8 setitem[...](#4, #7)
gives #8, #6
"""
