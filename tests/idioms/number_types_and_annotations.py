"""numpy.typing in annotations, a dtype as a default, np.float64(1.0) and np.newaxis."""

import numpy as np
import numpy.typing as npt

INPUTS = [[1.0, 4.0]]

Array = npt.NDArray[np.float64]
ONE = np.float64(1.0)


def run(x: Array, dtype: npt.DTypeLike = np.float64) -> Array:
    ones: Array = np.ones((2, 1), dtype=dtype)
    return ones * x[np.newaxis, :] + ONE


EXPECT = """
#1 ones shape=(2, 1) dtype=float64()
#2 getitem[None, :](x)
#3 multiply(#1, #2)
#4 add(#3, np.float64(1.0))
gives #4
"""
