"""How many turns a loop will have is read from its range, and from nothing that may change it."""

import sys

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("loop", "turns"),
    [
        (over_a_number, 40), (over_a_shape, 50), (over_a_length_and_a_step, 4), (inside_another, 80),
        (that_may_end, 0), (over_items, 0), (over_what_a_call_gives, 0),
    ],
)  # fmt: skip
def test_the_turns_of_a_loop(loop, turns):
    assert loop(np.zeros((10, 50)), 40) == turns


def test_no_loop_has_no_turns():
    assert now() == 0
