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
    square = product(x, x)
    np.testing.assert_array_equal(square.data, x.data**2)
    np.testing.assert_array_equal(x.grad, 3 + 2 * x.data)
    np.testing.assert_array_equal(product(x, weight).data, x.data * 3)


def test_lists_and_dicts_that_were_two_may_be_one():
    def added(first, second):
        first["x"] = first["x"] + 1
        second["x"] = second["x"] * 2
        return first["x"] + second["x"]

    fast = dout.compile(added)
    for _ in range(2):
        assert fast({"x": np.ones(1)}, {"x": np.ones(1)}) == 4
    one = {"x": np.ones(1)}
    assert fast(one, one) == 8


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
