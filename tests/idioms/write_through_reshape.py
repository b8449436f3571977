"""x.reshape(-1)[i] = … writes x where no copy is needed, and a copy where one is."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    out = x * 1
    out.reshape(-1)[1] = 5
    out.T.reshape(-1)[0] = 9
    return out


EXPECT = """
#1 multiply(x, 1)
#2 reshape shape=(4,)(#1)
#3 setitem[1](#2, 5)
#4 reshape shape=(2, 2)(#3)
#5 transpose axes=(1, 0)(#4)
#6 reshape shape=(4,)(#5)
#7 setitem[0](#6, 9)
gives #4
"""
