"""Small products go on one thread of the BLAS, and leave its threads as they were."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dout
from dout.engine.runtime import blas_threads, shared_products

pytestmark = pytest.mark.skipif(blas_threads.threads() is None, reason="this BLAS has no switch that we know")


def test_a_product_sees_one_thread_and_leaves_them_as_they_were():
    before, seen = blas_threads.threads(), []
    product = blas_threads.alone(lambda x, y, out: seen.append(blas_threads.threads()) or np.dot(x, y, out))
    x, y, out = np.ones((2, 3)), np.arange(12.0).reshape(3, 4), np.empty((2, 4))
    assert product(x, y, out) is out
    np.testing.assert_array_equal(out, x @ y)
    assert seen == [1]
    assert blas_threads.threads() == before


def test_an_error_leaves_them_too():
    before = blas_threads.threads()
    with pytest.raises(ValueError, match="not aligned"):
        blas_threads.alone(np.dot)(np.ones((2, 3)), np.ones((2, 3)), np.empty((2, 3)))
    assert blas_threads.threads() == before


def lying(rows, columns, how, dtype):
    x = np.random.default_rng(rows * columns).normal(size=(rows, columns)).astype(dtype)
    if how == "part of rows":
        return np.hstack([x, x])[:, columns // 2 : columns // 2 + columns]
    return np.asfortranarray(x) if how == "columns" else x


# In many parts, in pieces of sums, few rows that meet many, and many rows with few columns or short sums.
LONG = [(30000, 40, 6), (6, 40, 30000), (30, 30000, 20), (20, 400, 100), (4, 33, 65)]
LONG += [(20000, 150, 16), (101, 129, 31), (113, 300, 17), (97, 1, 1), (96, 32, 200), (8, 1300, 27), (150, 1025, 3)]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", [np.float32, float])
@pytest.mark.parametrize("size", [(300, 40, 50), (7, 9000, 5), (10, 20, 900), (1, 5000, 1), (3, 2, 1), *LONG])
@pytest.mark.parametrize(
    "how", [("rows", "rows"), ("columns", "part of rows"), ("part of rows", "columns"), ("columns", "columns")]
)
def test_a_product_in_parts_is_the_product(how, size, dtype):
    (rows, inner, columns), called = size, []
    product = shared_products.together([lambda *given: called.append(given)])
    x, y, out = (
        lying(rows, inner, how[0], dtype),
        lying(inner, columns, how[1], dtype),
        np.empty((rows, columns), dtype),
    )
    before = blas_threads.threads()
    for _ in range(2):
        product(x, y, out)
    if not called:  # the BLAS and the machine are known
        near = 1e-12 if dtype is float else 1e-4
        np.testing.assert_allclose(out, x.astype(float) @ y.astype(float), rtol=near, atol=near * inner)
    assert blas_threads.threads() == before


# Whole and ragged tiles, sums of one vector and of parts of vectors, and what is too small for a tile.
SMALL = [(20, 100, 400), (20, 401, 100), (100, 20, 64), (4, 1, 16), (5, 7, 33), (23, 17, 40), (9, 130, 4), (16, 97, 5)]
SMALL += [(3, 9, 16), (4, 40, 15), (3, 200, 4), (2, 300, 9), (50, 256, 20), (8, 8, 8), (4, 0, 32)]


@pytest.mark.parametrize("dtype", [np.float32, float])
@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("left", ["rows", "part of rows", "columns"])
@pytest.mark.parametrize("right", ["rows", "part of rows", "columns"])
def test_small_products_of_whole_numbers_are_exact(left, right, size, dtype):
    (rows, inner, columns), product = size, shared_products.together([np.dot] * 2, [False, True])
    x, y = np.rint(9 * lying(rows, inner, left, dtype)), np.rint(9 * lying(inner, columns, right, dtype))
    room, grown = np.full((rows + 2, columns), np.nan, dtype), np.arange(rows * columns, dtype=dtype)
    for _ in range(2):
        product(x, y, room[1:-1], x, y, grown.reshape(rows, columns))
    right = x.astype(int) @ y.astype(int)
    np.testing.assert_array_equal(room[1:-1], right)
    np.testing.assert_array_equal(grown, np.arange(rows * columns) + 2 * right.ravel())
    assert np.isnan(room[[0, -1]]).all()


@pytest.mark.parametrize("adds", [False, True])
def test_a_product_of_columns_is_exact_and_is_added(adds):
    x, y, out = np.asfortranarray(np.ones((5, 700))), np.asfortranarray(np.eye(700, 9) * 3), np.full((5, 9), 2.0)
    product = shared_products.together([np.dot], [adds])
    for _ in range(2):
        product(x, y, out)
    np.testing.assert_array_equal(out, np.full((5, 9), 8.0 if adds else 3.0))


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_small_products_keep_what_is_no_number_to_its_row_and_column(special):
    x, y, product = drawn(20, 100), drawn(100, 40), shared_products.together([np.dot] * 2)
    x[3, 99], turned = special, np.asfortranarray(y)
    first, second = np.empty((20, 40), np.float32), np.empty((20, 40), np.float32)
    product(x, y, first, x, turned, second)
    for out in (first, second):
        np.testing.assert_array_equal(np.isfinite(out), np.arange(20)[:, None] != np.full(40, 3))


@pytest.mark.parametrize(
    ("left", "right"), [(np.ones((4, 6))[:, ::2], np.ones((3, 2))), (np.ones((4, 3), "f4"), np.ones((3, 2)))]
)
def test_matrices_that_the_blas_cannot_take_are_left_to_numpy(left, right):
    out = np.empty((4, 2), np.result_type(left, right))
    shared_products.together([np.dot])(left, right, out)
    np.testing.assert_array_equal(out, np.full((4, 2), 3))


def test_products_side_by_side_are_those_of_numpy_also_where_they_lie_otherwise_at_the_next_call():
    run, rng = shared_products.together([np.dot, np.matmul, np.dot]), np.random.default_rng(3)
    for how in ("rows", "part of rows", "columns", "rows"):
        x, gates, W = lying(20, 100, how, np.float32), lying(20, 400, how, np.float32), rng.normal(size=(100, 400))
        factors = [(x.T, gates), (gates, W.astype(np.float32).T), (gates[:, ::2], gates[:, :200].T)]
        outs = [np.empty((left.shape[0], right.shape[1]), np.float32) for left, right in factors]
        run(*(item for pair, out in zip(factors, outs, strict=True) for item in (*pair, out)))
        for (left, right), out in zip(factors, outs, strict=True):
            np.testing.assert_allclose(out, left.astype(float) @ right, rtol=1e-4, atol=1e-3)


def test_threads_that_multiply_at_the_same_time_get_their_own_products():
    product = shared_products.together([np.dot])

    def work(number):
        x, y, out = np.full((60, 3000), number, np.float32), np.ones((3000, 40), np.float32), np.empty((60, 40), "f4")
        return all(product(x, y, out) is None and (out == 3000 * number).all() for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def heads(*shape, dtype=np.float32):
    """A stack of (batch, heads, rows, columns) in the memory of one of (batch, rows, heads, columns)."""
    batch, many, rows, columns = shape
    return drawn(batch, rows, many, columns, dtype=dtype).transpose(0, 2, 1, 3)


def drawn(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


STACKS = {
    "contiguous": (drawn(3, 5, 8, 6), drawn(3, 5, 6, 9)),
    "heads": (heads(2, 4, 16, 8), heads(2, 4, 16, 8).swapaxes(2, 3)),
    "float64": (heads(2, 4, 16, 8, dtype=float), heads(2, 4, 8, 5, dtype=float)),
    "one matrix and a stack": (drawn(8, 6), drawn(4, 6, 9)),
    "both are repeated": (drawn(3, 1, 8, 6), drawn(5, 6, 9)),
    "reversed": (drawn(4, 8, 6)[::-1], drawn(4, 6, 9)),
    "every other column": (drawn(4, 8, 12)[..., ::2], drawn(4, 6, 9)),
    "nothing to add up": (drawn(4, 8, 0), drawn(4, 0, 9)),
    "no matrices": (drawn(0, 8, 6), drawn(0, 6, 9)),
}


@pytest.mark.parametrize(("x", "y"), STACKS.values(), ids=STACKS)
def test_products_of_stacks_are_numpys(x, y):
    run, right = shared_products.stacked(), np.matmul(x, y)
    for _ in range(2):
        out = np.full_like(right, np.nan)
        run(x, y, out)
        np.testing.assert_allclose(out, right, rtol=1e-4, atol=1e-5)
    other = np.ascontiguousarray(x) + 1
    run(other, y, out)
    np.testing.assert_allclose(out, np.matmul(other, y), rtol=1e-4, atol=1e-4)


def test_heads_and_layers_of_a_block_are_no_products_of_numpys():
    def block(x, W, V):
        q = (x @ W).reshape(4, 64, 8, 16).transpose(0, 2, 1, 3)
        return (np.tanh(q @ q.swapaxes(2, 3)) @ q).transpose(0, 2, 1, 3).reshape(4, 64, 128) @ V

    given = 0.1 * drawn(4, 64, 128), drawn(128, 128), drawn(128, 128)
    fast = dout.compile(block)
    for _ in range(3):
        np.testing.assert_allclose(fast(*given), block(*given), rtol=1e-3, atol=1e-3)
    assert fast.plan().source.count("products") >= 4
    assert not re.search(r"(?<!_)(matmul|dot)\(", fast.plan().source)
