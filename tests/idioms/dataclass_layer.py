"""A layer that is a dataclass, with its parameters as fields."""

from dataclasses import dataclass, field

import numpy as np

INPUTS = [[1.0, -2.0]]


@dataclass
class Layer:
    W: np.ndarray = field(default_factory=lambda: np.array([2.0, 3.0]))
    dW: np.ndarray | None = None

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW = dout * self.x
        return dout * self.W


EXPECT = """
#1 multiply(x, W)
#2 multiply(dout, x)
#3 multiply(dout, W)
gives #1
Layer(x) → #1, back #3
"""
