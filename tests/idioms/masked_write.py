"""Elements that a mask chooses are overwritten in a copy."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    mask = x <= 0
    out = x.copy()
    out[mask] = 0
    return out


EXPECT = """
#1 less_equal(x, 0)
#2 copy(x)
#3 setitem[#1](#2, 0)
gives #3
"""
