"""A value that was computed before a write keeps what it was; a view does not."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    a = x * 2
    before = a + 1
    view = a[0]
    kept = a[0].copy()
    a[0, 0] = 100
    return before[0] * view * kept


EXPECT = """
#1 multiply(x, 2)
#2 add(#1, 1)
#3 getitem[0](#1)
#4 getitem[0](#1)
#5 copy(#4)
#6 setitem[0, 0](#1, 100)
#7 getitem[0](#2)
#8 getitem[0](#6)
#9 multiply(#7, #8)
#10 multiply(#9, #5)
gives #10
"""
