"""The lines of a run are counted, and may be bounded; a debugger is left in peace."""

import sys

import pytest

from dout.run import EndlessError, counted_lines


def turns(n):
    total = 0
    for i in range(n):
        total += i
    return total


def lines_of(n, most=float("inf")):
    with counted_lines(most) as lines:
        turns(n)
    return lines.number


@pytest.fixture(autouse=True)
def untraced():
    """No measurement of coverage: it is the one that looks at lines then."""
    kept = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(kept)


def test_a_loop_counts_as_often_as_it_runs():
    assert lines_of(100) - lines_of(50) == 100
    assert lines_of(50) == lines_of(50)
    assert sys.gettrace() is None


def test_what_runs_for_too_long_ends():
    with pytest.raises(EndlessError):
        lines_of(10**9, most=10_000)
    assert sys.gettrace() is None


def test_a_debugger_goes_on_looking():
    def seen(frame, event, argument):
        return seen

    sys.settrace(seen)
    with counted_lines(most=1) as lines:
        turns(10)
        assert sys.gettrace() is seen
    assert lines.number == 0
