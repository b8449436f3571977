"""x.T[...] = … writes x itself."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]], [7.0, 8.0]]


def run(x, y):
    out = x * 1
    out.T[...] = y
    return out


EXPECT = """
#1 multiply(x, 1)
#2 transpose axes=(1, 0)(#1)
#3 setitem[...](#2, y)
#4 transpose axes=(1, 0)(#3)
gives #4
"""
