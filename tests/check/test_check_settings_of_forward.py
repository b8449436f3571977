"""Settings of forward, and other inputs: what is no example of a layer, and what a larger one shows."""

import numpy as np
import pytest
from report_findings import errors

from dout.check.verb.check_layer import check

X = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 1.5, -1.0, 2.0], [-0.5, 0.75, 2.5, -3.0]])


class Lasso:
    """Takes w for its sign, which noughts and ones do not show."""

    def __init__(self, strength=0.0):
        self.strength = strength

    def forward(self, w, x):
        self.w, self.x = w, x
        return np.sum((x @ w) ** 2) + self.strength * np.abs(w).sum()

    def backward(self, dout):
        return dout * (2 * self.x.T @ self.x @ self.w + self.strength * self.w)


def test_noughts_and_ones_are_no_example_of_what_has_a_gradient():
    (found,) = errors(check(Lasso, np.eye(4)[:, :3], X))
    assert found.argument == "w"
    assert "strength = 0.3" in found.message or "than 0 and 1 in w" in found.message


class Slope:
    """What forward takes by default, backward takes for granted."""

    def forward(self, x, slope=0.1):
        self.x, self.slope = x, slope
        return np.where(x > 0, x, slope * x)

    def backward(self, dout):
        return np.where(self.x > 0, dout, 0.1 * dout)


class RightSlope(Slope):
    def backward(self, dout):
        return np.where(self.x > 0, dout, self.slope * dout)


class ToldTwice(Slope):
    """It is told to both."""

    def backward(self, dout, slope=0.1):
        return np.where(self.x > 0, dout, slope * dout)


class Evaluated(Slope):
    """Backward belongs to training."""

    def forward(self, x, evaluate=False):
        return (x - 1) * 3 if evaluate else super().forward(x)


def test_a_default_of_forward_is_a_setting():
    (finding,) = errors(check(Slope, X))
    assert "slope = 0.11" in finding.message
    assert not any(errors(check(layer, X)) for layer in (RightSlope, ToldTwice, Evaluated))


def switched(x, alpha=0.01, derivative=False):
    return np.where(x > 0, 1, alpha) if derivative else np.where(x > 0, x, alpha * x)


def switched_wrong(x, alpha=0.01, derivative=False):
    return np.where(x > 0, 1, 0.01) if derivative else np.where(x > 0, x, alpha * x)


def test_a_setting_before_a_switch_is_set_alone_and_for_both():
    """The switch makes a function its own derivative: it is no argument of either."""
    assert not errors(check(switched, X))
    (finding,) = errors(check(switched_wrong, X))
    assert "alpha = 0.0" in finding.message


class Reduced:
    def forward(self, prediction, target, reduction="sum"):
        self.difference = prediction - target
        if reduction == "mean":
            return np.mean(self.difference**2)
        return np.sum(self.difference**2)

    def backward(self):
        return 2 * self.difference


@pytest.mark.long
def test_a_word_that_forward_is_given_is_a_setting():
    (finding,) = errors(check(Reduced(), X, 0.5 * X[::-1], reduction="sum"))
    assert "reduction = 'mean'" in finding.message


class DividedByRows:
    """A mean over all numbers, whose backward knows the rows alone: right for one column."""

    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * self.difference / len(self.difference)


class DividedByAll(DividedByRows):
    def backward(self):
        return 2 * self.difference / self.difference.size


def test_one_column_is_no_example_of_a_loss():
    (finding,) = errors(check(DividedByRows(), X[:, :1], X[:, 1:2]))
    assert "on prediction (3, 3), target (3, 3)" in finding.message
    assert not errors(check(DividedByAll(), X[:, :1], X[:, 1:2]))


class Flat:
    """It is built for samples of one shape."""

    def __init__(self, shape=(4,)):
        self.shape = shape

    def forward(self, x):
        return np.reshape(x, (-1, *self.shape))

    def backward(self, dout):
        return np.reshape(dout, (-1, *self.shape))


def test_another_number_of_axes_may_be_none_of_the_layers_own():
    assert not errors(check(Flat(), X))


class SumOverChannels:
    """Right for one channel: with several, each gets the sum of all."""

    def __init__(self, channels=1):
        self.channels, self.W = channels, np.linspace(0.5, 1.5, channels)

    def forward(self, x):
        assert x.shape[1] == self.channels
        return np.sum(x * self.W[:, None], axis=1)

    def backward(self, dout):
        return np.repeat(dout[:, None, :] * self.W.sum(), self.channels, axis=1)


def test_one_channel_is_no_example_of_several():
    (finding,) = errors(check(SumOverChannels, np.ones((2, 1, 4)), init={"channels": 1}))
    assert "with channels = " in finding.message


