"""b = a is no copy: a write through b is read through a."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    a = x + 0.5
    b = a
    b[0, 0] = 7
    return a * b


EXPECT = """
#1 add(x, 0.5)
#2 setitem[0, 0](#1, 7)
#3 multiply(#2, #2)
gives #3
"""
