"""np.zeros(…)[…] = x: a bare new array takes traced values in."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    out = np.zeros((2, 3))
    out[:, 1:] = x
    like = np.zeros_like(out)
    like[0] = out[1]
    return like


EXPECT = """
#1 zeros shape=(2, 3) dtype=float64()
#2 setitem[:, 1:](#1, x)
#3 zeros shape=(2, 3) dtype=float64()
#4 getitem[1](#2)
#5 setitem[0](#3, #4)
gives #5
"""
