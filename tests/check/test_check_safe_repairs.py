"""A repair is safe that holds elsewhere, too: at other sizes, a run later, in the other layers that run its code."""

import numpy as np
import pytest

import dout

X = np.arange(12.0).reshape(3, 4) / 7 - 0.8


def fix_of(layer, *inputs, code="D101"):
    report = dout.check(layer, *inputs)
    return next(finding.fix for finding in report.findings if finding.code == code and finding.fix)


class WrongWhereLarge:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        if self.x.size > 12:
            return self.x * dout
        return 2 * self.x * dout


def test_another_test_of_a_size_is_not_safe():
    fix = fix_of(WrongWhereLarge(), X, code="D506")
    assert "self.x.size" in fix.diff(0)
    assert fix.unsafe


class AddsItsCounter:
    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        return np.cos(self.x) * dout + self.calls


def test_a_counter_is_not_made_right_by_its_first_value():
    fix = fix_of(AddsItsCounter(), X)
    assert "+        return np.cos(self.x) * dout\n" in fix.diff(0) + "\n"


def slope_of_tanh(y):
    return 1 + y**2


def named(y):
    return slope_of_tanh(y)


class First:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y + 0

    def backward(self, dout):
        return dout * named(self.y)


class Second(First):
    def backward(self, dout):
        return dout * slope_of_tanh(self.y)


class Third:
    def forward(self, x):
        self.y = np.tanh(2 * x)
        return self.y + 0

    def backward(self, dout):
        return 2 * dout * slope_of_tanh(self.y)


@pytest.mark.parametrize("layer", [First, Third])
def test_a_function_that_several_layers_run_is_mended_where_it_is_wrong_and_that_is_not_safe(layer):
    fix = fix_of(layer(), X)
    assert "+    return 1 - y**2" in fix.diff(0)
    assert "it changes" in fix.unsafe


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class SumOverRows:
    def forward(self, x, t):
        self.p, self.t = softmax(x), t
        return -np.log(self.p[np.arange(len(t)), t]).sum() / len(t)

    def backward(self, dout=1):
        dx = self.p.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx * dout


def test_labels_grow_with_the_rows_of_a_loss_on_the_second_example_of_a_repair():
    fix = fix_of(SumOverRows(), X, np.array([1, 3, 0]), code="D106")
    assert "dx * dout / " in fix.diff(0)


class MeanOverColumns:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=0))
        self.p, self.t = e / e.sum(axis=0), t
        return -np.log(self.p[t, np.arange(len(t))]).mean()

    def backward(self, dout=1):
        dx = self.p.copy()
        dx[self.t, np.arange(len(self.t))] -= 1
        return dx * dout


def test_samples_may_be_columns_of_a_loss_that_leaves_its_mean_out():
    report = dout.check(MeanOverColumns(), X.T.copy(), np.array([1, 3, 0]))
    assert [finding.code for finding in report.findings if finding.argument == "x"] == ["D106"]


class WindowSums:
    """Right for windows of odd lengths; those of even lengths reach further to one side."""

    def __init__(self, size=3):
        self.size = size

    def sums(self, z):
        padded = np.pad(z, ((0, 0), (self.size // 2, self.size // 2)))
        return sum(padded[:, i : i + z.shape[1]] for i in range(self.size))

    def forward(self, x):
        return self.sums(x)

    def backward(self, dout):
        return self.sums(dout)


def test_no_other_forward_is_meant_where_it_is_right_as_it_is_given():
    errors = [finding for finding in dout.check(WindowSums).findings if finding.severity == "error"]
    assert [finding.argument for finding in errors] == ["x"]
    assert "size" in errors[0].message
    assert "another forward" not in errors[0].message + (errors[0].because or "")
