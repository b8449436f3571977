"""Draws from a RandomState and from a Generator that are made on the spot."""

import numpy as np

INPUTS = [[1.0, 4.0]]


def run(x):
    old = np.random.RandomState(1)
    new = np.random.default_rng(2)
    noise = new.normal(size=2) * 0.1
    return x * (old.rand(2) > 0.5) + noise, np.random.randn(2) * x


EXPECT = """
#1 multiply(input1, 0.1)
#2 greater(input2, 0.5)
#3 multiply(x, #2)
#4 add(#3, #1)
#5 multiply(input3, x)
gives #4, #5
draw: normal drew random numbers
draw: rand drew random numbers
draw: randn drew random numbers
"""
