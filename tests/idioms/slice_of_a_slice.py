"""A write into a slice of a slice reaches the base, and every other view of it sees it."""

INPUTS = [[1.0, 2.0, 3.0, 4.0, 5.0]]


def run(x):
    out = x * 1
    tail = out[1:]
    other = out[::2]
    tail[1:][:2] = 0
    return out, tail, other


EXPECT = """
#1 multiply(x, 1)
#2 getitem[1:](#1)
#3 getitem[::2](#1)
#4 getitem[1:](#2)
#5 setitem[:2](#4, 0)
#6 setitem[1:](#2, #5)
#7 setitem[1:](#1, #6)
#8 getitem[::2](#7)
gives #7, #6, #8
"""
