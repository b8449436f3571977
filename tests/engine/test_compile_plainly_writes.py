"""Writes into arrays around a line that is not recorded, or a limit: each happens once, as in a plain run."""

import operator

import numpy as np
import pytest

import dout

ASIDE = {
    "a sort": lambda y: y.sort(),
    "a sort of another kind": lambda y: y.sort(kind="stable"),
    "a sort backwards": lambda y: y[::-1].sort(),
    "an addition": lambda y: operator.iadd(y, 2),
    "an addition that NumPy refuses": lambda y: operator.iadd(y, 1.5),
    "a division that NumPy refuses": lambda y: operator.itruediv(y, 2),
    "an addition of more": lambda y: operator.iadd(y, np.ones((2, 3), int)),
}


@pytest.mark.parametrize("name", ASIDE)
def test_arrays_change_in_place_as_in_a_plain_run_after_a_line_that_is_not_recorded(name):
    def forward(x):
        y = x * 1
        np.put(y, [0], 9)
        ASIDE[name](y)
        return y

    assert written(dout.compile(forward), np.array([3, 1, 2])) == written(forward, np.array([3, 1, 2]))


def written(forward, x):
    """What a function gives, or the error that NumPy raises."""
    try:
        return forward(x).tolist()
    except (TypeError, ValueError) as error:
        return str(error)


def test_an_array_that_a_library_keeps_is_the_very_one():
    def forward(x):
        y = x * 2
        return y, np.ma.masked_array(y)

    fast = dout.compile(forward)
    for _ in range(3):
        y, masked = fast(np.arange(3.0))
        y[0] = 7
        assert masked.data[0] == 7


def test_a_write_that_fails_and_is_caught_fails_in_no_other_call():
    class Averaging:
        def __init__(self):
            self.w = np.ones(2)
            self.w.flags.writeable = False

        def step(self, x):
            try:
                self.w += x
            except ValueError:
                self.w = self.w + x
            return self.w

    averaging = Averaging()
    fast = dout.compile(averaging.step)
    first = fast(np.ones(2))
    assert fast(np.ones(2)) is first
    assert first.tolist() == [3, 3]


class Replay:
    def __init__(self, capacity):
        self.states, self.place = np.zeros((capacity, 2)), 0

    def push(self, state):
        self.states[self.place] = state
        self.place = (self.place + 1) % len(self.states)


@pytest.mark.parametrize("capacity", [4, 100_000])
def test_a_few_elements_of_a_large_array_are_written_by_numpy(capacity):
    plain, replay = Replay(capacity), Replay(capacity)
    fast = dout.compile(replay.push)
    for number in range(5):
        plain.push(np.full(2, number))
        fast(np.full(2, number))
    np.testing.assert_array_equal(replay.states, plain.states)
    assert len(fast.plan().programs) == (capacity == 4)
    assert ("would copy all of an array of 1.6 MB" in str(fast.plan())) == (capacity > 4)


class Words:
    def __init__(self):
        self.vectors, self.weights = np.ones((2048, 64)), np.full((64, 512), 0.01)

    def step(self, words):
        hidden = np.tanh(self.vectors[words] @ self.weights)
        self.vectors[words] -= 0.1 * ((1 - hidden**2) @ self.weights.T)
        return hidden


def test_an_array_is_copied_where_that_is_little_beside_all_that_is_computed():
    plain, compiled = Words(), Words()
    fast = dout.compile(compiled.step)
    for start in range(3):
        words = np.arange(start, start + 200)
        np.testing.assert_allclose(fast(words), plain.step(words), rtol=1e-12)
    np.testing.assert_allclose(compiled.vectors, plain.vectors, rtol=1e-12)
    assert fast.plan().programs


class Elementwise:
    """A loop over single elements; backward goes over them too, and adds up a gradient."""

    def __init__(self):
        self.scale = 3.0

    def forward(self, x):
        self.x = x
        y = np.zeros_like(x)
        for i in range(len(x)):
            y[i] = self.scaled(x[i])
        return y

    def scaled(self, number):
        while number is None:  # no kernel does this
            number = 0.0
        return number * self.scale

    def backward(self, dout):
        self.dscale = np.zeros(1)
        for i in range(len(dout)):
            self.dscale[0] += self.scaled(dout[i]) * self.x[i]
        return dout * self.scale


@pytest.mark.long
def test_a_loop_over_very_many_elements_is_left_to_numpy():
    plain, fast = Elementwise(), dout.compile(Elementwise())
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=12_000)
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        np.testing.assert_array_equal(fast.backward(x), plain.backward(x))
        np.testing.assert_array_equal(fast.dscale, plain.dscale)
    for function in fast.plan().functions:
        (why,) = function.plainly
        assert why.startswith("it takes too many operations to be recorded, as a loop over single elements does, at ")
        assert __file__ in why


def added_at(x):
    for _ in range(10_100):
        np.add.at(x, [0, 0, 1], 1.0)
    return x


def rows_changed(x):
    for i in range(10_100):
        row = x[i % 3]
        row += 1.0
        x[i % 3] *= 0.5
    return x


def shifted_along(x):
    for _ in range(10_100):
        x[1:] = x[:-1] + 1.0
    return x


def looked_at_before_a_write(x):
    rows = [x[i % 4] for i in range(31_000)]
    x += 1.0
    return rows[-1]


@pytest.mark.one_in(16)
@pytest.mark.parametrize("function", [added_at, rows_changed, shifted_along, looked_at_before_a_write])
@pytest.mark.parametrize("before", range(4))  # operations: where in a step the limit falls
def test_a_write_at_which_the_limit_is_reached_happens_once(function, before):
    def shifted(x):
        for _ in range(before):
            np.sin(x)
        return function(x)

    mine, theirs = np.arange(12.0).reshape(4, 3), np.arange(12.0).reshape(4, 3)
    fast = dout.compile(shifted)
    np.testing.assert_array_equal(fast(mine), shifted(theirs))
    np.testing.assert_array_equal(mine, theirs)
    assert not fast.plan().functions[0].programs  # of all of it: what it calls may have some


@pytest.mark.long
def test_the_gradient_of_a_loop_over_very_many_elements_is_derived_as_ever():
    def loss(x):
        total = 0.0
        for i in range(len(x)):
            total = total + x[i] * i
        return total

    fast, x = dout.compile(dout.value_and_grad(loss)), np.ones(11_000)
    for _ in range(2):
        value, gradient = fast(x)
        assert value == 11_000 * 10_999 / 2
        np.testing.assert_array_equal(gradient, np.arange(11_000))
    (why,) = fast.plan().functions[0].plainly
    assert "too many operations" in why
