"""x[1:] = x[:-1]: the values from before the write count, also where both slices overlap."""

INPUTS = [[1.0, 2.0, 3.0, 4.0]]


def run(x):
    y = x * 1
    y[1:] = y[:-1]
    y[:-1] += y[1:]
    return y


EXPECT = """
#1 multiply(x, 1)
#2 getitem[:-1](#1)
#3 setitem[1:](#1, #2)
#4 getitem[:-1](#3)
#5 getitem[1:](#3)
#6 add(#4, #5)
#7 setitem[...](#4, #6)
#8 setitem[:-1](#3, #7)
#9 setitem[:-1](#8, #7)
gives #9
"""
