"""Steps with functions of their own give NumPy's bits: sums of windows, places of extremes, writes at places."""

import numpy as np
import pytest
from engine_graphs import graph_of

import dout
from dout.engine.windows.fold_forms import fold_forms
from dout.ops import PRIMITIVES

RNG = np.random.default_rng(5)
FOLD = PRIMITIVES["fold"]


def col2im(fh, fw, stride, size, dtype=float):
    def function(col):
        h, w = col.shape[-2:]
        image = np.zeros((*col.shape[:2], *size), dtype)
        for y in range(fh):
            for x in range(fw):
                image[:, :, y : y + stride * h : stride, x : x + stride * w : stride] += col[:, :, y, x]
        return image

    return function


def col2im_of_pixels(fh, fw, stride, size):
    def function(col):
        h, w = col.shape[1:3]
        image = np.zeros((len(col), *size, col.shape[-1]), col.dtype)
        for y in range(fh):
            for x in range(fw):
                image[:, y : y + stride * h : stride, x : x + stride * w : stride] += col[:, :, :, y, x]
        return image

    return function


def signal_of_parts(col):
    out = np.zeros((len(col), col.shape[1] + col.shape[2] - 1, col.shape[-1]), col.dtype)
    for i in range(col.shape[2]):
        out[:, i : i + col.shape[1]] += col[:, :, i]
    return out


def from_the_left(col):
    out = np.zeros((*col.shape[:4], col.shape[5] + col.shape[4] - 1))
    for i in range(col.shape[4]):
        out[..., i : i + col.shape[5]] = col[:, :, :, :, i] + out[..., i : i + col.shape[5]]
    return out


FOLDED = {
    "overlapping windows": (col2im(3, 2, 1, (9, 8)), (8, 5, 3, 2, 7, 7)),
    "blocks": (col2im(2, 2, 2, (14, 14), np.float32), (12, 5, 2, 2, 7, 7)),
    "a border that nothing reaches": (col2im(2, 2, 2, (15, 16), np.float32), (12, 5, 2, 2, 7, 7)),
    "channels behind the window": (col2im_of_pixels(3, 3, 1, (9, 9)), (4, 7, 7, 3, 3, 6)),
    "channels behind it, with steps and a border": (col2im_of_pixels(5, 4, 2, (15, 16)), (4, 6, 6, 5, 4, 3)),
    "channels behind one axis": (signal_of_parts, (8, 40, 3, 5)),
    "one axis, the sum on the right": (from_the_left, (8, 5, 4, 2, 3, 7)),
}


@pytest.mark.parametrize(("function", "shape"), FOLDED.values(), ids=FOLDED)
def test_a_loop_of_sums_is_one_step_with_the_same_bits(function, shape):
    col = RNG.normal(size=shape).astype(np.float32)
    fast = dout.compile(function)
    for _ in range(3):
        assert fast(col).tobytes() == function(col).tobytes()
    assert [line.how for line in fast.plan().programs[0].steps if line.text.count("fold(")] == ["kernel"]


def in_another_order(parts):
    out = np.zeros((4, 8))
    for i in (1, 0):
        out[:, i : i + 7] += parts[i]
    return out


def onto_ones(parts):
    out = np.ones((4, 8))
    for i in range(2):
        out[:, i : i + 7] += parts[i]
    return out


def doubled(parts):
    out = np.zeros((4, 8))
    for i in range(2):
        out[:, i : i + 7] += 2 * parts[i]
    return out


def one_twice(parts):
    out = np.zeros((4, 8))
    for i in range(2):
        out[:, i : i + 7] += parts[0]
    return out


@pytest.mark.parametrize("function", [in_another_order, onto_ones, doubled, one_twice])
def test_other_loops_stay(function):
    graph = graph_of(function, RNG.normal(size=(2, 4, 7)))
    assert FOLD not in [node.primitive for node in fold_forms(graph).nodes]


def some_rows(x):
    return x[:, ::2, 1:20]


