"""A running mean is kept from call to call; it is new state, and no part of the gradient."""

import numpy as np

INPUTS = [[[1.0, 4.0], [3.0, 0.0]]]


class Layer:
    def __init__(self):
        self.running_mean = np.zeros(2)
        self.momentum = 0.9

    def forward(self, x, train=True):
        if train:
            mu = x.mean(axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        else:
            mu = self.running_mean
        return x - mu

    def backward(self, dout):
        return dout - dout.mean(axis=0)


EXPECT = """
#1 mean axis=0(x)
#2 multiply(momentum, running_mean)
#3 subtract(1, momentum)
#4 multiply(#3, #1)
#5 add(#2, #4)
#6 subtract(x, #1)
#7 mean axis=0(dout)
#8 subtract(dout, #7)
gives #6
Layer(x) → #6, back #8
"""
