"""W[indices] takes rows, some twice; x[:, [1, 0]] takes columns."""

import numpy as np

INPUTS = [[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]]


def run(W):
    rows = W[np.array([2, 0, 2])]
    return rows[:, [1, 0]]


EXPECT = """
#1 getitem[input1](W)
#2 getitem[:, input2](#1)
gives #2
"""
