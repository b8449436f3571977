"""Products that are added to an array are those of NumPy, and added once."""

import numpy as np
import pytest

import dout
from dout.engine.passes import group_products
from dout.engine.runtime import blas_threads, shared_products


def drawn(*shape, dtype=np.float32, seed=0):
    return np.rint(4 * np.random.default_rng(sum(shape) + seed).normal(size=shape)).astype(dtype)


def same(function, *given, strict=False, into=0):
    """The steps of the compiled function, which changes what it is given as the plain one does; whole numbers."""
    fast = dout.compile(function, strict=strict)
    for seed in range(4):
        plain, ours = ([item.copy("K") for item in given] for _ in range(2))
        if seed:
            plain[into] += seed
            ours[into] += seed
        right, found = function(*plain), fast(*ours)
        for one, other in zip([*plain, right], [*ours, found], strict=True):
            np.testing.assert_array_equal(one, other)
    (program,) = fast.plan().programs
    return [step.text for step in program.steps]


def grow(W, x, d):
    W += np.dot(x.T, d)


# Whole tiles, ragged ones, too small for one, and cut into parts: of rows, of columns and of sums.
SIZES = [(20, 100, 400), (20, 100, 300), (7, 9, 11), (3, 2, 1), (50, 4000, 60), (50, 60, 4000), (9000, 20, 30)]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("dtype", [np.float32, float])
@pytest.mark.parametrize(("count", "rows", "columns"), SIZES)
def test_a_gradient_grows_by_a_product(count, rows, columns, dtype):
    steps = same(grow, *(drawn(*s, dtype=dtype) for s in ((rows, columns), (count, rows), (count, columns))))
    assert [step for step in steps if "dot(" in step] == ["W_2 = W + dot(t1, d)"]


GIVEN = drawn(100, 48), drawn(20, 100), drawn(20, 48)


def turned(W, x, d):
    W += x.T @ d
    return W.T @ W


def kept(W, x, d):
    product = x.T @ d
    W += product
    return product


def read_before(W, x, d):
    before = 2 * W
    W += x.T @ d
    return before


def read_between(W, x, d):
    product = np.dot(x.T, d)
    total = np.tanh(0 * W) + W.sum() + product.sum()
    W += np.dot(x.T, d)
    return total


def twice(W, x, d):
    W += np.dot(x.T, d)
    W += np.dot(x.T, 2 * d)


def added_from_the_left(W, x, d):
    W[...] = np.dot(x.T, d) + W


def taken_away(W, x, d):
    W -= np.dot(x.T, d)


def row_of(W, x, d):
    W += np.dot(x.T, d)[0]


@pytest.mark.parametrize(
    "function", [turned, kept, read_before, read_between, twice, added_from_the_left, taken_away, row_of]
)
def test_what_else_is_done_with_a_product_or_its_array_is_as_before(function):
    same(function, *GIVEN)


def in_a_loop(W, x, d):
    total = np.zeros_like(W)
    for i in range(4):
        total += np.dot(x.T, d + i)  # the first is added to zeros
    return total


def of_two_products(W, x, d):
    return np.dot(x.T, d) + np.dot(2 * x.T, 3 * d)


def read_again(W, x, d):
    total = np.tanh(0 * W) + W
    return total + np.dot(x.T, d), total


def a_part_of_another(W, x, d):
    whole = np.concatenate([W, W + 1])
    return np.concatenate([whole[: len(W)] + np.dot(x.T, d), whole])


def given_and_kept(W, x, d):
    return W + np.dot(x.T, d)


def doubled(W, x, d):
    product = np.dot(x.T, d)
    return product + product


@pytest.mark.parametrize(
    ("function", "many"),
    [(in_a_loop, 2), (of_two_products, 1), (read_again, 0), (a_part_of_another, 0), (given_and_kept, 0), (doubled, 0)],
)
def test_a_sum_that_nothing_else_reads_grows_by_a_product(function, many):
    steps = same(function, *GIVEN)
    assert sum("+ dot(" in step for step in steps) == many


def test_an_array_that_is_a_factor_is_read_before_it_is_written():
    def powers(W, A):
        W += np.dot(A, W)

    def its_transpose(W, A):
        W += np.dot(A, W.T)

    def both(W, A):
        W += np.dot(A, A)
        return np.dot(A, W)

    for function in (powers, its_transpose, both):
        same(function, drawn(40, 40), drawn(40, 40, seed=1))


@pytest.mark.parametrize("how", [np.asfortranarray, lambda W: np.repeat(W, 2, axis=1)[:, ::2]])
def test_arrays_that_are_not_in_rows(how):
    same(grow, how(GIVEN[0]), *GIVEN[1:])


def test_two_gradients_and_two_products_are_one_step(monkeypatch):
    monkeypatch.setattr(group_products, "cores", lambda: 2)

    def backward(dWx, dWh, gates, x, h, W):
        dWx += np.dot(x.T, gates)
        dWh += np.dot(h.T, gates)
        return np.dot(gates, W.T)

    shapes = (100, 400), (100, 400), (20, 400), (20, 100), (20, 100), (100, 400)
    steps = same(backward, *(drawn(*shape, seed=i) for i, shape in enumerate(shapes)))
    assert [step.count("dot(") for step in steps if "dot(" in step] == [3]


def test_strict_programs_add_afterwards():
    steps = same(grow, *GIVEN, strict=True)
    assert not any("+ dot(" in step for step in steps)


@pytest.mark.skipif(blas_threads.threads() is None, reason="this BLAS has no switch that we know")
@pytest.mark.parametrize("lies", [lambda x: x, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
def test_products_that_the_blas_cannot_take_are_added_too(lies):
    x, y, out = lies(drawn(20, 100)), drawn(100, 48), drawn(20, 48)
    right = out + x @ y
    shared_products.together([np.dot], [True])(x, y, out)
    np.testing.assert_array_equal(out, right)
