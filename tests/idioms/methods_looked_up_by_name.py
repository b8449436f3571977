"""getattr(np, name), getattr(self, f"_{how}") and match choose what runs."""

import numpy as np

INPUTS = [[1.0, 4.0]]


class Layer:
    def __init__(self, kind="tanh"):
        self.kind, self.how = kind, "scaled"

    def _scaled(self, x):
        return x * 0.5

    def forward(self, x):
        self.out = getattr(np, self.kind)(getattr(self, f"_{self.how}")(x))
        return self.out

    def backward(self, dout):
        match self.kind:
            case "tanh":
                return dout * (1 - self.out**2) * 0.5
            case _:
                raise ValueError(self.kind)


EXPECT = """
#1 multiply(x, 0.5)
#2 tanh(#1)
#3 pow(#2, 2)
#4 subtract(1, #3)
#5 multiply(dout, #4)
#6 multiply(#5, 0.5)
gives #2
Layer(x) → #2, back #6
"""
