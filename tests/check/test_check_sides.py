"""What "exact" is said of: every side of every condition, in arrays and in code, is judged or listed with its line."""

import importlib
import linecache
import re
import tempfile

import numpy as np
import pytest

import dout
from benchmarks.checker import one_sided
from benchmarks.checker.case import write

X = np.random.default_rng(0).normal(size=(3, 4))
GRADIENTS = ("D101", "D102", "D103", "D501")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The search for other sides has all the time it needs: what it finds must not depend on the machine."""
    for module, name in (
        ("lab.input_variants", "MOST_SECONDS"),
        ("lab.probe", "MOST_SECONDS"),
        ("exact.judge", "MOST_SECONDS"),
        ("exact.judge", "MOST_SECONDS_SEEKING"),
    ):
        monkeypatch.setattr(importlib.import_module(f"dout.check.{module}"), name, 60.0)


class Square:
    """A square, whose backward the others spoil."""

    def forward(self, x):
        self.x = x
        return x * x

    def slope(self, dout):
        return 2 * self.x * dout

    def backward(self, dout):
        return self.slope(dout)


def layer(backward, forward=None, **attributes):
    """A square with another backward."""
    methods = {"backward": backward, **({"forward": forward} if forward else {}), **attributes}
    return type("Layer", (Square,), methods)()


def line_of(function):
    return function.__code__.co_firstlineno + 1


def errors(report):
    return [f.code for f in report.findings if f.severity == "error" and f.code in GRADIENTS]


def words(report):
    return [verdict.word for verdict in report.verdicts]


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


@pytest.mark.parametrize("wrong", ["(self.x > 0)", "(self.x < 6)"])
def test_each_limit_of_clip_counts_by_itself(wrong):
    def forward(self, x):
        self.x = x
        return np.clip(x, 0, 6)

    def backward(self, dout):
        return dout * ((self.x > 0) if wrong == "(self.x > 0)" else (self.x < 6))

    assert errors(dout.check(layer(backward, forward), X))


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


# --- in code ----------------------------------------------------------------------------------------------------------


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
    assert f"test_check_sides.py:{line_of(backward)} was always" in line


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


def test_without_a_condition_nothing_is_said_of_branches():
    assert "on the branches covered" not in str(dout.check(Square(), X))
    assert "exact, on the branches covered" in str(dout.check(layer(by_flag, training=True), X))


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


# --- the net ----------------------------------------------------------------------------------------------------------

NET = list(one_sided.one_sided())


def checked(case):
    with tempfile.TemporaryDirectory() as folder:
        path = write(case, folder, example=False)
        names = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text(), str(path), "exec"), names)
        return dout.check(case.build(names), *case.inputs)


def test_the_net_is_wrong_on_the_other_side_alone():
    assert len(NET) >= 60
    assert [mutant.id for mutant, right, row in NET if not one_sided.confirmed(mutant, right, row)] == []


@pytest.mark.parametrize(("mutant", "right", "row"), NET[::2], ids=[mutant.id for mutant, _, _ in NET[::2]])
def test_a_layer_that_is_wrong_on_one_side_is_refuted_or_that_side_is_listed(mutant, right, row):
    report = checked(mutant)
    assert one_sided.is_told(errors(report), report.branches, row)


RIGHT_TWINS = {right.cls: right for _, right, _ in NET}


@pytest.mark.parametrize("name", RIGHT_TWINS)
def test_its_right_twin_has_no_error(name):
    assert not errors(checked(RIGHT_TWINS[name]))


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
