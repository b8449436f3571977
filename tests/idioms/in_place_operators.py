"""+= *= -= /= **= change the memory of a copy, and another name for it sees that."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]], [0.5, 2.0]]


def run(x, y):
    out = x.copy()
    same = out
    out += y
    out *= 2
    out -= x
    out /= y
    out **= 2
    return same


EXPECT = """
#1 copy(x)
#2 add(#1, y)
#3 multiply(#2, 2)
#4 subtract(#3, x)
#5 divide(#4, y)
#6 pow(#5, 2)
gives #6
"""
