"""print, f-strings and % see the value; nothing is recorded and nothing lost."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]], 2.5]


def run(x, y):
    z = y * 2
    print(x, y)
    print(f"{z:.2f} {x.shape} {x!r}")
    print("%s %.1f %d" % (z, float(z), len(x)))
    print("{:5.1f}|".format(z), str(np.sum(x)))
    return x * z


EXPECT = """
#1 multiply(y, 2)
#2 sum(x)
#3 multiply(x, #1)
gives #3
"""
