"""A flag of the layer chooses the branch: it is a plain bool, and no event."""

INPUTS = [[1.0, 4.0]]


class Layer:
    def __init__(self):
        self.train_flg = False
        self.ratio = 0.25

    def forward(self, x):
        if self.train_flg:
            raise ValueError("only used")
        return x * (1.0 - self.ratio)

    def backward(self, dout):
        return dout * (1.0 - self.ratio)


EXPECT = """
#1 subtract(1.0, ratio)
#2 multiply(x, #1)
#3 subtract(1.0, ratio)
#4 multiply(dout, #3)
gives #2
Layer(x) → #2, back #4
"""
