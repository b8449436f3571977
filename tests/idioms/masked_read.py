"""x[mask] takes the chosen elements, in one row."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    mask = x <= 0
    return x[mask], x[mask] + 1


EXPECT = """
#1 less_equal(x, 0)
#2 getitem[#1](x)
#3 getitem[#1](x)
#4 add(#3, 1)
gives #2, #4
"""
