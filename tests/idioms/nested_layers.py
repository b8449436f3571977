"""A layer that holds two layers, and calls the second one's backward first."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


class Layer:
    def __init__(self):
        self.layers = [Scale(2.0), Scale(3.0)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


EXPECT = """
#1 multiply(x, factor_2)
#2 multiply(#1, factor)
#3 multiply(dout, factor)
#4 multiply(#3, factor_2)
gives #2
Layer(x) → #2, back #4
Scale(x) → #1, back #4
Scale(#1) → #2, back #3
"""
