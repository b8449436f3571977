"""self.grads[i][...] = dW: the arrays in the list stay the same, an optimizer holds them."""

import numpy as np

INPUTS = [[[1.0, 2.0]]]


class Layer:
    def __init__(self):
        self.params = [np.array([[0.5], [-1.0]]), np.array([0.25])]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, _ = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        self.grads[1][...] = dout.sum(axis=0)
        return np.dot(dout, W.T)


EXPECT = """
#1 dot(x, params[0])
#2 add(#1, params[1])
#3 transpose axes=(1, 0)(x)
#4 dot(#3, dout)
#5 setitem[...](grads[0], #4)
#6 sum axis=0(dout)
#7 setitem[...](grads[1], #6)
#8 transpose axes=(1, 0)(params[0])
#9 dot(dout, #8)
gives #2
Layer(x) → #2, back #9
"""
