"""`dout.compile` where objects, lists and arrays are given, are the same or lie in the same memory."""

import argparse
import enum
import fractions
import functools

import numpy as np

import dout


class Stepping:
    """It keeps a view of its parameter, which it then changes; the next call has another view."""

    def __init__(self):
        self.W, self.turned = np.eye(2), None

    def forward(self, x):
        self.turned = self.W.T
        out = x @ self.turned
        self.W -= 0.5 * out
        return out

    def backward(self, dout):
        self.W[0] += 1.0
        return dout @ self.turned


def test_a_view_that_was_left_in_a_layer_keeps_nothing_from_being_compiled():
    plain, layer = Stepping(), Stepping()
    fast = dout.compile(layer)
    for number in range(1, 6):
        x = np.full((2, 2), number / 8)
        np.testing.assert_allclose(fast.forward(x), plain.forward(x))
        np.testing.assert_allclose(layer.turned, plain.turned)
        assert np.shares_memory(layer.turned, layer.W)
        np.testing.assert_allclose(fast.backward(x), plain.backward(x))
        np.testing.assert_allclose(layer.W, plain.W)
    ahead, back = fast.plan().functions
    assert not ahead.plainly
    assert back.plainly  # here the view is read


class Leaf:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


def test_objects_that_are_given_may_be_others_at_each_call():
    @dout.compile
    def product(a, b):
        out = Leaf(a.data * b.data)
        a.grad = a.grad + b.data
        b.grad = b.grad + a.data
        return out

    weight = Leaf(np.full(2, 3.0))
    for number in range(1, 6):
        x = Leaf(np.full(2, float(number)))
        np.testing.assert_array_equal(product(x, weight).data, x.data * 3)
        np.testing.assert_array_equal(x.grad, [3, 3])
    assert len(product.plan().programs) == 1
    for number in range(1, 4):
        x = Leaf(np.full(2, float(number)))
        square = product(x, x)
        np.testing.assert_array_equal(square.data, x.data**2)
        np.testing.assert_array_equal(x.grad, 2 * x.data)
    np.testing.assert_array_equal(product(x, weight).data, x.data * 3)


def test_lists_and_dicts_that_were_two_may_be_one():
    def added(first, second):
        first["x"] = first["x"] + 1
        second["x"] = second["x"] * 2
        return first["x"] + second["x"]

    fast = dout.compile(added)
    for number in range(3):
        assert fast({"x": np.full(1, number)}, {"x": np.full(1, number)}) == 3 * number + 1
    for number in range(3):
        one = {"x": np.full(1, number)}
        assert fast(one, one) == 4 * (number + 1)


class Mode(enum.Enum):
    LOUD = 1
    QUIET = 2


def test_members_of_an_enumeration_are_told_apart():
    fast = dout.compile(lambda x, mode: x * 2 if mode is Mode.LOUD else x)
    for mode in (Mode.LOUD, Mode.LOUD, Mode.QUIET, Mode.LOUD):
        assert fast(np.ones(1), mode) == (2 if mode is Mode.LOUD else 1)


class Named:
    def __init__(self, value):
        self.value = value


def test_keys_that_a_call_made_are_those_of_the_call():
    class Kept:
        def __init__(self):
            self.cache, self.all = {}, {}

        def forward(self, x):
            key = Named(x)
            self.cache = {key: x * 2}
            self.all[key] = 1
            return x * 2

        def backward(self, dout):
            return dout

    fast = dout.compile(Kept())
    for number in range(1, 5):
        x = np.full(2, float(number))
        fast.forward(x)
        (key,) = fast.cache
        assert key.value is x
        assert len(fast.all) == number


def test_settings_of_a_program_are_watched():
    settings = argparse.Namespace(rate=0.5, unused=1)

    @dout.compile
    def scaled(x):
        settings.calls = getattr(settings, "calls", 0) + 1
        return x * settings.rate

    for calls, rate in enumerate([0.5, 0.5, 0.25, 0.25, 0.5], 1):
        settings.rate = rate
        assert scaled(np.ones(1)) == rate
        assert settings.calls == calls


def test_attributes_of_a_librarys_object_are_read_plainly():
    part = fractions.Fraction(1, 2)
    holder = functools.singledispatchmethod(lambda self, x: x)
    holder.factor = 2.0
    fast = dout.compile(lambda x: x * holder.factor * part.numerator)
    for factor in (2.0, 2.0, 3.0):
        holder.factor = factor
        assert fast(np.ones(1)) == factor


def parts():
    """Views of five columns: in most of them the elements of a row, but not the rows, lie one after the other."""
    wide = np.linspace(-2.0, 2.0, 120).reshape(6, 20)
    shifted = np.frombuffer(bytes(3) + wide.tobytes(), np.uint8)[3:].view(np.float64).reshape(6, 20)
    yield from (wide[:, :5], wide[:, 7:12], wide[:, 15:], wide[1:2, 3:8], wide[:0, 3:8])
    yield from (wide[::-1, 2:7], wide[::2, 2:7], shifted[:, 3:8], np.broadcast_to(wide[0, :5], (6, 5)))
    yield from (wide[:, :10:2], wide[:, 9:4:-1], wide[:5, :6].T, np.broadcast_to(wide[:, :1], (6, 5)))
    yield from (shifted.reshape(24, 5), shifted[0, 3:8][None], np.broadcast_to(shifted[:, :1], (6, 5)))


def test_parts_of_rows_may_lie_anywhere():
    def both(x, y):
        return np.tanh(x) * y + 1, (x * y).sum(axis=1), (x - y).mean(axis=1, keepdims=True) * x

    fast = dout.compile(both)
    for x in [*parts(), *parts()]:
        y = np.exp(x)
        for result, right in zip(fast(x, y), both(x, y), strict=True):
            np.testing.assert_allclose(result, right, rtol=1e-13, atol=1e-13)


def test_parts_of_one_array_may_be_written_over_one_another():
    def shift(a):
        a[:, 1:5] = np.tanh(a[:, :4]) * a[:, 2:6]
        a[1:, 6:] += a[:-1, 5:11] * np.exp(a[:-1, 6:])
        return a[:, 3:9] * 2

    fast = dout.compile(shift)
    for seed in range(4):
        plain = np.random.default_rng(seed).normal(size=(5, 12))
        mine = plain.copy()
        np.testing.assert_allclose(fast(mine), shift(plain), rtol=1e-13)
        np.testing.assert_allclose(mine, plain, rtol=1e-13)
