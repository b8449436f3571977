"""`with np.errstate(...)`, and a context manager of one's own that turns a flag."""

import contextlib

import numpy as np

INPUTS = [[1.0, 4.0]]


class Layer:
    def __init__(self):
        self.train = True

    @contextlib.contextmanager
    def evaluating(self):
        before, self.train = self.train, False
        try:
            yield self
        finally:
            self.train = before

    def forward(self, x):
        with np.errstate(divide="ignore"), self.evaluating():
            self.out = np.log(x) if not self.train else x
            self.x = x
        return self.out

    def backward(self, dout):
        return dout / self.x


EXPECT = """
#1 log(x)
#2 divide(dout, x)
gives #1
Layer(x) → #1, back #2
"""
