"""np.zeros(np.array(x.shape) + [0, 2]): a shape may be an array of whole numbers."""

import numpy as np

INPUTS = [[[1.0, 2.0], [3.0, 4.0]]]


def run(x):
    wide = np.zeros(shape=np.array([0, 2]) + x.shape)
    wide[:, 1:-1] = x
    return wide


EXPECT = """
#1 add(input1, input2)
#2 getitem[0](#1)
#3 getitem[1](#1)
#4 zeros shape=(2, 4) dtype=float64()
#5 setitem[:, 1:-1](#4, x)
gives #5
index: the program was steered by a value: np.zeros(shape=np.array([0, 2]) + x.shape) was 2
index: the program was steered by a value: np.zeros(shape=np.array([0, 2]) + x.shape) was 4
"""
