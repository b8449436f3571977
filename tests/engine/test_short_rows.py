"""Copies of rows of a few elements, as those of windows: each row is moved as one, and nothing beside it."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import dout

RNG = np.random.default_rng(29)


def compiled(function, *arrays):
    fast = dout.compile(function)
    for _ in range(3):
        np.testing.assert_array_equal(fast(*arrays), function(*arrays), strict=True)
    return "".join(fast.plan().programs[0].kernels.values())


def drawn(shape, dtype):
    return RNG.integers(0, 100, shape).astype(dtype)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", [np.float32, float, np.int16, np.int64])
@pytest.mark.parametrize("wide", [2, 3, 5, 7, 16])
def test_windows_are_copied_row_by_row(wide, dtype):
    def rows(x):
        windows = sliding_window_view(x, (2, wide), axis=(2, 3))
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * 2 * wide)

    text = compiled(rows, drawn((6, 3, 20, 33), dtype))
    assert f", {wide})" in text
    assert "move_row(" in text


def test_rows_of_a_larger_array_leave_what_lies_between_them():
    def part(x):
        return x[:, ::2, 3:8].reshape(-1, 15)

    assert "move_row(" in compiled(part, drawn((500, 6, 11), np.float32))


@pytest.mark.parametrize("columns", [slice(0, 20), slice(None, None, 2)])
def test_long_rows_and_rows_with_gaps_are_copied_element_by_element(columns):
    def part(x):
        return x[:, :, columns].reshape(-1)

    assert "move_row(" not in compiled(part, drawn((40, 30, 40), np.float32))


def test_flags_are_copied_element_by_element():
    def part(x):
        return (x[:, :, 1:4] > 50).reshape(-1), x[:, :, 1:4].reshape(-1)

    fast, x = dout.compile(part), drawn((100, 40, 9), bool)
    for _ in range(3):
        for found, right in zip(fast(x), part(x), strict=True):
            np.testing.assert_array_equal(found, right, strict=True)
