"""Compiled functions: where results go, derived gradients, and what decorators take."""

import functools
import inspect

import numpy as np
import pytest

import dout
from dout.errors import ShapeError


def test_the_result_is_written_where_it_is_wanted():
    fast = dout.compile(lambda x: x + 1)
    out = np.zeros(3)
    for _ in range(2):
        assert fast(np.ones(3), out=out) is out
        np.testing.assert_array_equal(out, [2, 2, 2])


@pytest.mark.parametrize("function", [lambda x: x.sum(), lambda x: (x, x), lambda x: x[:2]])
def test_a_result_of_another_shape_is_not_written(function):
    fast, out = dout.compile(function), np.zeros(3)
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"out is an array of shape \(3,\), but the result is "):
            fast(np.ones(3), out=out)
        np.testing.assert_array_equal(out, 0)


def test_strict_keeps_the_order_in_memory_on_which_the_last_bit_of_a_product_depends():
    def convolved(x, w):
        return x.T.copy() @ w.transpose(1, 0).copy(order="C") + np.ascontiguousarray(x.T) @ w.T

    rng = np.random.default_rng(0)
    fast = dout.compile(convolved, strict=True)
    for _ in range(20):
        x, w = rng.normal(size=(27, 40)), rng.normal(size=(33, 27))
        assert (fast(x, w) == convolved(x, w)).all()


def test_gradients_are_compiled_too():
    def loss(x, scale):
        return np.sum(np.exp(x * scale))

    slope, both = dout.compile(dout.grad(loss)), dout.compile(dout.value_and_grad(loss, (0, 1)))
    for x in np.random.default_rng(0).normal(size=(4, 3)):
        np.testing.assert_allclose(slope(x, 0.5), 0.5 * np.exp(0.5 * x))
        value, (dx, dscale) = both(x, 0.5)
        np.testing.assert_allclose(value, np.exp(0.5 * x).sum())
        np.testing.assert_allclose(dx, 0.5 * np.exp(0.5 * x))
        np.testing.assert_allclose(dscale, (x * np.exp(0.5 * x)).sum())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: 1 / (1 + np.exp(-x)), lambda e: e / (1 + e) ** 2),  # where 1 − s would have no digit left
        (lambda x: np.log(1 + np.exp(-x)), lambda e: -e / (1 + e)),
    ],
)
def test_a_derived_gradient_keeps_its_digits_far_out(function, slope):
    x = np.random.default_rng(0).uniform(-9, 9, 20_000).astype(np.float32)
    fast = dout.compile(dout.grad(lambda x: np.sum(function(x))))
    fast(x)
    exact = slope(np.exp(-x.astype(float)))
    np.testing.assert_allclose(fast(x), exact, rtol=4e-6)


def scaled(function):
    @functools.wraps(function)
    def decorated(x, scale=1.0):
        return function(x) * scale

    return decorated


def told_by_name(function):
    @functools.wraps(function)
    def decorated(*args, **kwargs):
        return function(*args, **kwargs) * (-1 if "shift" in kwargs else 1)

    return decorated


@scaled
def scaled_square(x):
    return x * x


@told_by_name
def shifted(x, shift=0.0):
    return x + shift


def announced(x, *rest, **named):
    return x + sum(rest) - sum(named.values())


announced.__signature__ = inspect.signature(lambda x, y: None)


def test_what_a_decorator_takes_arrives_as_it_was_given():
    x = np.array([1.0, -2.0])
    for function, calls in {
        scaled_square: [((x,), {}), ((x, 3.0), {}), ((x,), {"scale": 2.0})],
        shifted: [((x,), {}), ((x, 1.0), {}), ((x,), {"shift": 1.0}), ((), {"x": x})],
        announced: [((x, 1.0), {}), ((x, 1.0, 2.0), {}), ((x,), {"y": 2.0})],
    }.items():
        fast = dout.compile(function)
        for args, named in calls * 2:
            np.testing.assert_array_equal(fast(*args, **named), function(*args, **named))
    assert dout.compile(scaled_square)(x, 1.0, out=(y := np.empty(2))) is y
