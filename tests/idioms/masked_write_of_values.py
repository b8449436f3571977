"""x[mask] = [10, 20]: as many values as the mask chooses; the caller's own array is written."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    x[x <= 0] = [10, 20]
    return x * 2


EXPECT = """
#1 less_equal(x, 0)
#2 setitem[#1](x, input1)
#3 multiply(#2, 2)
gives #3
"""
