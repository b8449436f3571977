"""2**62 * 4 does not overflow."""

INPUTS = [62]


def run(n):
    return 2**n * 4


EXPECT = """
#1 pow(2, n)
#2 multiply(#1, 4)
gives #2
"""
