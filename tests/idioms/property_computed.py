"""A property computes from what the layer holds; a setter stores what is given."""

INPUTS = [[1.0, -2.0]]


class Layer:
    def __init__(self):
        self._gain = 3.0
        self._kept = None

    @property
    def gain(self):
        return self._gain * 2

    @property
    def kept(self):
        return self._kept

    @kept.setter
    def kept(self, x):
        self._kept = x + 1

    def forward(self, x):
        self.kept = x
        return self.kept * self.gain

    def backward(self, dout):
        return dout * self.gain


EXPECT = """
#1 add(x, 1)
#2 multiply(_gain, 2)
#3 multiply(#1, #2)
#4 multiply(_gain, 2)
#5 multiply(dout, #4)
gives #3
Layer(x) → #3, back #5
"""
