"""Layers that are called: layer(x)."""

INPUTS = [[1.0, -2.0]]


class Double:
    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        return x * 2

    def backward(self, dout):
        return dout * 2


class Layer:
    def __init__(self):
        self.inner = Double()

    def forward(self, x):
        return self.inner(x) + 1

    def backward(self, dout):
        return self.inner.backward(dout)


EXPECT = """
#1 multiply(x, 2)
#2 add(#1, 1)
#3 multiply(dout, 2)
gives #2
Layer(x) → #2, back #3
Double(x) → #1, back #3
"""
