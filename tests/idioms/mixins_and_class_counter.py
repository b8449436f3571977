"""Several base classes, a counter and an array on the class, a static and a class method."""

import numpy as np

INPUTS = [[1.0, 4.0]]


class Counted:
    made = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        Counted.made += 1


class Named:
    def __init__(self, name="layer"):
        self.name = f"{type(self).__name__}:{name}"


class Layer(Counted, Named):
    weight = np.array([0.5, 2.0])
    steps = 0

    @staticmethod
    def twice(x):
        return x * 2

    @classmethod
    def weighted(cls, x):
        cls.steps += 1
        return x * cls.weight

    def forward(self, x):
        return self.twice(self.weighted(x))

    def backward(self, dout):
        return self.weighted(self.twice(dout))


EXPECT = """
#1 add(steps, 1)
#2 multiply(x, weight)
#3 multiply(#2, 2)
#4 multiply(dout, 2)
#5 add(#1, 1)
#6 multiply(#4, weight)
gives #3
Layer(x) → #3, back #6
"""
