"""np.pad, then windows by slices with a step into np.zeros: the book's im2col with pad and stride."""

import numpy as np

INPUTS = [[[[[1.0, 2.0], [3.0, 4.0]]]]]


def run(x):
    img = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], "constant")
    col = np.zeros((1, 1, 2, 2, 2, 2))
    for y in range(2):
        for x_ in range(2):
            col[:, :, y, x_, :, :] = img[:, :, y : y + 4 : 2, x_ : x_ + 4 : 2]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(4, -1).max(axis=1)


EXPECT = """
#1 pad width=((0, 0), (0, 0), (1, 1), (1, 1))(x)
#2 zeros shape=(1, 1, 2, 2, 2, 2) dtype=float64()
#3 getitem[:, :, 0:4:2, 0:4:2](#1)
#4 setitem[:, :, 0, 0, :, :](#2, #3)
#5 getitem[:, :, 0:4:2, 1:5:2](#1)
#6 setitem[:, :, 0, 1, :, :](#4, #5)
#7 getitem[:, :, 1:5:2, 0:4:2](#1)
#8 setitem[:, :, 1, 0, :, :](#6, #7)
#9 getitem[:, :, 1:5:2, 1:5:2](#1)
#10 setitem[:, :, 1, 1, :, :](#8, #9)
#11 transpose axes=(0, 4, 5, 1, 2, 3)(#10)
#12 reshape shape=(4, 4)(#11)
#13 max axis=1(#12)
gives #13
"""
