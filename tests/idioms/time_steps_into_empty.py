"""np.empty((N, T, H), dtype='f')[:, t, :] = h: the book's time layers."""

import numpy as np

INPUTS = [[[[0.5, -1.0], [1.5, 0.25]]]]


class Layer:
    def forward(self, xs):
        n, t, d = xs.shape
        hs = np.empty((n, t, d), dtype="f")
        h = np.zeros((n, d), dtype="f")
        for i in range(t):
            h = np.tanh(xs[:, i, :] + h)
            hs[:, i, :] = h
        self.hs = hs
        return hs

    def backward(self, dhs):
        dxs = np.empty(dhs.shape, dtype="f")
        dh = 0
        for i in reversed(range(dhs.shape[1])):
            dh = (dhs[:, i, :] + dh) * (1 - self.hs[:, i, :] ** 2)
            dxs[:, i, :] = dh
        return dxs


EXPECT = """
#1 empty shape=(1, 2, 2) dtype=float32()
#2 zeros shape=(1, 2) dtype=float32()
#3 getitem[:, 0, :](xs)
#4 add(#3, #2)
#5 tanh(#4)
#6 setitem[:, 0, :](#1, #5)
#7 getitem[:, 1, :](xs)
#8 add(#7, #5)
#9 tanh(#8)
#10 setitem[:, 1, :](#6, #9)
#11 empty shape=(1, 2, 2) dtype=float32()
#12 getitem[:, 1, :](dout)
#13 add(#12, 0)
#14 getitem[:, 1, :](#10)
#15 pow(#14, 2)
#16 subtract(1, #15)
#17 multiply(#13, #16)
#18 setitem[:, 1, :](#11, #17)
#19 getitem[:, 0, :](dout)
#20 add(#19, #17)
#21 getitem[:, 0, :](#10)
#22 pow(#21, 2)
#23 subtract(1, #22)
#24 multiply(#20, #23)
#25 setitem[:, 0, :](#18, #24)
gives #10
Layer(xs) → #10, back #25
"""
