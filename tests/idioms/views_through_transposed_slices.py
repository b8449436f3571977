"""A write through a transposed, reversed slice of a reshaped array reaches the base."""

INPUTS = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]


def run(x):
    base = x * 1
    view = base.reshape(2, 3)[:, ::-1].T
    view[0] += 10
    base[1] = 0
    return base, view


EXPECT = """
#1 multiply(x, 1)
#2 reshape shape=(2, 3)(#1)
#3 getitem[:, ::-1](#2)
#4 transpose axes=(1, 0)(#3)
#5 getitem[0](#4)
#6 add(#5, 10)
#7 setitem[...](#5, #6)
#8 setitem[0](#4, #7)
#9 transpose axes=(1, 0)(#8)
#10 setitem[:, ::-1](#2, #9)
#11 reshape shape=(6,)(#10)
#12 setitem[0](#8, #7)
#13 transpose axes=(1, 0)(#12)
#14 setitem[:, ::-1](#10, #13)
#15 reshape shape=(6,)(#14)
#16 setitem[1](#15, 0)
#17 reshape shape=(2, 3)(#16)
#18 getitem[:, ::-1](#17)
#19 transpose axes=(1, 0)(#18)
gives #16, #19
"""
