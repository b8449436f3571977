"""x[...] = x.T: NumPy reads all before it writes."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    out = x.copy()
    out[...] = out.T
    out[0] = out[:, 1]
    return out


EXPECT = """
#1 copy(x)
#2 transpose axes=(1, 0)(#1)
#3 setitem[...](#1, #2)
#4 getitem[:, 1](#3)
#5 setitem[0](#3, #4)
gives #5
"""
