"""What "exact" is said of: every side of every condition, in arrays and in code, is judged or listed with its line."""

import linecache
import re

import numpy as np
import pytest
from one_side_squares import X, errors, layer, line_of, words

import dout

# --- in arrays --------------------------------------------------------------------------------------------------------


def test_a_comparison_in_backward_is_looked_at_on_both_sides():
    def backward(self, dout):
        return np.where(self.x > 50, dout, self.slope(dout))

    assert errors(dout.check(layer(backward), X)) == ["D101"]


def test_a_gradient_that_is_cut_off_is_no_error_and_is_listed_with_its_line():
    def backward(self, dout):
        return np.clip(self.slope(dout), -500, 500)

    report = dout.check(layer(backward), X)
    (line,) = report.branches
    assert words(report) == ["exact"]
    assert line.startswith("`np.clip(self.slope(dout), -500, 500)` at ")
    assert line.endswith(f"test_check_sides.py:{line_of(backward)} was never at its lower limit or at its upper limit")


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("limit", "found"), [(709, []), (90, ["D101"]), (7, ["D101"])])
def test_a_limit_that_keeps_an_exponential_finite_is_no_condition_of_the_layer(limit, found):
    class Elu:
        def forward(self, x):
            self.x = x = np.clip(x, -limit, limit)
            return np.where(x > 0, x, np.exp(x) - 1)

        def backward(self, dout):
            return dout * np.where(self.x > 0, 1, np.exp(self.x))

    assert errors(dout.check(Elu(), X)) == found


@pytest.mark.one_in(2)
@pytest.mark.parametrize("wrong", ["(self.x > 0)", "(self.x < 6)"])
def test_each_limit_of_clip_counts_by_itself(wrong):
    def forward(self, x):
        self.x = x
        return np.clip(x, 0, 6)

    def backward(self, dout):
        return dout * ((self.x > 0) if wrong == "(self.x > 0)" else (self.x < 6))

    assert errors(dout.check(layer(backward, forward), X))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("first", [True, False])
def test_each_argument_of_an_extremum_counts_by_itself(first):
    class Larger:
        def forward(self, x, y):
            return np.maximum(x, y)

        def backward(self, dout):
            return dout * first, dout * (not first)

    given = (X + 10, X) if first else (X, X + 10)
    assert errors(dout.check(Larger(), *given))


def test_a_step_of_which_one_piece_alone_was_seen_is_listed():
    class Steps:
        def __init__(self):
            self.x0 = 0.25

        def forward(self, x):
            return x * (1 + np.floor(self.x0))

        def backward(self, dout):
            return dout * (1 + np.floor(self.x0))

    (line,) = dout.check(Steps(), X).branches[:1]
    assert line.startswith("`np.floor(self.x0)`")
    assert line.endswith("was always 0")


@pytest.mark.parametrize("place", [np.max, np.argmax])
def test_a_place_that_an_extremum_always_took_is_said_by_its_index(place):
    class Scaled:
        def __init__(self):
            self.kept = np.array([1.0, 3.0, 2.0])

        def forward(self, x):
            return x * (1 + place(self.kept))

        def backward(self, dout):
            return dout * (1 + place(self.kept))

    found = [line.rpartition(" was ")[2] for line in dout.check(Scaled(), X).branches]
    assert found == ["always at index 1"] * 2


class Parts:
    """Conditions of two parts, in two lines."""

    many, on = 5, True

    def forward(self, x):
        if (self.many > 3
                and self.on):  # fmt: skip
            return 2 * x
        if (self.many > 2
                or self.on):  # fmt: skip
            return x
        return 3 * x

    def backward(self, dout):
        return 2 * dout


def test_each_part_of_a_condition_is_listed_with_its_own_line():
    found = [re.fullmatch(r"`(.+)` at .+:(\d+) was always True", line) for line in dout.check(Parts(), X).branches]
    assert [match[1] for match in found] == ["self.many > 3", "self.on"]
    assert all(match[1] in linecache.getline(__file__, int(match[2])) for match in found)


