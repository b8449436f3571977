"""The slides' Relu: its backward overwrites the dout that it was given."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0

        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout

        return dx


EXPECT = """
#1 less_equal(x, 0)
#2 copy(x)
#3 setitem[#1](#2, 0)
#4 setitem[#1](dout, 0)
gives #3
Layer(x) → #3, back #4
write: Layer.backward writes into its argument dout
"""
