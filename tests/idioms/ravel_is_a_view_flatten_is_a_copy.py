"""A write into x.ravel() reaches x, one into x.flatten() or x[:, ::2].ravel() does not."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    out = x * 1
    out.ravel()[0] = 5
    out.flatten()[1] = 6
    out[:, ::2].ravel()[1] = 7
    return out


EXPECT = """
#1 multiply(x, 1)
#2 ravel(#1)
#3 setitem[0](#2, 5)
#4 reshape shape=(2, 2)(#3)
#5 flatten(#4)
#6 setitem[1](#5, 6)
#7 getitem[:, ::2](#4)
#8 ravel(#7)
#9 setitem[1](#8, 7)
gives #4
"""
