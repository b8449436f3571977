"""x[mask] += 1 reads, adds and writes back."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


def run(x):
    out = x.copy()
    out[x > 0] += 1
    out[x > 2] *= x[x > 2]
    return out


EXPECT = """
#1 copy(x)
#2 greater(x, 0)
#3 getitem[#2](#1)
#4 add(#3, 1)
#5 setitem[#2](#1, #4)
#6 greater(x, 2)
#7 getitem[#6](#5)
#8 greater(x, 2)
#9 getitem[#8](x)
#10 multiply(#7, #9)
#11 setitem[#6](#5, #10)
gives #11
"""
