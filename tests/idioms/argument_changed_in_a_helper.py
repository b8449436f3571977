"""A helper writes into the array that it was handed; the caller sees it."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def clear(array, row):
    array[row] = 0


def run(x):
    out = x * 1
    clear(out, 1)
    return out


EXPECT = """
#1 multiply(x, 1)
#2 setitem[1](#1, 0)
gives #2
"""
