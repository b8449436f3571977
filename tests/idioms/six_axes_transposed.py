"""A 6-D array with its axes turned is a view; made flat, it is a copy."""

INPUTS = [[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]]


def run(x):
    six = x.reshape(1, 2, 2, 1, 2, 1).transpose(0, 4, 5, 1, 2, 3)
    six[0, 1] *= 10
    flat = six.reshape(4, -1)
    flat[0] = 0
    return six * 2, flat.sum(axis=1)


EXPECT = """
#1 reshape shape=(1, 2, 2, 1, 2, 1)(x)
#2 transpose axes=(0, 4, 5, 1, 2, 3)(#1)
#3 getitem[0, 1](#2)
#4 multiply(#3, 10)
#5 setitem[...](#3, #4)
#6 setitem[0, 1](#2, #5)
#7 transpose axes=(0, 3, 4, 5, 1, 2)(#6)
#8 reshape shape=(2, 2, 2)(#7)
#9 setitem[0, 1](#6, #5)
#10 transpose axes=(0, 3, 4, 5, 1, 2)(#9)
#11 reshape shape=(2, 2, 2)(#10)
#12 reshape shape=(4, 2)(#9)
#13 setitem[0](#12, 0)
#14 multiply(#9, 2)
#15 sum axis=1(#13)
gives #14, #15
"""
