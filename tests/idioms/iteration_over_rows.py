"""for row in x, and zip of two arrays."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    total = 0
    for row, column in zip(x, x.T):
        total = total + row * column
    return total


EXPECT = """
#1 transpose axes=(1, 0)(x)
#2 getitem[0](x)
#3 getitem[0](#1)
#4 multiply(#2, #3)
#5 add(0, #4)
#6 getitem[1](x)
#7 getitem[1](#1)
#8 multiply(#6, #7)
#9 add(#5, #8)
gives #9
"""
