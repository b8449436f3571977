"""A generator hands out one step after the other."""

INPUTS = [[[1.0, 2.0], [3.0, 4.0]]]


def steps(x):
    total = 0
    for row in x:
        total = total + row
        yield total * 0.5


def run(x):
    first, second = steps(x)
    return sum(s * s for s in (first, second))


EXPECT = """
#1 getitem[0](x)
#2 add(0, #1)
#3 multiply(#2, 0.5)
#4 getitem[1](x)
#5 add(#2, #4)
#6 multiply(#5, 0.5)
#7 multiply(#3, #3)
#8 add(0, #7)
#9 multiply(#6, #6)
#10 add(#8, #9)
gives #10
"""
