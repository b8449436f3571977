"""A condition that only raises is no part of a model; one that decides anything else is refused."""

from contextlib import suppress

import numpy as np
import pytest

import dout
from dout.errors import UnsupportedError

ROWS = np.ones((6, 4))


# fmt: off
def beside_another_statement(x):
    assert x.ndim == 2; y = x if x.sum() > 0 else -x  # noqa: E702
    return y * 3


def before_another_statement(x):
    y = x if x.sum() > 0 else -x; assert y.ndim == 2  # noqa: E702
    return y * 3


def below_an_if_on_one_line(x):
    y = x
    while y.max() > 4: assert y.ndim == 2; y = y / 2  # noqa: E701, E702
    return y
# fmt: on


def caught(x):
    try:
        if x.max() > 2:
            raise OverflowError
        return x * 2
    except OverflowError:
        return x / 10


def caught_by_a_caller(x):
    try:
        raising(x)
    except ValueError:
        return x / 10
    return x * 2


def raising(x):
    if x.max() > 3:
        raise ValueError("too large")


def suppressed(x):
    with suppress(ValueError):
        if x.max() > 2:
            raise ValueError
        return x * 2
    return x / 10


def ended_by_finally(x):
    try:
        if x.max() > 2:
            raise ValueError
    finally:
        return x * 2  # noqa: B012


def named(x):
    if (y := x if x.sum() > 0 else -x).ndim > 5:
        raise ValueError
    return y * 2


REFUSED = [
    beside_another_statement, before_another_statement, below_an_if_on_one_line, caught, caught_by_a_caller, suppressed,
    ended_by_finally, named,
]  # fmt: skip


@pytest.mark.parametrize("function", REFUSED)
def test_a_line_that_decides_more_than_an_error_is_refused(function):
    with pytest.raises(UnsupportedError, match=r"takes another way.*at .*test_value_checks\.py"):
        dout.export(function, None, ROWS)


def alone(x):
    assert np.all(x < 5), "too large"
    return x * 2


def on_one_line(x):
    if x.max() > 5: raise ValueError("too large")  # noqa: E701 # fmt: skip
    return x * 2


def several_lines(x):
    if (
        x.sum() < 0
        and x.max() > 5
    ):  # fmt: skip
        raise ValueError
    return x * 2


def explained(x):
    try:
        if x.max() > 5:
            raise ValueError
    except ValueError as error:
        raise RuntimeError("too large") from error
    return x * 2


def in_a_loop(x):
    for column in range(2):
        assert x[:, column].max() < 5
    return x * 2


@pytest.mark.parametrize("function", [alone, on_one_line, several_lines, explained, in_a_loop])
def test_a_condition_that_only_raises_is_no_part_of_the_model(function):
    notes = dout.export(function, None, ROWS).notes
    assert any("which raises, is not part of the model" in note for note in notes)
