"""Which values a kernel knows to be never above zero: their exponential takes fewer steps, and cannot overflow."""

from __future__ import annotations

import numpy as np
import pytest
from engine_groups import compiled, results_of

import dout
from dout.engine.codegen.kernel_source import source
from dout.engine.ir.kernel_group import Group
from dout.engine.passes.fuse import fuse
from dout.rewrite.stable_forms import stable_forms
from dout.trace.record.record import record_function

SQUARE = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
NEVER_ABOVE = [
    lambda x: x - x.max(axis=1, keepdims=True),
    lambda x: x - x.max(axis=1)[:, None],
    lambda x: x - x.max(axis=1).reshape(-1, 1),
    lambda x: x - x.max(axis=0),
    lambda x: x - x.max(),
    lambda x: x * 3 - (x * 3).max(axis=-1, keepdims=True),
    lambda x: -(x - x.min(axis=0)),
    lambda x: -np.abs(x),
    lambda x: -x * x,
    lambda x: -((x - 1) ** 2) / 8,
    lambda x: -0.5 * np.square(x),
    lambda x: np.minimum(x, 0),
    lambda x: -np.maximum(x, 0),
]
PERHAPS_ABOVE = [
    lambda x: x,
    lambda x: -x,
    lambda x: x - x.max(axis=1),
    lambda x: x - x.min(axis=0),
    lambda x: x - (x - 1).max(axis=0),
    lambda x: x - x.mean(axis=0),
    lambda x: x.max(axis=0) - x,
    lambda x: -0.5 * -np.square(x),
    lambda x: np.maximum(x, -np.abs(x)),
    lambda x: np.minimum(x, 1),
    lambda x: -1 / np.sqrt(x * 0),
    lambda x: -np.abs((x * 99).astype(np.int32)) * np.float32(1),
    lambda x: x * x[::-1],
]


def kernels(function, x):
    """The groups of a function's nodes, each with the text of its kernel."""
    with np.errstate(all="ignore"):
        graph = stable_forms(record_function(function, (x,), {})[0].graph)
    return [(step, source(step, {}, parallel=False)) for step in fuse(graph) if isinstance(step, Group)]


def falls(function):
    """Whether the kernel of the exponential knows its argument to be never above zero."""
    (text,) = [t.function for _, t in kernels(lambda x: np.exp(function(x)) * 2, SQUARE) if " exp = " in t.function]
    return "exp = decay_f32(" in text


@pytest.mark.parametrize("function", NEVER_ABOVE)
def test_what_is_never_above_zero_is_known(function):
    assert (function(SQUARE) <= 0).all()
    assert falls(function)


@pytest.mark.parametrize("function", PERHAPS_ABOVE)
def test_what_may_be_above_zero_is_not_taken_for_what_is_not(function):
    assert not falls(function)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_softmax_is_numpys_at_the_edges(axis, dtype):
    def softmax(x):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)

    tiny = np.finfo(dtype).tiny
    numbers = [0.0, -0.0, 1.0, -1.0, tiny, -tiny, 88.0, -104.0, 709.0, -746.0, 1e30, -1e30]
    x = np.array([numbers, [*numbers[:-1], -np.inf], [*numbers[:-1], np.nan], [*numbers[:-1], np.inf]], dtype)
    for table in (x, np.full((3, 12), -np.inf, dtype)):
        ((group, text),) = kernels(softmax, table if axis else table.T.copy())
        (found,) = results_of(compiled(text), group, [table if axis else table.T.copy()])
        with np.errstate(all="ignore"):
            right = softmax(table if axis else table.T)
        np.testing.assert_allclose(found, right, rtol=4 * np.finfo(dtype).eps, atol=tiny)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_extreme_of_products_is_one_of_them(dtype):
    def centred(x, a):
        powers = np.exp(x * a - (x * a).max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True), np.sqrt(x * a - (x * a).min(axis=1, keepdims=True))

    fast = dout.compile(centred)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 33)).astype(dtype)
    for size in (1.0, 1e10, 1e20, 1e30):
        a = (rng.normal(size=(5, 33)) * size).astype(dtype)
        for _ in range(2):
            for found, right in zip(fast(x, a), centred(x, a), strict=True):
                np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-7)