def test_the_parts_of_a_loop_are_no_conditions_by_themselves():
    class Counting:
        def forward(self, x):
            number, left = 0, True
            while number < 3 and left:
                number += 1
            return x * number

        def backward(self, dout):
            return dout * 3

    assert [line.partition(" at ")[0] for line in dout.check(Counting(), X).branches] == ["`left`"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("step", [np.floor, np.ceil, np.trunc, np.rint, np.round, lambda v: v.astype(int)])
def test_what_is_wrong_beyond_the_first_steps_is_refuted(step):
    def backward(self, dout):
        return self.slope(dout) * (1 + np.abs(step(self.x / 200)))

    assert errors(dout.check(layer(backward), np.zeros((2, 3)) + 1e-3)) == ["D101"]


def test_two_comparisons_on_one_line_are_two_conditions():
    def backward(self, dout):
        return np.where(self.x > 0, self.slope(dout), np.where(dout > 1e-300, self.slope(dout), self.slope(dout)))

    report = dout.check(layer(backward), X)
    assert not report.branches

    def one_sided(self, dout):
        return np.where(self.x > 0, self.slope(dout), np.where(np.exp(dout) > 0, self.slope(dout), 7.0))

    (line,) = dout.check(layer(one_sided), X).branches
    assert line.startswith("`np.exp(dout) > 0`")


def test_a_side_that_was_met_at_a_kink_alone_is_not_covered():
    def forward(self, x):
        self.x = x
        return np.where(x < 100, x, 5 * x - 400)

    def backward(self, dout):
        return np.where(self.x < 100, dout, 4 * dout)

    assert errors(dout.check(layer(backward, forward), X)) == ["D101"]


@pytest.mark.long
def test_large_and_small_upstream_gradients_are_tried():
    def large(self, dout):
        return self.slope(np.where(np.abs(dout) > 1e5, 0.0, dout))

    def positive(self, dout):
        return self.slope(dout) * (1.0 if dout.min() < 0 else 2.0)

    assert errors(dout.check(layer(large), X)) == ["D101"]
    assert errors(dout.check(layer(positive), X)) == ["D101"]


def test_where_nothing_was_recorded_the_conditions_in_arrays_are_listed():
    def backward(self, dout):
        dx = self.slope(dout)
        np.putmask(dx, self.x > 50, 0.0)  # not in the table
        return dx

    report = dout.check(layer(backward), X)
    (line,) = report.branches
    assert words(report) == ["agrees within rounding"]
    assert line == f"`self.x > 50` at {line.split(' at ')[1].split(' was')[0]} was not looked at"


# --- right layers -----------------------------------------------------------------------------------------------------


def clipped_sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))


def softplus(x):
    return np.where(x > 30, x, np.log1p(np.exp(np.minimum(x, 30))))


RIGHT = {
    "a sigmoid that is flat far out": (clipped_sigmoid, lambda s, d: d * s.y * (1 - s.y), X),
    "a softplus that is a line far out": (softplus, lambda s, d: d / (1 + np.exp(-s.x)), X),
    "a logarithm that is kept from 0": (lambda x: np.log(np.clip(x, 1e-7, 1 - 1e-7)), lambda s, d: d / s.x, abs(X) / 4),
    "a root that is kept from 0": (lambda x: np.sqrt(np.maximum(x, 1e-8)), lambda s, d: d / (2 * s.y), abs(X)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_limit_that_keeps_numbers_finite_is_no_error(name):
    function, gradient, given = RIGHT[name]

    def forward(self, x):
        self.x, self.y = x, function(x)
        return self.y

    report = dout.check(layer(lambda self, dout: gradient(self, dout), forward), given)
    assert not errors(report)
    assert words(report)[0].startswith("exact")


class CrossEntropyOfShares:
    """Right only where the rows of y add up to 1."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y)) / len(y)

    def backward(self, dout=1):
        rest = 1 - self.y.sum(axis=1, keepdims=True)
        return dout * (-self.t / self.y + 9 * rest) / len(self.y)


def test_what_has_a_gradient_is_no_label_though_its_rows_add_up_to_one():
    shares = np.array([[0.25, 0.75], [0.5, 0.5], [0.125, 0.875]])
    report = dout.check(CrossEntropyOfShares(), shares, np.eye(2)[[0, 1, 1]])
    assert [verdict.word for verdict in report.verdicts] == ["refuted"]


@pytest.mark.long
@pytest.mark.one_in(4)
@pytest.mark.parametrize("whole", [np.floor, np.round])
def test_a_wrong_stretch_between_whole_numbers_is_an_error(whole):
    def forward(self, x):
        self.x = x
        return np.where(whole(x) > 20, 2 * x, x)

    def backward(self, dout):
        return np.where(whole(self.x) > 30, 2 * dout, dout)

    assert not dout.check(layer(backward, forward), X.copy()).ok


def test_a_gradient_that_is_cut_off_is_no_error_beside_another_condition():
    def forward(self, x):
        self.x = x
        return np.where(x > 400, 0 * x, x * x)

    def backward(self, dout):
        return np.where(self.x > 400, 0 * dout, np.clip(2 * self.x * dout, -20, 20))

    assert dout.check(layer(backward, forward), X.copy()).ok
