"""How many turns a loop will have is read from its range, and from nothing that may change it."""

import sys

import numpy as np
import pytest

import dout
from dout.trace.capture.loop_length import turns_around


def now():
    return turns_around(sys._getframe(1))


def over_a_number(x, n):
    for _ in range(n):
        return_of = now()
    return return_of


def over_a_shape(x, n):
    for _ in reversed(range(x.shape[1])):
        found = now()
    return found


def over_a_length_and_a_step(x, n):
    for _ in range(2, len(x) - 1, 2):
        found = now()
    return found


def inside_another(x, n):
    for _ in range(7):
        for _ in range(n * 2):
            found = now()
    return found


def that_may_end(x, n):
    for i in range(n):
        found = now()
        if i == 2:
            break
    return found


def over_items(x, n):
    for _ in x:
        found = now()
    return found


def over_what_a_call_gives(x, n):
    for _ in range(int(n)):
        found = now()
    return found


def that_an_error_may_end(x, n):
    try:
        for i in range(n):
            found = now()
            [1, 2, 3][i]
    except IndexError:
        pass
    return found


def inside_one_that_an_error_may_end(x, n):
    try:
        for i in range(3):
            for _ in range(n):
                found = now()
            [1, 2][i]
    except IndexError:
        pass
    return found


def behind_the_last_turn(x, n):
    for _ in range(n):
        for _ in range(n):
            pass
        else:
            found = now()
    return found


def with_what_is_done_at_the_end(x, n):
    try:
        for _ in range(n):
            found = now()
    finally:
        n = 0
    return found


@pytest.mark.parametrize(
    ("loop", "turns"),
    [
        (over_a_number, 40), (over_a_shape, 50), (over_a_length_and_a_step, 4), (inside_another, 80),
        (that_may_end, 0), (over_items, 0), (over_what_a_call_gives, 0),
        (that_an_error_may_end, 0), (inside_one_that_an_error_may_end, 0), (behind_the_last_turn, 0),
        (with_what_is_done_at_the_end, 40),
    ],
)  # fmt: skip
def test_the_turns_of_a_loop(loop, turns):
    assert loop(np.zeros((10, 50)), 40) == turns


def test_no_loop_has_no_turns():
    assert now() == 0


class Stop(Exception):
    pass


def ended_by_what_it_calls(x, w):
    def step(h, t):
        if t == 3:
            raise Stop
        return np.exp(-np.tanh(h @ w))

    h = x
    try:
        for t in range(100):
            h = step(np.sin(h), t)
    except Stop:
        pass
    return h


def ended_by_an_index(x, w):
    h = x
    try:
        for t in range(1000):
            h = np.exp(-np.tanh(h @ w))
            [1, 2, 3][t]
    except IndexError:
        pass
    return h


def behind_a_long_one(x, w):
    h = x
    for _ in range(3):
        for _ in range(100):
            pass
        else:
            h = np.sin(np.exp(-np.tanh(h @ w)))
    return h


@pytest.mark.parametrize("short", [ended_by_what_it_calls, ended_by_an_index, behind_a_long_one])
def test_loops_that_are_short_in_fact_are_one_program(short):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(100, 50)), rng.normal(size=(50, 50)) / 7
    fast = dout.compile(short)
    for _ in range(2):
        np.testing.assert_allclose(fast(x, w), short(x, w), rtol=1e-12)
    (program,) = fast.plan().programs
    assert any("tanh" in step.text for step in program.steps)
