"""What pooling passes back: elements choose where windows lie side by side; but for −0 to the bit."""

import numpy as np
import pytest

from dout import compile

RNG = np.random.default_rng(17)


def rows_of(x, high, wide, stride):
    count, channels, height, width = x.shape
    down, across = (height - high) // stride[0] + 1, (width - wide) // stride[1] + 1
    parts = np.zeros((count, channels, high, wide, down, across), x.dtype)
    for i in range(high):
        for j in range(wide):
            parts[:, :, i, j] = x[:, :, i : i + stride[0] * down : stride[0], j : j + stride[1] * across : stride[1]]
    return parts.transpose(0, 4, 5, 1, 2, 3).reshape(-1, high * wide), down, across


def image_of(rows, shape, high, wide, stride, down, across):
    parts = rows.reshape(shape[0], down, across, shape[1], high, wide).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape, rows.dtype)
    for i in range(high):
        for j in range(wide):
            x[:, :, i : i + stride[0] * down : stride[0], j : j + stride[1] * across : stride[1]] += parts[:, :, i, j]
    return x


def pooling(high, wide, stride, place=np.argmax, axis=1):
    """A step through pooling and back, behind a Relu, as a network takes it; `place` finds the place in each row."""

    def step(x, dout):
        mask = x <= 0
        rows, down, across = rows_of(np.where(mask, 0, x), high, wide, stride)
        places = place(rows, axis=axis)
        dout = dout.transpose(0, 2, 3, 1)
        back = np.zeros((dout.size, high * wide), dout.dtype)
        back[np.arange(places.size), places.flatten()] = dout.flatten()
        dx = image_of(back.reshape(dout.shape[0] * down * across, -1), x.shape, high, wide, stride, down, across)
        return np.where(mask, 0, dx), places

    return step


def steps_of(fast):
    return " ".join(step.text for step in fast.plan().programs[-1].steps)


def given(shape, window, stride, dtype, channels_last):
    x = RNG.integers(-3, 4, shape).astype(dtype)  # many are equal
    out = [(n - k) // s + 1 for n, k, s in zip(shape[2:], window, stride, strict=True)]
    dout = RNG.normal(size=(*shape[:2], *out)).astype(dtype)
    dout[0, 0, 0, 0] = np.nan
    if channels_last:
        x, dout = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, dout))
    return x, dout


def check(step, *arrays):
    fast = compile(step)
    for _ in range(3):
        for found, right in zip(fast(*arrays), step(*arrays), strict=True):
            np.testing.assert_array_equal(found, right, strict=True)
    return steps_of(fast)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, float])
@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 3)])
def test_windows_side_by_side_need_no_rows(window, dtype, channels_last):
    shape = (6, 5, 4 * window[0], 20 * window[1])
    text = check(pooling(*window, window), *given(shape, window, window, dtype, channels_last))
    assert "fold" not in text
    assert "zeros" not in text


@pytest.mark.one_in(2)
@pytest.mark.parametrize("seed", range(12))
def test_random_pooling_passes_back_what_numpy_does(seed):
    rng = np.random.default_rng(seed)
    window = tuple(int(n) for n in rng.integers(1, 4, 2))
    stride = window if rng.random() < 0.6 else tuple(int(n) for n in rng.integers(1, 4, 2))
    shape = (*rng.integers(1, 9, 2), *(k * 8 + int(rng.integers(3) * (rng.random() < 0.4)) for k in window))
    shape = tuple(int(n) for n in shape)
    place = np.argmin if rng.random() < 0.3 else np.argmax
    check(pooling(*window, stride, place, axis=-1), *given(shape, window, stride, float, rng.random() < 0.5))


def test_windows_that_overlap_or_leave_a_border_are_added_up():
    for shape, stride in (((6, 5, 17, 40), (2, 2)), ((6, 5, 16, 40), (1, 2))):
        assert "fold" in check(pooling(2, 2, stride), *given(shape, (2, 2), stride, float, True))


def test_places_that_are_not_of_the_rows_are_looked_up():
    def backwards(rows, axis):
        return -1 - np.argmax(rows, axis=axis)

    x, dout = given((6, 5, 16, 40), (2, 2), (2, 2), float, True)
    check(pooling(2, 2, (2, 2), backwards), x, dout)
    beyond = pooling(2, 2, (2, 2), lambda rows, axis: np.argmax(np.hstack((rows, rows + 1)), axis=axis))
    fast = compile(beyond)
    for _ in range(3):
        with pytest.raises(IndexError):
            fast(x, dout)
