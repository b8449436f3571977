"""Products that are added up in windows, and patches that are not written: within rounding, and fewer steps."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import dout

RNG = np.random.default_rng(3)


def correlated(x, filters, border):
    """(N, C, H, W) with a border of zeros, and (C, high, wide, F) → (N, F, …)."""
    width = ((0, 0), (0, 0), border, border[::-1])
    windows = sliding_window_view(np.pad(x, width), filters.shape[1:3], axis=(2, 3))
    return np.tensordot(windows, filters, axes=((1, 4, 5), (0, 1, 2))).transpose(0, 3, 1, 2)


def text_of(fast):
    return " ".join(step.text for step in fast.plan().programs[-1].steps)


# Shapes, filters, borders, and whether the image's elements are multiplied.
IMAGES = {
    "many channels": ((6, 24, 9, 8), (24, 3, 3, 4), (2, 2), True),
    "a border on one side": ((6, 24, 9, 6), (24, 3, 3, 4), (2, 1), True),
    "no window of its own at the border": ((6, 24, 9, 8), (24, 4, 2, 3), (1, 0), True),
    "lines that are long enough to be read": ((1, 24, 19, 18), (24, 3, 3, 4), (1, 1), False),
    "few channels": ((6, 4, 16, 18), (4, 3, 3, 8), (2, 2), False),
    "a border wider than a window": ((6, 24, 9, 8), (24, 2, 2, 4), (2, 2), False),
}


@pytest.mark.parametrize(("shape", "size", "border", "around"), IMAGES.values(), ids=IMAGES)
def test_patches_of_many_channels_are_products_of_elements_added_up_around_their_places(shape, size, border, around):
    x, filters = RNG.normal(size=shape), RNG.normal(size=size)

    def convolved(x, filters):
        return correlated(x, filters, border)

    fast, strict = dout.compile(convolved), dout.compile(convolved, strict=True)
    for _ in range(3):
        np.testing.assert_allclose(fast(x, filters), convolved(x, filters), rtol=1e-10, atol=1e-10)
        assert strict(x, filters).tobytes() == convolved(x, filters).tobytes()
    assert ("fold(" in text_of(fast)) == around


@pytest.mark.parametrize("odd", [np.inf, np.nan, 1e308])
def test_results_are_finite_where_those_of_patches_are(odd):
    def convolved(x, filters):
        return correlated(x, filters, (2, 2))

    x, filters = RNG.normal(size=(6, 24, 9, 8)), RNG.normal(size=(24, 3, 3, 4))
    fast = dout.compile(convolved)
    for _ in range(2):
        fast(x, filters)
    for place in ((3, 0, 0, 1), (5, 2, 1, 2), (0, 1, 1, 3)):  # one for each result: two may cancel, in some orders
        filters[place] = odd
    with np.errstate(all="ignore"):
        plain = convolved(x, filters)
        result = fast(x, filters)
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(plain))
    np.testing.assert_allclose(result[:, 0], plain[:, 0], rtol=1e-10, atol=1e-10)
    assert "fold(" in text_of(fast)


def test_patches_that_others_need_stay():
    def convolved(x, filters):
        windows = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))), (3, 3), axis=(2, 3))
        rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 24 * 9)
        return rows @ filters, rows.sum(axis=0)

    x, filters = RNG.normal(size=(6, 24, 9, 8)), RNG.normal(size=(216, 4))
    fast = dout.compile(convolved)
    for _ in range(3):
        for mine, own in zip(fast(x, filters), convolved(x, filters), strict=True):
            np.testing.assert_allclose(mine, own, rtol=1e-10, atol=1e-10)
    assert "fold(" not in text_of(fast)


@pytest.mark.parametrize("channels", [2, 16])
@pytest.mark.parametrize("step", [1, 2])
def test_windows_of_a_product_add_up_as_they_lie(channels, step):
    def image(dout, filters):
        parts = (dout @ filters).reshape(4, 9, 9, channels, 3, 3).transpose(0, 3, 4, 5, 1, 2)
        out = np.zeros((4, channels, 8 * step + 3, 8 * step + 3), dout.dtype)
        for i in range(3):
            for j in range(3):
                out[:, :, i : i + 9 * step : step, j : j + 9 * step : step] += parts[:, :, i, j]
        return out

    given = RNG.normal(size=(4 * 81, 8)).astype(np.float32), RNG.normal(size=(8, channels * 9)).astype(np.float32)
    fast = dout.compile(image)
    for _ in range(3):
        np.testing.assert_allclose(fast(*given), image(*given), rtol=1e-4, atol=1e-5)
    assert ("fold(" in text_of(fast)) == (step == 2 or channels == 2)  # others are products of patches


def columns_of(x, last):
    """Columns of windows as `x[:, k, i, j]` leaves them: images innermost; or with the images first."""
    k, i, j = np.indices((x.shape[1], 3, 3)).reshape(3, -1, 1)
    down, across = np.indices((x.shape[2] - 2, x.shape[3] - 2)).reshape(2, 1, -1)
    columns = x[:, k, i + down, j + across]
    return columns if last else np.ascontiguousarray(columns)


@pytest.mark.parametrize("last", [True, False])
def test_a_matrix_times_columns_that_lie_side_by_side_is_one_product(last):
    def forward(columns, w):
        return w @ columns

    given = columns_of(RNG.normal(size=(8, 4, 12, 12)), last), RNG.normal(size=(5, 36))
    fast = dout.compile(forward)
    for _ in range(3):
        np.testing.assert_allclose(fast(*given), forward(*given), rtol=1e-10, atol=1e-12)
        assert fast(*given).strides == forward(*given).strides
    assert ("(36, 800)" in text_of(fast)) == last


@pytest.mark.parametrize("last", [True, False])
def test_products_that_are_only_added_up_are_one_product_where_that_copies_little(last):
    def gradient(columns, dout):
        return (dout @ columns.transpose(0, 2, 1)).sum(axis=0)

    columns, dout_ = columns_of(RNG.normal(size=(8, 4, 12, 12)), last), RNG.normal(size=(8, 5, 100))
    fast = dout.compile(gradient)
    for _ in range(3):
        np.testing.assert_allclose(fast(columns, dout_), gradient(columns, dout_), rtol=1e-10, atol=1e-12)
    assert ("(800, 5)" in text_of(fast)) == last


def test_products_that_someone_else_needs_are_made_one_by_one():
    def both(x, y):
        each = x @ y
        return each.sum(axis=0), each

    given = RNG.normal(size=(6, 5, 40)), RNG.normal(size=(6, 40, 60))
    fast = dout.compile(both)
    for _ in range(3):
        for mine, own in zip(fast(*given), both(*given), strict=True):
            np.testing.assert_allclose(mine, own, rtol=1e-10, atol=1e-12)
