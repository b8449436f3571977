"""Layers whose forward takes `*args`, and whose backward is given the same again."""

import numpy as np
import pytest

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.errors import TargetError


class Product:
    def forward(self, *args):
        one, other = args
        return one * other

    def backward(self, dout, *args):
        one, other = args
        return dout * other, dout * one


class Exp:
    def forward(self, *args):
        return np.exp(args[0])

    def backward(self, grad, output, *args):
        return (grad * output,)


class Left:
    """Wrong for what forward was given: what else it takes may be for anything, and nothing tells what it is for."""

    def forward(self, *args):
        one, other = args
        return one * other + other

    def backward(self, grad, *args):
        one, other = args
        return grad * (one + 1), grad * other


class OfTwoOutputs:
    """What else it takes is the upstream gradient of the other output."""

    def forward(self, *xs):
        self.xs = xs
        return xs[0] * xs[1], xs[0] + xs[1]

    def backward(self, dout, *douts):
        return dout * self.xs[1] + douts[0], dout * self.xs[0] + douts[0]


class Scaled:
    """What else it takes is a factor, which nobody has to give."""

    def forward(self, *xs):
        return 2 * (xs[0] + xs[1])

    def backward(self, dout, *args):
        scale = args[0] if args else 1.0
        return 2 * dout * scale, 2 * dout * scale


class Ignoring:
    """A backward that reads nothing of what else it may be given."""

    def forward(self, *args):
        self.one = args[0]
        return self.one**2

    def backward(self, dout, *args):
        return 2 * self.one * dout


@pytest.mark.parametrize("cls", [Product, Exp, Ignoring, OfTwoOutputs, Scaled])
def test_a_backward_that_reads_what_forward_was_given_is_given_it(cls):
    report = check(cls)
    assert report.ok
    assert {str(verdict.word) for verdict in report.verdicts} == {"exact"}


def test_a_backward_that_is_not_right_for_them_is_judged_without():
    report = check(Left)
    assert not report.verdicts
    assert [finding.code for finding in report.findings] == ["D001"]


def test_the_report_says_that_backward_is_given_them():
    assert str(example(Product, {}, {}).interface) == "forward(…), backward(dout, *)"


class Box:
    """It has a gradient only where it wants one, and by default it does not."""

    def __init__(self, data, wants_grad=False):
        self.data, self.wants_grad = data, wants_grad
        self.grad = np.zeros_like(data) if wants_grad else None


class Operation:
    def __init__(self):
        self.last = []

    def forward(self, *args):
        self.last = list(args)
        self.output = Box(args[0].data * args[1].data, wants_grad=any(one.wants_grad for one in args))
        return self.output

    def op_backward(self):
        for place, one in enumerate(self.last):
            if one.wants_grad:
                one.grad += self.output.grad * self.last[1 - place].data


def test_objects_that_want_a_gradient_only_when_told_are_told():
    report = check(Operation)
    assert {verdict.argument: str(verdict.word) for verdict in report.verdicts} == {
        "input0": "exact",
        "input1": "exact",
    }
    assert report.ok


class Likelihood:
    """Of shares alone."""

    def forward(self, *args):
        share, target = args
        return -np.sum(target * np.log(share) + (1 - target) * np.log(1 - share))

    def backward(self, dout, *args):
        share, target = args
        return -dout * (target / share - (1 - target) / (1 - share)), -dout * (np.log(share) - np.log(1 - share))


def test_numbers_lie_between_0_and_1_where_no_others_do():
    assert {str(verdict.word) for verdict in check(Likelihood).verdicts} == {"exact"}


class Number:
    """What it may be told is off by default, and no wish for a gradient."""

    def __init__(self, data, frozen=False, log=False):
        self.data, self.frozen, self.grad = np.log(abs(data) + 1) if log else data, frozen, None


class LogOfSquares:
    def forward(self, x):
        self.x = x
        return np.log(x.data**2 + 1)

    def backward(self, dout):
        slope = 2 * self.x.data / (self.x.data**2 + 1)
        return dout * (0 if self.x.frozen else slope)


def test_objects_are_told_of_no_other_wish():
    report = check(LogOfSquares)
    assert not [finding for finding in report.findings if finding.severity == "error"]
    assert [str(verdict.word) for verdict in report.verdicts] != ["refuted"]
    assert isinstance(example(LogOfSquares, {}, {}).interface.holder, type)


class Where:
    """The first is a condition."""

    def forward(self, *args):
        where, one, other = args
        self.where = where
        return np.where(where, one, other)

    def backward(self, dout):
        return None, dout * self.where, dout * (1 - self.where)


class Optional:
    """What else it takes may be left out."""

    def forward(self, x, *args):
        self.factor = args[0] if args else 2.0
        return self.factor * x

    def backward(self, dout):
        return self.factor * dout


class Longer(Optional):
    def forward(self, x, *args):
        self.factor = 3.0
        if len(args) > 1:
            self.factor = args[1]
        return self.factor * x


def test_a_condition_among_them_is_no_array():
    with pytest.raises(TargetError, match="took none of the small inputs"):  # rather than be wrong for arrays
        check(Where)


@pytest.mark.parametrize("cls", [Optional, Longer])
def test_what_may_be_left_out_is_left_out(cls):
    assert list(example(cls, {}, {}).inputs) == ["x"]
    assert check(cls).ok
