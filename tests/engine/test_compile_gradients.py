"""Compiled gradients are those of `dout.grad` and `dout.value_and_grad`, in their dtype, and so are the errors."""

import numpy as np
import pytest

import dout


@pytest.mark.parametrize("kind", ["?", "i1", "u1", "i8", "u8", "f4", "f8"])
def test_gradients_of_whole_numbers_are_floats(kind):
    def loss(x):
        return np.sum(-2 * x) if kind in ("i1", "i8", "f4", "f8") else np.sum(x * 3)

    fast = dout.compile(dout.grad(loss))
    for _ in range(2):
        dx = fast(np.ones(3, kind))
        assert dx.dtype == (kind if kind in ("f4", "f8") else float)
        np.testing.assert_array_equal(dx, np.full(3, -2.0 if kind in ("i1", "i8", "f4", "f8") else 3.0))


def test_a_gradient_of_unsigned_numbers_may_be_below_zero():
    fast = dout.compile(dout.grad(lambda x: np.sum(5 - x)))
    for _ in range(2):
        np.testing.assert_array_equal(fast(np.arange(3, dtype="u8")), [-1.0, -1.0, -1.0])


@pytest.mark.parametrize("given", [{"W": np.ones(2)}, (np.ones(2), np.ones(2)), [np.ones(2)], "text", None])
def test_what_has_no_gradient_is_refused_as_without_compiling(given):
    def loss(given, x):
        return np.sum(x * x)

    plain = dout.value_and_grad(loss)
    fast = dout.compile(plain)
    for _ in range(3):
        with pytest.raises(dout.TargetError) as refused:
            fast(given, np.ones(2))
        with pytest.raises(dout.TargetError) as expected:
            plain(given, np.ones(2))
        assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
def test_what_the_value_does_not_depend_on_has_a_gradient_of_zeros(kind):
    fast = dout.compile(dout.value_and_grad(lambda x, y, n: np.sum(y), (0, 2)))
    for _ in range(2):
        value, (dx, dn) = fast(np.ones(3, kind), np.ones(2), 1.5)
        assert (value, dn) == (2.0, 0.0)
        assert dx.dtype == (float if kind == "i8" else kind)
        np.testing.assert_array_equal(dx, np.zeros(3))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.fmod(x, 2)),
        lambda x: np.sum(x) * np.float32(x.sum()),
    ],
)
def test_a_gradient_that_cannot_be_given_is_refused_with_the_same_words(function):
    plain = dout.value_and_grad(function)
    fast = dout.compile(plain)
    for _ in range(3):
        with pytest.raises(dout.DoutError) as expected:
            plain(np.ones(2))
        with pytest.raises(type(expected.value)) as refused:
            fast(np.ones(2))
        assert str(refused.value) == str(expected.value)


def test_the_gradient_of_an_array_without_axes_may_be_written_into():
    fast = dout.compile(dout.grad(lambda x: np.sum(x + 1.5)))
    for _ in range(3):
        dx = fast(np.array(6, np.uint8))
        assert dx == 1
        if isinstance(dx, np.ndarray):
            dx[...] = 7
