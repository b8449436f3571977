"""Comparisons of plain numbers are bools, and True + True is 2."""

INPUTS = [3, 2]


def run(x, y):
    return (x > y) + (x >= y)


EXPECT = """
#1 greater(x, y)
#2 greater_equal(x, y)
#3 add(#1, #2)
gives #3
"""
