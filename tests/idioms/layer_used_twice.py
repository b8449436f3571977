"""One instance runs forward twice: the second run overwrites what the first one kept."""

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]]]


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout


class Layer:
    def __init__(self):
        self.square = Square()

    def forward(self, x):
        return self.square.forward(self.square.forward(x))

    def backward(self, dout):
        return self.square.backward(self.square.backward(dout))


EXPECT = """
#1 multiply(x, x)
#2 multiply(#1, #1)
#3 multiply(2, #1)
#4 multiply(#3, dout)
#5 multiply(2, #1)
#6 multiply(#5, #4)
gives #2
Layer(x) → #2, back #6
Square(x) → #1, back #6
Square(#1) → #2, back #4
"""
