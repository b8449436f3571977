"""Errors in compiled calls are those of the plain run, and leave the user's objects as that leaves them."""

import numpy as np
import pytest

import dout


class Keeper:
    """It changes a number, an array in place and an attribute, and then does what may raise."""

    def __init__(self, last):
        self.count = 0
        self.total = np.zeros((2, 2))
        self.out = None
        self.last = last

    def run(self, x, given):
        self.count += 1
        self.total += x
        self.out = x * 2
        return self.last(self.out, given)


def written(a, i):
    b = a.copy()
    b[i] = 5
    return b


def added(a, i):
    b = np.zeros_like(a)
    np.add.at(b, i, 1.0)
    return b


TWO = np.array([2, 3])
RAISING = {
    "a place that is not there": (lambda a, i: a[i], [np.array([0, n]) for n in (0, 1, 7, 1)]),
    "a place to write to that is not there": (written, [np.array([0, n]) for n in (0, 1, 7, 1)]),
    "a place to add to that is not there": (added, [np.array([0, n]) for n in (0, 1, 7, 1)]),
    "a singular matrix": (lambda a, m: a @ np.linalg.inv(m), [np.eye(2) * n for n in (1, 2, 0, 3)]),
    "a division by zero": (lambda a, n: a * (1 / n), [1.0, 2.0, 0.0, 3.0]),
    "a remainder by zero": (lambda a, n: a * (7 % n), [1, 2, 0, 3]),
    "zero to a negative power": (lambda a, n: a * n**-1.5, [1.0, 2.0, 0.0, 3.0]),
    "a negative power of whole numbers": (lambda a, n: a * np.power(TWO, n), [TWO * n for n in (1, 2, -1, 3)]),
}  # fmt: skip


def outcomes(layer, call, values):
    """What each call gives or raises, and what it leaves."""
    for value in values:
        try:
            got = call(np.ones((2, 2)), value)
        except Exception as error:
            got = repr(error)
        yield got, layer.count, layer.total.copy(), layer.out


@pytest.mark.parametrize("needed", [True, False], ids=["needed", "unused"])
@pytest.mark.parametrize("kind", RAISING)
def test_an_error_leaves_what_the_plain_run_leaves(kind, needed):
    raising, values = RAISING[kind]

    def last(a, given):
        result = raising(a, given)
        return result if needed else a + 1

    plain, layer = Keeper(last), Keeper(last)
    fast = dout.compile(layer.run)
    ours, theirs = outcomes(layer, fast, values), outcomes(plain, plain.run, values)
    for one, other in zip(ours, theirs, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(fast.plan().programs) == 1


def test_an_error_takes_back_what_the_program_drew_before_the_plain_run_draws():
    def run(x, i, rng):
        return (x + rng.normal(size=3))[i]

    fast, ours, theirs = dout.compile(run), np.random.default_rng(0), np.random.default_rng(0)
    for i in (0, 1, 5, 2):
        index = np.array([i])
        for call, rng in ((fast, ours), (run, theirs)):
            if i == 5:
                with pytest.raises(IndexError):
                    call(np.ones(3), index, rng)
        if i != 5:
            np.testing.assert_array_equal(fast(np.ones(3), index, ours), run(np.ones(3), index, theirs))
    assert len(fast.plan().programs) == 1


@pytest.mark.parametrize(
    ("given", "scale", "error"),
    [(np.ones(3), 2.0, ValueError), (np.ones(2, bool), 2.0, TypeError), (np.ones(2), "2", TypeError)],
)
def test_what_does_not_fit_a_step_that_nothing_needs_fails_as_in_the_plain_run(given, scale, error):
    class Careless:
        def __init__(self):
            self.scale = 2.0

        def run(self, x, y):
            x[0] = 0
            unused = x * self.scale - (y - y)  # noqa: F841 - that is the point
            return x * 2

    layer = Careless()
    fast = dout.compile(layer.run)
    for y in (np.ones(2), np.zeros(2)):
        np.testing.assert_array_equal(fast(np.ones((2, 2)), y), [[0, 0], [2, 2]])
    layer.scale, x = scale, np.ones((2, 2))
    with pytest.raises(error):
        fast(x, given)
    np.testing.assert_array_equal(x, [[0, 0], [1, 1]])
    assert len(fast.plan().programs) == 1


@pytest.mark.parametrize("values", [np.ones(2, bool), np.ones(2, int)])
def test_an_array_that_cannot_take_a_result_is_refused_as_numpy_refuses_it(values):
    def squashed(x):
        return np.tanh(x, out=x)

    fast = dout.compile(squashed)
    for _ in range(2):
        with pytest.raises(TypeError) as theirs:
            squashed(values)
        with pytest.raises(theirs.type, match="Cannot cast ufunc 'tanh' output"):
            fast(values)
