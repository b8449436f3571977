"""x[:, ::-1] mirrors the columns; x[::-1, ::-1] turns it by half."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    return x[:, ::-1] - x[::-1, ::-1]


EXPECT = """
#1 getitem[:, ::-1](x)
#2 getitem[::-1, ::-1](x)
#3 subtract(#1, #2)
gives #3
"""
