"""if x > 0: the recording holds for this side, and says so."""

INPUTS = [2.0]


def run(x):
    if x > 0:
        return x * 3
    return x


EXPECT = """
#1 greater(x, 0)
#2 multiply(x, 3)
gives #2
branch: the program was steered by a value: x > 0 was True
"""
