"""x[0] = … and x[1, ::-1] = … write one row of a copy."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]], [7.0, 8.0]]


def run(x, row):
    out = x.copy()
    out[0] = row
    out[1, ::-1] = row
    return out


EXPECT = """
#1 copy(x)
#2 setitem[0](#1, row)
#3 setitem[1, ::-1](#2, row)
gives #3
"""
