"""Loops of many turns: the first ones confirm a kernel, which then does all of them."""

import sys

import numpy as np
import pytest

import dout


def lines_run(call, line):
    """How often a line is run while something is called, and what that returns."""
    count = 0

    def watch(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename != __file__:
            return None
        count += event == "line" and frame.f_lineno == line
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        result = call()
    finally:
        sys.settrace(before)
    return count, result


def test_of_a_long_loop_the_first_call_runs_the_first_turns_alone_plainly():
    def spread(x, out, rate):
        last = 0.0
        for n in range(len(x)):
            for i in range(x.shape[1]):
                last = rate * last + x[n, i]
                out[n, i] = last
        return last

    x = np.random.default_rng(0).normal(size=(40, 3000))
    fast, ours, theirs = dout.compile(spread), np.zeros_like(x), np.zeros_like(x)
    count, last = lines_run(lambda: fast(x, ours, 0.9), spread.__code__.co_firstlineno + 4)
    assert 100 < count < 10_000  # of 120,000 turns
    assert last == spread(x, theirs, 0.9)
    np.testing.assert_array_equal(ours, theirs)
    assert fast.plan().functions[0].loops[0].turns == 40 + 120_000


def test_an_error_in_a_late_turn_of_a_long_loop_is_numpys():
    def written(x, at):
        for i in range(len(at)):
            x[at[i]] += 1.0

    at = np.arange(20_000)
    at[-1] = 30_000
    x = np.zeros(20_000)
    with pytest.raises(IndexError, match="index 30000 is out of bounds"):
        dout.compile(written)(x, at)
    np.testing.assert_array_equal(x, [*np.ones(19_999), 0])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_larger_of_an_element_and_a_plain_number_is_the_one_that_python_takes(dtype):
    def rectified(x, out):
        for i in range(x.shape[0]):
            top = 0
            for j in range(x.shape[1]):
                out[i, j] = max(0, x[i, j])
                top = max(top, x[i, j])
            out[i, 0] = top + 1

    fast = dout.compile(rectified)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(40, 40)).astype(dtype)  # long enough to pay on a busy machine
        x[seed, 1:4] = np.nan, -0.0, np.inf
        ours, theirs = np.zeros_like(x), np.zeros_like(x)
        fast(x, ours)
        rectified(x, theirs)
        np.testing.assert_array_equal(ours, theirs)
    assert "max" not in fast.plan().functions[0].loops[0].plainly
    assert fast.plan().functions[0].loops[0].kernel
