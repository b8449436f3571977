"""x[1:] += x[:-1] reads all of x before it writes."""

INPUTS = [[1.0, 2.0, 3.0, 4.0]]


def run(x):
    out = x.copy()
    out[1:] += out[:-1]
    out[:2] = out[2:]
    return out


EXPECT = """
#1 copy(x)
#2 getitem[1:](#1)
#3 getitem[:-1](#1)
#4 add(#2, #3)
#5 setitem[...](#2, #4)
#6 setitem[1:](#1, #5)
#7 setitem[1:](#6, #5)
#8 getitem[2:](#7)
#9 setitem[:2](#7, #8)
gives #9
"""
