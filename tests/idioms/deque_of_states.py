"""A deque with a length keeps the last states; zip, enumerate and a star take them apart."""

from collections import deque

INPUTS = [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]


def run(x):
    last = deque(maxlen=2)
    for row in x:
        last.append(row * 2)
    first, *rest = last
    total = first
    for i, (a, b) in enumerate(zip(last, rest)):
        total = total + (i + 1) * a * b
    return total


EXPECT = """
#1 getitem[0](x)
#2 multiply(#1, 2)
#3 getitem[1](x)
#4 multiply(#3, 2)
#5 getitem[2](x)
#6 multiply(#5, 2)
#7 multiply(1, #4)
#8 multiply(#7, #6)
#9 add(#4, #8)
gives #9
"""
