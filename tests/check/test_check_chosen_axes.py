"""Layers in manners of their own: what is wrong on chosen numbers of axes alone is a warning, and nothing is lost."""

import numpy as np
import pytest

import dout
from dout.adapt.source import shapes_for


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def told(report, severity):
    return [finding.message for finding in report.findings if finding.severity == severity]


class Neuron:
    """All are numbers, and no code says so."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def forward(self, a, b):
        return self.first * a + self.second * b

    def backward(self, dout):
        return dout * self.first, dout * self.second


def test_a_gradient_in_the_shape_of_another_chosen_input_may_be_that_of_a_number():
    report = dout.check(Neuron)
    assert report.ok
    assert not told(report, "warning") or any("are numbers, it is right" in text for text in told(report, "warning"))


class SoftmaxOfAll:
    """Of a vector: forward does not know a table from a line."""

    def forward(self, z):
        e = np.exp(z - z.max())
        self.s = e / e.sum()
        return self.s

    def backward(self, dout):
        return (np.diag(self.s) - np.outer(self.s, self.s)) @ dout


class WrongSoftmaxOfAll(SoftmaxOfAll):
    def backward(self, dout):
        return (np.diag(self.s) - self.s[:, None]) @ dout


def test_what_goes_over_all_numbers_in_a_line_may_be_meant_for_vectors():
    report = dout.check(SoftmaxOfAll)
    assert report.ok
    assert any("if z is a vector, it is right" in text for text in told(report, "warning"))
    assert not dout.check(WrongSoftmaxOfAll).ok


def test_it_is_an_error_on_a_table_that_was_given():
    assert not dout.check(SoftmaxOfAll(), np.array([[0.5, 1.0], [-2.0, 0.25]])).ok


class LogSumExp:
    """Its backward takes vectors alone, and its forward tables too."""

    def forward(self, x):
        m = x.max(axis=-1, keepdims=True)
        e = np.exp(x - m)
        s = e.sum(axis=-1, keepdims=True)
        self.share = e / s
        return (m + np.log(s)).squeeze(-1)

    def backward(self, dout):
        return np.expand_dims(dout, 0) * self.share  # wrong: of a table it is the last axis


def test_a_backward_that_refuses_the_tables_that_forward_takes_is_told():
    assert any("which forward takes" in text for text in told(dout.check(LogSumExp), "warning"))


class Banks:
    """The parameters and their gradients stand in two dicts, whose names say nothing."""

    def __init__(self, n, m):
        self.p = {"W": np.random.default_rng(0).normal(size=(n, m)), "b": np.zeros(m)}
        self.g = {}

    def forward(self, x):
        self.x = x
        return x @ self.p["W"] + self.p["b"]

    def backward(self, dout):
        self.g["W"] = self.x.T @ dout
        self.g["b"] = dout.sum(axis=0)
        return dout @ self.p["W"].T


class WrongBanks(Banks):
    def backward(self, dout):
        self.g["W"] = 2 * self.x.T @ dout
        self.g["b"] = dout.sum(axis=0)
        return dout @ self.p["W"].T


def test_a_dict_that_backward_fills_by_the_names_of_parameters_has_their_gradients():
    assert words(dout.check(Banks)) == dict.fromkeys(("x", "W", "b"), "exact")
    assert words(dout.check(WrongBanks)) == {"x": "exact", "W": "refuted", "b": "exact"}


class Letters:
    """The names of parameters differ in case alone, and backward returns their gradients by name."""

    def __init__(self, n, m):
        self.A, self.a = np.random.default_rng(0).normal(size=(n, m)), np.zeros((1, m))

    def forward(self, x):
        self.x = x
        return x @ self.A + self.a

    def loss(self, out, target):
        return ((out - target) ** 2).mean()

    def backward(self, out, target):
        d = 2 * (out - target) / target.size
        return {"A": self.x.T @ d, "a": d.sum(axis=0, keepdims=True)}


def test_names_that_differ_in_case_alone_are_two():
    assert words(dout.check(Letters)) == dict.fromkeys(("A", "a"), "exact")


class Logarithm:
    @staticmethod
    def forward(ctx, x):
        ctx["x"] = x
        return np.log(x)

    @staticmethod
    def backward(ctx, dout):
        return dout / ctx["x"]


def test_a_context_may_be_used_as_a_dict():
    assert words(dout.check(Logarithm)) == {"x": "exact"}


def windows_forward(x, w):
    """Valid. x (N, H, W, C), w (2, 2, C)."""
    return x[:, 1:, 1:] * w[1, 1] + x[:, :-1, :-1] * w[0, 0]


def test_shapes_that_stand_beside_each_other_in_a_line_are_read():
    assert shapes_for(windows_forward) == {"x": ("N", "H", "W", "C"), "w": ("2", "2", "C")}


class Decayed:
    def __init__(self, n, m):
        self.W = np.random.default_rng(0).normal(size=(n, m))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, reg):
        self.dW = self.x.T @ dout + reg * self.W
        return dout @ self.W.T


class WrongDecayed(Decayed):
    def backward(self, dout, reg):
        self.dW = self.x.T @ dout + reg * self.W**2
        return dout @ self.W.T


@pytest.mark.parametrize(("cls", "ok"), [(Decayed, True), (WrongDecayed, False)])
def test_a_penalty_is_seen_whose_strength_backward_is_given(cls, ok):
    report = dout.check(cls)
    assert report.ok is ok
    assert words(report)["W"] != "exact"