class MeanOfRuns:
    """Leaves out the last numbers where the length is no multiple of the size: in forward alone."""

    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        self.shape, number = x.shape, x.shape[1] // self.size
        return x[:, : number * self.size].reshape(len(x), number, self.size).mean(axis=2)

    def backward(self, dout):
        return (np.repeat(dout, self.size, axis=1) / self.size).reshape(self.shape)


def test_a_backward_that_raises_where_forward_runs_is_warned_of_with_the_setting():
    report = check(MeanOfRuns, X)
    (finding,) = [found for found in report.findings if found.code == "D001"]
    assert finding.severity == "warning"
    assert finding.message.startswith("MeanOfRuns.backward raises ValueError: cannot reshape array")
    assert "on larger inputs, (3, 7), where forward runs" in finding.message


class NotForLongRows(MeanOfRuns):
    """Says itself what it is not made for."""

    def backward(self, dout):
        if self.shape[1] % self.size:
            raise NotImplementedError("rows must be a multiple of the size")
        return super().backward(dout)


def test_a_backward_that_refuses_a_setting_is_not_warned_of():
    assert "D001" not in [found.code for found in check(NotForLongRows, X).findings]


class ByName:
    """Activations by their names, of which the softmax leaves the work to its loss."""

    def __init__(self, name):
        self.name = name

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        if self.name == "softmax":
            powers = np.exp(x - np.max(x, axis=1, keepdims=True))
            self.y = powers / np.sum(powers, axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        if self.name == "softmax":
            return dout
        return dout * self.y * (1 - self.y)


class LossByName:
    def __init__(self, name):
        self.name = name

    def forward(self, y, t):
        self.y, self.t = y, t
        if self.name == "cce":
            return -np.mean(np.sum(t * np.log(y), axis=1))
        return -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))

    def backward(self):
        if self.name == "cce":
            return (self.y - self.t) / len(self.y)
        return ((1 - self.t) / (1 - self.y) - self.t / self.y) / len(self.y)


def test_a_word_that_is_for_several_classes_is_not_judged_on_one_column():
    column = np.array([[0.25], [0.625], [0.375]])
    assert not errors(check(ByName, column, init={"name": "sigmoid"}))
    assert not errors(check(LossByName, column, np.array([[1.0], [0.0], [1.0]]), init={"name": "bce"}))


class Columns:
    """Takes columns of numbers, one a sample."""

    def __init__(self, out_d):
        self.W, self.b = np.linspace(0.25, 1.0, 2 * out_d).reshape(out_d, 2), np.zeros((out_d, 1))

    def forward(self, x):
        self.x = x
        return self.W @ x + self.b

    def backward(self, dout):
        self.dW, self.db = np.sum(dout @ self.x.transpose(0, 2, 1), axis=0), np.sum(dout, axis=0)
        return self.W.T @ dout


def test_a_width_of_the_output_is_tried_without_another_width_of_the_inputs():
    report = check(Columns, np.arange(6.0).reshape(3, 2, 1), init={"out_d": 1})
    assert not [found for found in report.findings if found.severity in ("error", "warning") and found.code[1] in "15"]


class Total:
    def forward(self, x, axis=None):
        self.x, self.axis = x, axis
        return x.sum(axis=axis)

    def backward(self, dout):
        dout = dout if self.axis is None else np.expand_dims(dout, self.axis)
        return np.ones_like(self.x) * dout


class TotalOfAll(Total):
    def backward(self, dout):
        return np.ones_like(self.x) * dout  # wrong along an axis


def test_forward_is_run_along_each_axis_where_it_takes_one():
    assert check(Total).ok
    (error,) = [finding for finding in check(TotalOfAll).findings if finding.severity == "error"]
    assert "with axis = 1, where forward runs" in error.message


class TotalToldTwice:
    """Backward is told the axis, too."""

    def forward(self, x, axis=None):
        self.shape = x.shape
        return x.sum(axis=axis)

    def backward(self, dout, axis=None):
        return np.zeros(self.shape) + (dout if axis is None else np.expand_dims(dout, axis))


class Detached(Total):
    def forward(self, x, axis=None, detach=False):
        self.detach = detach
        return super().forward(x, axis)

    def backward(self, dout):
        return super().backward(dout) * (not self.detach)


def test_no_axis_is_tried_that_backward_has_to_be_told():
    assert not [f for f in check(TotalToldTwice).findings if f.severity in ("error", "warning") and f.code[1] in "15"]


def test_a_flag_that_is_wrong_alone_is_told_without_an_axis():
    (found,) = [f for f in check(Detached).findings if f.code == "D101"]
    assert "with detach = True" in found.message
    assert "axis" not in found.message
