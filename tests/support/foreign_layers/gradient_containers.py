"""Gradients in other containers."""

import numpy as np


class ReturnsATuple:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        dW = self.x.T @ dout
        db = dout.sum(axis=0)
        return dx, dW, db


class ReturnsAList:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return [dout * self.y, dout * self.x]


class ReturnsADict:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        return {"dx": dout @ self.W.T, "dW": self.x.T @ dout, "db": np.sum(dout, axis=0)}


class LeavesAnAttribute:
    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        self.grad_x = dout * np.cos(self.x)


class PairOfOutputs:
    def forward(self, x):
        self.x = x
        return np.sin(x), np.cos(x)

    def backward(self, ds, dc):
        return ds * np.cos(self.x) - dc * np.sin(self.x)
