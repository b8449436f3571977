"""A convolution as the book writes it: im2col by slices into a 6-D array, and col2im back by +=."""

import numpy as np

INPUTS = [[[[[1.0, -2.0, 0.5], [0.25, 3.0, -1.0], [2.0, 1.5, -0.5]]]]]


def im2col(x, height, width):
    n, c, h, w = x.shape
    out_h, out_w = h - height + 1, w - width + 1
    col = np.zeros((n, c, height, width, out_h, out_w))
    for i in range(height):
        for j in range(width):
            col[:, :, i, j, :, :] = x[:, :, i : i + out_h, j : j + out_w]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * out_h * out_w, -1)


def col2im(col, shape, height, width):
    n, c, h, w = shape
    out_h, out_w = h - height + 1, w - width + 1
    col = col.reshape(n, out_h, out_w, c, height, width).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape)
    for i in range(height):
        for j in range(width):
            x[:, :, i : i + out_h, j : j + out_w] += col[:, :, i, j, :, :]
    return x


class Layer:
    def __init__(self):
        self.W = np.array([[1.0], [0.5]])

    def forward(self, x):
        self.shape = x.shape
        self.col = im2col(x, 1, 2)
        return np.dot(self.col, self.W)

    def backward(self, dout):
        self.dW = np.dot(self.col.T, dout)
        return col2im(np.dot(dout, self.W.T), self.shape, 1, 2)


EXPECT = """
#1 zeros shape=(1, 1, 1, 2, 3, 2) dtype=float64()
#2 getitem[:, :, 0:3, 0:2](x)
#3 setitem[:, :, 0, 0, :, :](#1, #2)
#4 getitem[:, :, 0:3, 1:3](x)
#5 setitem[:, :, 0, 1, :, :](#3, #4)
#6 transpose axes=(0, 4, 5, 1, 2, 3)(#5)
#7 reshape shape=(6, 2)(#6)
#8 dot(#7, W)
#9 transpose axes=(1, 0)(#7)
#10 dot(#9, dout)
#11 transpose axes=(1, 0)(W)
#12 dot(dout, #11)
#13 reshape shape=(1, 3, 2, 1, 1, 2)(#12)
#14 transpose axes=(0, 3, 4, 5, 1, 2)(#13)
#15 zeros shape=(1, 1, 3, 3) dtype=float64()
#16 getitem[:, :, 0:3, 0:2](#15)
#17 getitem[:, :, 0, 0, :, :](#14)
#18 add(#16, #17)
#19 setitem[...](#16, #18)
#20 setitem[:, :, 0:3, 0:2](#15, #19)
#21 setitem[:, :, 0:3, 0:2](#20, #19)
#22 getitem[:, :, 0:3, 1:3](#21)
#23 getitem[:, :, 0, 1, :, :](#14)
#24 add(#22, #23)
#25 setitem[...](#22, #24)
#26 setitem[:, :, 0:3, 1:3](#21, #25)
#27 setitem[:, :, 0:3, 1:3](#26, #25)
gives #8
Layer(x) → #8, back #27
"""
