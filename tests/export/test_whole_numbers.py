"""Whole numbers of any width: what onnxruntime gives is what NumPy gives, up to the numbers that a float holds."""

import numpy as np
import pytest
from onnx_runs import ran

import dout

WIDTHS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64]
STEPS = {
    "sum": lambda x: x.sum(axis=1),
    "total": lambda x: x.sum(),
    "narrow": lambda x: x.sum(axis=1, dtype=x.dtype),
    "prod": lambda x: x.prod(axis=1),
    "cumsum": lambda x: x.cumsum(axis=1),
    "mean": lambda x: x.mean(axis=1),
    "max": lambda x: x.max(axis=1),
    "min": lambda x: x.min(axis=0),
    "argmax": lambda x: x.argmax(axis=1),
    "argmin": lambda x: x.argmin(axis=1),
    "sorted": lambda x: np.sort(x, axis=1),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("dtype", WIDTHS)
def test_whole_numbers_are_as_numpy_has_them(dtype):
    highest = min(np.iinfo(dtype).max, 40_000)  # onnxruntime adds up whole numbers as floats
    x = np.array([[1, highest, 3, 0], [highest, highest - 1, 2, 7], [5, 4, 9, highest // 2]], dtype)
    for name, step in STEPS.items():
        (got,), wanted = ran(dout.export(step, None, x).content, x), step(x)
        assert got.dtype == np.asarray(wanted).dtype, name
        np.testing.assert_array_equal(got, wanted, err_msg=name)


@pytest.mark.parametrize("name", ["sum", "total", "narrow", "prod", "cumsum", "mean"])
def test_sums_of_unsigned_64_bits_are_as_numpy_has_them(name):
    x = np.array([[2**20, 5, 3, 1], [2**20 - 1, 2, 1, 7]], np.uint64)
    (got,), wanted = ran(dout.export(STEPS[name], None, x).content, x), STEPS[name](x)
    assert got.dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(got, wanted)
