"""A container of layers with __iter__, __len__, __getitem__ and add()."""

import numpy as np

INPUTS = [[1.0, 4.0]]


class Scale:
    def __init__(self, by):
        self.by = by

    def forward(self, x):
        return x * self.by

    def backward(self, dout):
        return dout * self.by


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class Layer:
    def __init__(self):
        self.layers = []
        self.add(Scale(0.5)).add(Tanh())

    def add(self, layer):
        self.layers.append(layer)
        return self

    def __iter__(self):
        return iter(self.layers)

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, i):
        return self.layers[i]

    def forward(self, x):
        for layer in self:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for i in range(len(self)):
            dout = self[len(self) - 1 - i].backward(dout)
        return dout


EXPECT = """
#1 multiply(x, by)
#2 tanh(#1)
#3 pow(#2, 2)
#4 subtract(1, #3)
#5 multiply(dout, #4)
#6 multiply(#5, by)
gives #2
Layer(x) → #2, back #6
Scale(x) → #1, back #6
Tanh(#1) → #2, back #5
"""
