"""Products of patches read images: whole numbers come out exactly, and fewer bytes are moved."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import dout
from dout.engine.passes import pipeline
from dout.engine.runtime import shared_products
from dout.layers import Convolution

RNG = np.random.default_rng(5)


def whole(*shape, dtype=np.float32):
    return RNG.integers(-4, 5, shape).astype(dtype)


def rows_of(x, high, wide):
    """(N, C, H, W) → rows of patches, by two loops."""
    down, across = x.shape[2] - high + 1, x.shape[3] - wide + 1
    parts = np.zeros((*x.shape[:2], high, wide, down, across), x.dtype)
    for i in range(high):
        for j in range(wide):
            parts[:, :, i, j] = x[:, :, i : i + down, j : j + across]
    return parts.transpose(0, 4, 5, 1, 2, 3).reshape(len(x) * down * across, -1)


def image_of(rows, shape, high, wide):
    """The sums of patches, back in images."""
    count, channels, height, width = shape
    down, across = height - high + 1, width - wide + 1
    parts = rows.reshape(count, down, across, channels, high, wide).transpose(0, 3, 4, 5, 1, 2)
    out = np.zeros(shape, rows.dtype)
    for i in range(high):
        for j in range(wide):
            out[:, :, i : i + down, j : j + across] += parts[:, :, i, j]
    return out


class Layer:
    """A convolution as books have it; `keeps` its patches, or makes them again."""

    def __init__(self, W, pad, keeps):
        self.W, self.pad, self.keeps = W, pad, keeps

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        filters, _, high, wide = self.W.shape
        rows = rows_of(self.x, high, wide)
        if self.keeps:
            self.rows = rows
        out = rows @ self.W.reshape(filters, -1).T
        count, _, height, width = self.x.shape
        return out.reshape(count, height - high + 1, width - wide + 1, filters).transpose(0, 3, 1, 2)

    def backward(self, dout):
        filters, _, high, wide = self.W.shape
        rows = self.rows if self.keeps else rows_of(self.x, high, wide)
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, filters)
        self.dW = (rows.T @ flat).T.reshape(self.W.shape)
        dx = image_of(flat @ self.W.reshape(filters, -1), self.x.shape, high, wide)
        return dx[:, :, self.pad : self.x.shape[2] - self.pad, self.pad : self.x.shape[3] - self.pad]


class Views(Layer):
    """The same by views of windows."""

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        self.windows = sliding_window_view(self.x, self.W.shape[2:], axis=(2, 3))
        return np.tensordot(self.windows, self.W, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)

    def backward(self, dout):
        super().backward(dout)
        self.dW = np.tensordot(dout, self.windows, axes=((0, 2, 3), (0, 2, 3)))
        border = self.W.shape[2] - 1 - self.pad
        wide = np.pad(dout, ((0, 0), (0, 0), (border, border), (border, border)))
        windows = sliding_window_view(wide, self.W.shape[2:], axis=(2, 3))
        return np.tensordot(windows, self.W[:, :, ::-1, ::-1], axes=((1, 4, 5), (0, 2, 3))).transpose(0, 3, 1, 2)


class Columns(Layer):
    """Patches are columns, which the layer keeps, and the weights come first."""

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        filters, channels, high, wide = self.W.shape
        count, _, height, width = self.x.shape
        down, across = height - high + 1, width - wide + 1
        channel, row, column = (place.reshape(-1, 1) for place in np.indices((channels, high, wide)))
        rows, columns = (place.reshape(1, -1) for place in np.indices((down, across)))
        picked = self.x[:, channel, row + rows, column + columns]
        self.columns = picked.transpose(1, 2, 0).reshape(channels * high * wide, -1)
        out = self.W.reshape(filters, -1) @ self.columns
        self.rows = self.columns.reshape(-1, down, across, count).transpose(3, 1, 2, 0).reshape(-1, len(self.columns))
        return out.reshape(filters, down, across, count).transpose(3, 0, 1, 2)


def text_of(fast):
    return " ".join(step.text for program in fast.plan().programs for step in program.steps)


CASES = {
    "as large as the image": ((3, 16, 20, 18), (16, 16, 3, 3), 1),
    "no border": ((2, 16, 19, 23), (8, 16, 3, 3), 0),
    "a wide border": ((2, 16, 14, 17), (8, 16, 3, 3), 2),
    "ragged": ((5, 7, 16, 21), (11, 7, 5, 5), 2),
    "short lines": ((6, 32, 8, 8), (48, 32, 3, 3), 1),
    "one image": ((1, 16, 30, 30), (24, 16, 3, 3), 1),
}


KINDS = {
    "kept": lambda W, pad: Layer(W, pad, True),
    "made again": lambda W, pad: Layer(W, pad, False),
    "views": lambda W, pad: Views(W, pad, False),
    "columns": lambda W, pad: Columns(W, pad, True),
}
RUNS = [
    ("as large as the image", "kept", np.float32), ("as large as the image", "made again", np.float64),
    ("no border", "made again", np.float32), ("no border", "views", np.float64),
    ("a wide border", "kept", np.float64), ("ragged", "made again", np.float32), ("ragged", "views", np.float32),
    ("short lines", "kept", np.float32), ("one image", "views", np.float32),
    ("as large as the image", "columns", np.float32), ("ragged", "columns", np.float64),
]  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("case", "kind", "dtype"), RUNS)
def test_whole_numbers_come_out_exactly(case, kind, dtype):
    (shape, filters, pad), make = CASES[case], KINDS[kind]
    plain, layer = (make(W, pad) for W in [whole(*filters, dtype=dtype)] * 2)
    fast = dout.compile(layer)
    for _ in range(3):
        x = whole(*shape, dtype=dtype)
        expected = plain.forward(x)
        np.testing.assert_array_equal(fast.forward(x), expected)
        d = whole(*expected.shape, dtype=dtype)
        np.testing.assert_array_equal(fast.backward(d), plain.backward(d))
        np.testing.assert_array_equal(fast.dW, plain.dW)
        if plain.keeps:
            np.testing.assert_array_equal(fast.rows, plain.rows)
    if shared_products.takes_patches(dtype) and case != "short lines":
        assert "patches(" in text_of(fast)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("window", [(3, 3), (1, 4), (5, 2)])
def test_native_products_of_patches_are_numpys(window, threads, transposed, monkeypatch):
    if not shared_products.takes_patches(np.float32):
        pytest.skip("vectors are too short")
    monkeypatch.setattr(shared_products.threads, "number", lambda: threads)
    for count, height, width, depth, columns in [(1, 5, 30, 16, 16), (4, 9, 9, 3, 70), (3, 6, 7, 1, 1)]:
        image = whole(count, height, width, depth)
        rows = count * (height - window[0] + 1) * (width - window[1] + 1)
        matrix = whole(rows if transposed else window[0] * window[1] * depth, columns)
        results = [np.full((window[0] * window[1] * depth if transposed else rows, columns), 7, "f4") for _ in range(2)]
        shared_products.of_patches(window, transposed)(image, matrix, results[0])
        shared_products.by_numpy(window, transposed)(image, matrix, results[1])
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", [(4, 1), (1, 1), (1, 2)])
def test_nothing_is_written_beside_the_results_of_thin_windows(window, dtype, monkeypatch):
    if not shared_products.takes_patches(dtype):
        pytest.skip("vectors are too short")
    monkeypatch.setattr(shared_products.threads, "number", lambda: 2)
    length = window[0] * window[1]
    for count, columns in [(3, 24), (1, 1), (2, 17)] * 20:
        image = whole(count, 9, 13, 1, dtype=dtype)
        matrix = whole(count * (10 - window[0]) * (14 - window[1]), columns, dtype=dtype)
        memory = np.full(length * columns + 1024, 7, dtype)
        out = memory[512:-512].reshape(length, columns)
        shared_products.of_patches(window, True)(image, matrix, out)
        rows = sliding_window_view(image, window, (1, 2)).transpose(0, 1, 2, 4, 5, 3).reshape(-1, length)
        np.testing.assert_array_equal(out, rows.T @ matrix)
        assert {*memory[:512], *memory[-512:]} == {7}


def lying(x, d, high, wide):
    """Patches as they lie in images (N, H, W, C), their product by rows, and the product of their transpose by that."""
    views = sliding_window_view(x, (high, wide), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
    rows = views.reshape(len(x) * views.shape[1] * views.shape[2], high * wide * x.shape[3])
    result = rows @ d
    return result, rows.T @ (result - 1)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("window", [(4, 1), (1, 1), (3, 3)])
def test_patches_of_one_channel_compile(window):
    def run(x, d):
        return lying(x, d, *window)

    fast, d = dout.compile(run), whole(window[0] * window[1], 16)
    for _ in range(10):
        x = whole(32, 30, 30, 1)
        for got, expected in zip(fast(x, d), run(x, d), strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("counts", [(8, 8, 0, 8, 0, 0, 8), (0, 0, 0, 8, 8, 8, 0)])
@pytest.mark.filterwarnings("error")
def test_a_batch_may_be_empty(counts):
    def run(x, d):
        return lying(x, d, 3, 3)

    fast, d = dout.compile(run), whole(9 * 16, 16)
    for count in counts:
        x = whole(8, 20, 20, 16)[:count]
        for got, expected in zip(fast(x, d), run(x, d), strict=True):
            np.testing.assert_array_equal(got, expected)
    assert not any(function.plainly for function in fast.plan().functions)
    if shared_products.takes_patches(np.float32):
        assert "patches(" in text_of(fast)


@pytest.mark.parametrize("shape", [(0, 9, 9, 3), (2, 9, 9, 0)])
@pytest.mark.parametrize("transposed", [False, True])
def test_sums_of_nothing_are_zeros(shape, transposed):
    if not shared_products.takes_patches(np.float32):
        pytest.skip("vectors are too short")
    image, places, line = np.zeros(shape, "f4"), shape[0] * 7 * 8, 3 * 2 * shape[3]
    out = np.full((line if transposed else places, 5), 7, "f4")
    shared_products.of_patches((3, 2), transposed)(image, whole(places if transposed else line, 5), out)
    np.testing.assert_array_equal(out, np.zeros_like(out))


def test_patches_that_lie_well_are_read_where_that_costs_less():
    def run(x, d):
        return lying(x, d, 3, 3)[0]

    if not shared_products.takes_patches(np.float32):
        pytest.skip("vectors are too short")
    for shape, columns, read in [((200, 5, 5, 3), 9, False), ((64, 28, 28, 1), 16, True), ((32, 14, 14, 8), 16, True)]:
        fast = dout.compile(run)
        for _ in range(2):
            fast(whole(*shape), whole(9 * shape[3], columns))
        assert ("patches(" in text_of(fast)) == read


def test_columns_that_are_kept_are_read_from_the_image_where_that_costs_less():
    if not shared_products.takes_patches(np.float32):
        pytest.skip("vectors are too short")
    for channels, read in [(16, True), (8, False)]:  # measured: 754 µs read and 991 written, 392 and 344
        W = whole(channels, channels, 3, 3)
        plain, fast = Columns(W, 1, True), dout.compile(Columns(W, 1, True))
        for _ in range(3):
            x = whole(16, channels, 16, 16)
            np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
            np.testing.assert_array_equal(fast.columns, plain.columns)
        assert ("patches(" in text_of(fast.forward)) == read


def test_another_batch_size_and_images_with_other_strides():
    plain, fast = (Layer(W, 1, False) for W in [whole(16, 16, 3, 3)] * 2)
    fast = dout.compile(fast)
    for count in (4, 4, 4, 2, 2, 2, 4):
        x = whole(count, 20, 16, 18).transpose(0, 2, 1, 3)[:, :, ::1]
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        d = whole(count, 16, 18, 20).transpose(0, 1, 3, 2)[:, :, :20]
        np.testing.assert_array_equal(fast.backward(d), plain.backward(d))


def test_strict_keeps_every_bit():
    plain, fast = (Layer(W, 1, False) for W in [RNG.normal(size=(16, 16, 3, 3))] * 2)
    fast = dout.compile(fast, strict=True)
    x = RNG.normal(size=(2, 16, 18, 18))
    for _ in range(3):
        d = plain.forward(x)
        assert fast.forward(x).tobytes() == d.tobytes()
        assert fast.backward(d).tobytes() == plain.backward(d).tobytes()


def test_a_nan_stays_where_it_was():
    plain, fast = (Layer(W, 1, False) for W in [whole(16, 16, 3, 3)] * 2)
    fast = dout.compile(fast)
    for odd in (1, 1, np.nan, np.inf):
        x, d = whole(2, 16, 18, 18), whole(2, 16, 18, 18)
        x[1, 3, 0, 17] = d[0, 2, 5, 0] = odd
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
            np.testing.assert_array_equal(fast.backward(d), plain.backward(d))


def test_without_the_pass_more_bytes_are_moved(monkeypatch):
    def moved():
        layer = dout.compile(Layer(whole(16, 16, 3, 3), 1, False))
        x = whole(4, 16, 20, 20)
        for _ in range(2):
            layer.backward(layer.forward(x))
        return sum(program.nbytes for program in layer.plan().programs)

    if not shared_products.takes_patches(np.float32):
        pytest.skip("vectors are too short")
    less = moved()
    passes = tuple(one for one in pipeline.PASSES if one.__name__ != "patch_products")
    monkeypatch.setattr(pipeline, "PASSES", passes)
    assert moved() > 1.5 * less


def test_few_numbers_stay_as_they_are():
    layer = dout.compile(Layer(whole(4, 2, 3, 3), 1, False))
    x = whole(1, 2, 6, 6)
    for _ in range(2):
        layer.backward(layer.forward(x))
    assert "patches(" not in text_of(layer)


def test_convolution_of_dout_layers():
    W, b = whole(16, 16, 3, 3), whole(16)
    plain, fast = Convolution(W, b, 1, 1), dout.compile(Convolution(W, b, 1, 1))
    x, d = whole(4, 16, 20, 20), whole(4, 16, 20, 20)
    for _ in range(3):
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        np.testing.assert_array_equal(fast.backward(d), plain.backward(d))
        np.testing.assert_array_equal(fast.dW, plain.dW)
    if shared_products.takes_patches(np.float32):
        assert text_of(fast).count("patches(") > 2
        assert ").T @" in text_of(fast)  # the weights' gradient, over all images at once


def patches_down(x, W):
    return np.sum(sliding_window_view(x, (3, 3), axis=(1, 2)).reshape(len(x), -1, 9) @ W, axis=0)


def patches_across(x, W):
    rows = sliding_window_view(x, (3, 3), axis=(1, 2)).transpose(0, 3, 4, 1, 2).reshape(len(x), 9, -1)
    return np.sum(W @ rows, axis=0)


def over_the_places(x, W):
    rows = sliding_window_view(x, (3, 3), axis=(1, 2)).transpose(0, 3, 4, 1, 2).reshape(len(x), 9, -1)
    return np.sum(rows @ W, axis=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("added", "shape", "weights"),
    [(patches_down, (2, 200, 200), (9, 8)), (patches_across, (2, 200, 200), (8, 9)),
     (over_the_places, (2, 200, 200), (198 * 198, 8)), (patches_down, (64, 30, 30), (9, 4))],
)  # fmt: skip
def test_products_with_weights_of_each_sample_are_added_up(added, shape, weights, dtype):
    fast = dout.compile(added)
    for _ in range(2):
        x, W = whole(*shape, dtype=dtype), whole(shape[0], *weights, dtype=dtype)
        np.testing.assert_array_equal(fast(x, W), added(x, W))