def as_it_is(x):
    return x


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("part", [as_it_is, some_rows, np.transpose])
@pytest.mark.parametrize("extreme", [np.argmax, np.argmin])
@pytest.mark.parametrize("dtype", [np.float32, float, np.int64, np.uint8])
def test_places_of_extremes_are_numpys(extreme, dtype, part, axis):
    x = RNG.integers(0, 4, size=(24, 22, 23)).astype(dtype)  # many are equal
    if np.dtype(dtype).kind == "f":
        x[RNG.random(x.shape) < 0.1] = np.nan
        x[RNG.random(x.shape) < 0.1] = -np.inf
        x[0, :, 1:3] = [0.0, -0.0]
        x[1, 0], x[2, 1, 3:8] = np.nan, [1, np.nan, 5, np.nan, 7]

    def places(x):
        return extreme(part(x), axis=axis)

    fast = dout.compile(places)
    for _ in range(3):
        np.testing.assert_array_equal(fast(x), places(x))
    assert fast.plan().programs[0].steps[-1].how == "kernel"


@pytest.mark.parametrize(("length", "how"), [(10, "kernel"), (300, "NumPy")])
def test_places_of_extremes_of_long_rows_are_left_to_numpy(length, how):
    def places(x):
        return np.argmax(x, axis=1)

    fast, x = dout.compile(places), RNG.normal(size=(600, length))
    for _ in range(3):
        np.testing.assert_array_equal(fast(x), places(x))
    assert fast.plan().programs[0].steps[-1].how == how


def test_of_several_writes_to_one_place_the_last_one_counts():
    def written(x, i, j, value):
        out = np.zeros_like(x)
        out[i, j] = value
        return out

    x, value = np.ones((50, 100)), RNG.normal(size=9000)
    i, j = RNG.integers(-50, 50, 9000), RNG.integers(-100, 100, 9000)
    fast = dout.compile(written)
    for _ in range(3):
        np.testing.assert_array_equal(fast(x, i, j, value), written(x, i, j, value))
    assert fast.plan().programs[0].steps[-1].how == "kernel"
    j[7000] = 100
    with pytest.raises(IndexError, match="index 100 is out of bounds"):
        fast(x, i, j, value)
    j[7000] = -101
    with pytest.raises(IndexError, match="index -101 is out of bounds"):
        fast(x, i, j, value)


def added(x, value, rows, columns, channels):
    x[:] = 0.5
    np.add.at(x, (slice(None), channels, rows, columns), value)
    return x * 1.0


def embedded(x, value, rows, columns, channels):
    out = np.zeros((30, x.shape[3]), x.dtype)
    np.add.at(out, rows, value[0, :, :, : x.shape[3]])
    return out * 2.0


def written(x, value, rows, columns, channels):
    x[:, channels, rows, columns] = value
    return x * 1.0


@pytest.mark.parametrize("function", [added, embedded, written])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_changes_at_places_that_repeat_give_numpys_bits(function, dtype):
    fast = dout.compile(function)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, value = rng.normal(size=(5, 4, 12, 11)).astype(dtype), rng.normal(size=(5, 36, 40)).astype(dtype)
        value = np.repeat(value[..., None], 15, axis=3) if function is embedded else value
        rows, columns = rng.integers(-12, 12, size=(36, 40)), rng.integers(-11, 11, size=(36, 40))
        if function is embedded:
            rows = rng.integers(0, 30, size=(36, 40))
        channels = rng.integers(0, 4, size=(36, 1))
        ours, theirs = x.copy(), x.copy()
        found = fast(ours, value, rows, columns, channels)
        assert found.tobytes() == function(theirs, value, rows, columns, channels).tobytes()
        assert ours.tobytes() == theirs.tobytes()
    assert "kernel" in [line.how for line in fast.plan().programs[0].steps if " with " in line.text]


def test_numbers_of_sixteen_bits_are_left_to_numpy():
    def changed(x, places):
        out = np.zeros((7, x.shape[1]), x.dtype)
        np.add.at(out, places, x)
        return out, np.argmax(x, axis=1)

    fast, x = dout.compile(changed), RNG.normal(size=(64, 100)).astype(np.float16)
    for _ in range(3):
        for ours, theirs in zip(fast(x, np.arange(64) % 7), changed(x, np.arange(64) % 7), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert fast.plan().programs


def test_a_sum_at_a_place_that_is_not_there_raises_numpys_error():
    fast, rng = dout.compile(added), np.random.default_rng(0)
    x, value = rng.normal(size=(5, 4, 12, 11)), rng.normal(size=(5, 36, 40))
    rows, columns, channels = np.zeros((36, 40), int), np.zeros((36, 40), int), np.zeros((36, 1), int)
    fast(x, value, rows, columns, channels)
    fast(x, value, rows, columns, channels)
    rows[-1, -1] = 12
    with pytest.raises(IndexError, match="index 12 is out of bounds"):
        fast(x, value, rows, columns, channels)
