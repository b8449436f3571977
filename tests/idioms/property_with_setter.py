"""A property with a setter: what is written through it is an array of the layer."""

import numpy as np

INPUTS = [[1.0, 4.0]]


class Layer:
    def __init__(self):
        self.scale = [0.5, 2.0]

    @property
    def scale(self):
        return np.exp(self._log_scale)

    @scale.setter
    def scale(self, value):
        self._log_scale = np.log(np.asarray(value))

    def forward(self, x):
        self.x = x
        return x * self.scale

    def backward(self, dout):
        self.d_log_scale = dout * self.x * self.scale
        return dout * self.scale


EXPECT = """
#1 exp(_log_scale)
#2 multiply(x, #1)
#3 multiply(dout, x)
#4 exp(_log_scale)
#5 multiply(#3, #4)
#6 exp(_log_scale)
#7 multiply(dout, #6)
gives #2
Layer(x) → #2, back #7
"""
