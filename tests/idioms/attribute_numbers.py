"""A number in the instance that enters arithmetic is an input of the graph."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Layer:
    def __init__(self):
        self.slope = 0.1
        self.power = 2

    def forward(self, x):
        self.x = x
        return x**self.power * self.slope

    def backward(self, dout):
        return dout * self.slope * self.power * self.x


EXPECT = """
#1 pow(x, power)
#2 multiply(#1, slope)
#3 multiply(dout, slope)
#4 multiply(#3, power)
#5 multiply(#4, x)
gives #2
Layer(x) → #2, back #5
"""
