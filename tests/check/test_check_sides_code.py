"""Conditions in code: each side of an `if`, a loop, a flag or a word is judged, or listed with its line."""

import numpy as np
import pytest
from one_side_squares import Square, X, errors, layer, line_of, words

import dout


def by_size(self, dout):
    return self.slope(dout) if len(dout) <= 64 else dout


def by_columns(self, dout):
    return self.slope(dout) if self.x.shape[1] < 17 else dout


def by_axes(self, dout):
    if self.x.ndim == 3:
        return dout
    return self.slope(dout)


def by_value(self, dout):
    return self.slope(dout) if self.x.max() < 50 else dout


def by_a_generator(self, dout):
    return dout if any(value > 60 for value in self.x.ravel()) else self.slope(dout)


def by_min_of_sizes(self, dout):
    return self.slope(dout) * (64 / max(64, len(dout)))


def by_a_loop(self, dout):
    scale = 1.0
    while np.abs(self.x).max() > 100 * scale:
        scale *= 10
    return self.slope(dout) / scale


REACHED = [by_size, by_columns, by_axes, by_value, by_a_generator, by_min_of_sizes, by_a_loop]


@pytest.mark.parametrize("backward", REACHED, ids=lambda f: f.__name__)
def test_other_values_and_sizes_come_to_the_other_side_of_an_if(backward):
    assert errors(dout.check(layer(backward), X)) == ["D101"]


def test_a_loop_that_has_no_end_on_other_inputs_is_left():
    def backward(self, dout):
        columns = self.x.shape[1]
        while columns > 16:
            columns += 1
        return self.slope(dout)

    (line,) = dout.check(layer(backward), X).branches
    assert line.startswith("`columns > 16`")
    assert line.endswith("was always False")


def test_the_finding_says_on_which_side():
    (wrong,) = [f for f in dout.check(layer(by_size), X).findings if f.code == "D101"]
    assert wrong.message.endswith("where `len(dout) <= 64` is False")


def by_flag(self, dout):
    return self.slope(dout) if self.training else dout


def by_word(self, dout):
    return self.slope(dout) if self.mode in ("valid", "same") else dout


def by_none(self, dout):
    if self.bias is not None:
        return dout
    return self.slope(dout)


def by_or(self, dout):
    return self.slope(dout) * (self.weight or 1.0)


LISTED = {by_flag: "`self.training`", by_word: "`self.mode in ('valid', 'same')`",
          by_none: "`self.bias is not None`", by_or: "`self.weight`"}  # fmt: skip


@pytest.mark.parametrize("backward", LISTED, ids=lambda f: f.__name__)
def test_a_flag_that_was_always_the_same_is_listed_with_its_line(backward):
    report = dout.check(layer(backward, training=True, mode="valid", bias=None, weight=0.0), X)
    (line,) = report.branches
    assert line.startswith(f"{LISTED[backward]} at ")
    assert f"test_check_sides_code.py:{line_of(backward)} was always" in line


def test_a_side_that_was_looked_at_and_is_right_is_not_listed():
    class Average:
        def __init__(self):
            self.blocks = True

        def forward(self, x):
            self.n = len(x)
            return x.mean(axis=0) if self.blocks else x.sum(axis=0)

        def backward(self, dout):
            if not self.blocks:
                return np.repeat(dout[None], self.n, axis=0)
            if self.n > 64:
                return np.repeat(dout[None] / self.n, self.n, axis=0)
            return np.ones((self.n, 1)) * dout / self.n

    report = dout.check(Average(), X)
    assert words(report) == ["exact"]
    assert not report.branches


def test_checks_of_what_is_given_are_no_conditions():
    class Careful:
        def __init__(self):
            self.verbose = False

        def forward(self, x):
            assert x.dtype == float, "floats"
            if x.ndim != 2 or x.shape[0] == 0:
                raise ValueError("rows")
            if self.verbose:
                print("forward")  # noqa: T201
            self.x = x
            return x * x

        def backward(self, dout):
            if not isinstance(dout, np.ndarray):
                message = "an array"
                raise TypeError(message)
            return 2 * self.x * dout

    report = dout.check(Careful(), X)
    assert not report.branches
    assert "exact\n" in str(report)


class RowsOrOne:
    """A softmax of rows or of one row; what has more axes it hands on as it is."""

    def forward(self, x):
        if x.ndim == 2:
            e = np.exp(x)
            x = e / e.sum(axis=1, keepdims=True)
        elif x.ndim == 1:
            e = np.exp(x)
            x = e / e.sum()
        self.out = x
        return x + 0

    def backward(self, dout):
        dx = self.out * dout
        return dx - self.out * dx.sum(axis=-1, keepdims=True)


def test_what_is_wrong_of_axes_that_the_code_has_nothing_for_leaves_the_verdict_as_it_is():
    report = dout.check(RowsOrOne(), X)
    assert words(report) == ["exact"]
    (warned,) = (item for item in report.findings if item.code == "D101")
    assert (warned.severity, report.ok) == ("warning", True)
    assert "where `x.ndim == 2` is False" in warned.message


def test_without_a_condition_nothing_is_said_of_branches():
    assert "on the branches covered" not in str(dout.check(Square(), X))
    assert "exact, on the branches covered" in str(dout.check(layer(by_flag, training=True), X))


def first_ten(self, dout):
    dx = np.zeros_like(self.x)
    dx[:10] = (2 * self.x * dout)[:10]
    return dx


def more_for_many(self, dout):
    dx = 2 * self.x * dout
    for i in range(4, len(dx), 4):
        dx[i] = 0
    return dx


@pytest.mark.parametrize("backward", [first_ten, more_for_many])
def test_what_is_wrong_for_many_rows_alone_is_found_without_a_condition(backward):
    assert "D506" in {finding.code for finding in dout.check(layer(backward), X.copy()).findings}


def returns_before_it_raises(self, dout):
    if self.x.shape[1] == 4:
        return self.slope(dout)
    if self.x.shape[1] == 5:
        return dout
    raise ValueError("no")


def test_a_side_that_returns_before_it_raises_is_a_side():
    report = dout.check(layer(returns_before_it_raises), X.copy())
    assert not report.ok or report.branches


class Scores:
    """A softmax of rows; an array of another rank it returns as it is."""

    def forward(self, x):
        if x.ndim == 2:
            e = np.exp(x - x.max(axis=1, keepdims=True))
            x = e / e.sum(axis=1, keepdims=True)
        self.out = x
        return x.copy()

    def backward(self, dout):
        dx = self.out * dout
        return dx - self.out * dx.sum(axis=-1, keepdims=True)


def test_a_rank_that_no_condition_names_is_a_warning():
    (found,) = (f for f in dout.check(Scores, X).findings if f.code == "D101")
    assert (found.severity, "where `x.ndim == 2` is False" in found.message) == ("warning", True)
