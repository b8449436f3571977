"""Pooling as people write it: one pass over the image, with NumPy's numbers and places."""

import numpy as np
import pytest

import dout

RNG = np.random.default_rng(9)


def rows_of(x, high, wide, stride):
    count, channels, height, width = x.shape
    down, across = (height - high) // stride + 1, (width - wide) // stride + 1
    parts = np.zeros((count, channels, high, wide, down, across), x.dtype)
    for i in range(high):
        for j in range(wide):
            parts[:, :, i, j] = x[:, :, i : i + stride * down : stride, j : j + stride * across : stride]
    return parts.transpose(0, 4, 5, 1, 2, 3).reshape(-1, high * wide)


def pooled(extreme, place, size, stride):
    def pooling(x):
        rows = rows_of(x, *size, stride)
        return extreme(rows, axis=1), place(rows, axis=-1), extreme(rows, axis=1, keepdims=True)

    return pooling


def image(dtype, channels_last):
    shape = (16, 17, 16, 6) if channels_last else (16, 6, 17, 16)
    x = RNG.integers(-4, 4, size=shape).astype(dtype)  # many are equal
    if x.dtype.kind == "f":
        x[RNG.random(x.shape) < 0.1] = np.nan
        x[RNG.random(x.shape) < 0.1] = -np.inf
    return x.transpose(0, 3, 1, 2) if channels_last else x


@pytest.mark.one_in(4)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, float, np.int64])
@pytest.mark.parametrize(
    ("size", "stride", "extreme", "place"),
    [((2, 2), 2, np.max, np.argmax), ((3, 2), 1, np.min, np.argmin), ((3, 3), 2, np.max, np.argmax)],
)
def test_extremes_of_windows_and_their_places_are_numpys(size, stride, extreme, place, dtype, channels_last):
    pooling, x = pooled(extreme, place, size, stride), image(dtype, channels_last)
    fast = dout.compile(pooling)
    for _ in range(3):
        for found, right in zip(fast(x), pooling(x), strict=True):
            np.testing.assert_array_equal(found, right, strict=True)


def written(function, x):
    fast = dout.compile(function)
    for _ in range(2):
        fast(x)
    return [step.text.partition(" = ")[2] for step in fast.plan().programs[0].steps if step.how != "view"]


def test_no_window_is_copied():
    steps = written(pooled(np.max, np.argmax, (2, 2), 2), image(np.float32, channels_last=True))
    assert not [text for text in steps if "argmax(" in text or "max(" in text]


def test_large_windows_and_few_windows_are_rows_as_before():
    x = RNG.normal(size=(8, 6, 32, 32)).astype(np.float32)
    assert [text for text in written(lambda x: np.argmax(rows_of(x, 5, 4, 1), axis=1), x) if "argmax(" in text]
    assert [text for text in written(lambda x: np.argmax(rows_of(x, 2, 2, 2), axis=1), x[:2, :2]) if "argmax(" in text]
