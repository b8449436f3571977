"""self.params["W"], self.grads[0][...] = dW: parameters in a dict, gradients in a list."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def __init__(self):
        self.params = {"W": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": np.zeros(2)}
        self.grads = [np.zeros((2, 2)), np.zeros(2)]
        self.x = None

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ self.params["W"].T


EXPECT = """
#1 matmul(x, W)
#2 add(#1, b)
#3 transpose axes=(1, 0)(x)
#4 matmul(#3, dout)
#5 setitem[...](grads[0], #4)
#6 sum axis=0(dout)
#7 setitem[...](grads[1], #6)
#8 transpose axes=(1, 0)(W)
#9 matmul(dout, #8)
gives #2
Layer(x) → #2, back #9
"""
