"""What a kernel can compute, and that it computes what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

from dout.engine.emit import fusible
from dout.graph import INPUT, Node, topological
from dout.trace.record import record_function

F4, F8 = np.dtype("f4"), np.dtype("f8")
X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


def nodes_of(function, *inputs):
    """The nodes that a plain function computes."""
    trace, _ = record_function(function, inputs, {})
    return [n for n in topological(trace.graph.outputs.values()) if n.inputs or n.static.get("shape")]


def last(function, *inputs):
    return nodes_of(function, *inputs)[-1]


# --- which rows can be part of a kernel -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: x**2,
        lambda x: np.abs(x) ** 1.5,
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.maximum(x, 0),
        lambda x: np.clip(x, -1, 1),
        lambda x: x * (x > 0),
        lambda x: ((x > 0) & ~(x > 1)).astype(np.int64) * 3,
        lambda x: x.astype(np.float64),
        lambda x: x.reshape(3, 1, 4) * 1,
        lambda x: x[:, None] * 1,
        lambda x: np.sum(x, axis=1, keepdims=True),
        lambda x: (x > 0).sum(),
        lambda x: np.max(x, axis=-1),
        lambda x: np.mean(x),
        lambda x: np.sign(x) * np.abs(x),
        lambda x: np.isnan(x) | np.isfinite(x),
    ],
)
def test_rows_of_floats_and_conditions_fit(function):
    assert [n for n in nodes_of(function, X) if not fusible(n)] == []


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x // 2,
        lambda x: x % 2,
        lambda x: x.T,
        lambda x: x[0],
        lambda x: x.reshape(4, 3),
        lambda x: x.astype(int),  # of what no whole number holds, NumPy's is anyone's guess
        lambda x: x.astype(np.float16),
        lambda x: np.sum(x, axis=0, initial=1),
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.argmax(x, axis=0),
        lambda x: x @ x.T,
    ],
)
def test_rows_that_are_not_the_same_in_a_kernel_do_not_fit(function):
    assert not fusible(last(function, X))


def test_whole_numbers_add_and_multiply_but_do_not_divide():
    whole = np.arange(5)
    assert fusible(last(lambda x: x * 2 - 1, whole))
    assert fusible(last(lambda x: x / 2, whole))  # that is a float
    assert not fusible(last(lambda x: x // 2, whole))
    assert not fusible(last(lambda x: x**3, whole))


def test_plain_numbers_are_left_to_python():
    number = Node(INPUT, (), {}, (), float)
    assert not fusible(last(lambda a: a * 2.0, 3.0))
    assert not fusible(number)


def test_a_plain_number_that_may_not_fit_a_narrow_dtype_is_left_to_numpy():
    narrow = np.arange(5, dtype=np.uint8)
    assert fusible(last(lambda x: x + 7, narrow))
    assert not fusible(last(lambda x, n: x + n, narrow, 7))


def test_int64_against_uint64_is_left_to_numpy():
    assert not fusible(last(lambda x, y: x < y, np.arange(3), np.arange(3, dtype=np.uint64)))


def test_the_largest_of_nothing_is_left_to_numpy_to_refuse():
    assert not fusible(last(lambda x: np.max(x, axis=1, initial=0), np.zeros((3, 0))))


def test_another_byte_order_does_not_fit():
    assert not fusible(last(lambda x: x + 1, X.astype(">f4")))
