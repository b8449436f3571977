"""super().forward(x) is part of the same layer call."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Base:
    def forward(self, x):
        return x * 2

    def backward(self, dout):
        return dout * 2


class Layer(Base):
    def forward(self, x):
        return super().forward(x) + 1

    def backward(self, dout):
        return super().backward(dout)


EXPECT = """
#1 multiply(x, 2)
#2 add(#1, 1)
#3 multiply(dout, 2)
gives #2
Layer(x) → #2, back #3
"""
