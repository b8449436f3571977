"""isinstance, shape, ndim, dtype, len and size answer as the array's own."""

import numpy as np

INPUTS = [[[1.0, -0.5], [-2.0, 3.0]], 2]


def run(x, n):
    assert isinstance(x, np.ndarray)
    assert isinstance(n, int) and not isinstance(n, np.ndarray)
    assert x.shape == (2, 2) and x.ndim == 2 and x.size == 4 and len(x) == 2
    assert x.dtype == np.float64 and np.ndim(x) == 2 and np.shape(x[0]) == (2,)
    return x.reshape(x.shape[0], -1) * n


EXPECT = """
#1 getitem[0](x)
#2 reshape shape=(2, 2)(x)
#3 multiply(#2, n)
gives #3
"""
