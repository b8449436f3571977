"""Layers in manners of their own: what is wrong on chosen numbers of axes alone is a warning, and nothing is lost."""

import numpy as np
import pytest

import dout


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def told(report, severity):
    return [finding.message for finding in report.findings if finding.severity == severity]


class Scale:
    """Each column has a number of its own; nothing in the code says that they are no numbers alone."""

    def forward(self, x, gamma, beta):
        self.x, self.gamma = x, gamma
        return x * gamma + beta

    def backward(self, dout):
        return dout * self.gamma, dout * self.x, dout  # wrong: not summed over the rows


def test_a_gradient_that_is_not_summed_over_the_rows_is_an_error():
    report = dout.check(Scale)
    assert len(told(report, "error")) == 2
    assert all("sum(axis=0)" in text for text in told(report, "error"))


class MeanOfAll:
    def forward(self, x):
        self.x = x
        return np.mean(x**2)

    def backward(self, dout=1):
        return dout * 2 * self.x / len(self.x)  # wrong: right on a vector


class NormOfAll(MeanOfAll):
    def forward(self, x):
        self.x = x
        return np.sqrt(np.sum(x**2))

    def backward(self, dout=1):
        return dout * self.x / np.sqrt(np.sum(self.x**2, axis=0))  # wrong: right on a vector


class ShareOfAll:
    def forward(self, x):
        e = np.exp(x - x.max())
        self.y = e / e.sum()
        return self.y

    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum(axis=0))  # wrong: right on a vector


@pytest.mark.one_in(3)
@pytest.mark.parametrize("cls", [MeanOfAll, NormOfAll, ShareOfAll])
def test_wrong_numbers_for_a_table_are_an_error_where_backward_takes_tables(cls):
    assert any("should be" in text for text in told(dout.check(cls), "error"))


class Averaged:
    """A product with a number has nothing to do with what is wrong."""

    def __init__(self, n, m):
        self.W, self.b = np.random.default_rng(0).normal(size=(n, m)), np.zeros((1, m))

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        m = len(dout)
        self.dW = np.dot(1.0 / m, np.dot(self.x.T, dout))
        self.db = np.dot(1.0 / m, dout.sum(axis=0, keepdims=True))
        return np.dot(dout, self.W)  # wrong: .T is missing


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("given", [True, False])
def test_a_product_with_a_number_is_no_excuse(given):
    x = np.random.default_rng(1).normal(size=(5, 4))
    report = dout.check(Averaged(4, 4), x) if given else dout.check(Averaged)
    assert len(told(report, "error")) == 3


def cube_forward(x):
    return x**3, x


def cube_backward(dout, cache):
    return dout * 2 * cache**2  # wrong


def lone(x):
    return x**3


def test_a_function_is_judged_with_its_backward_beside_it():
    report = dout.check(cube_forward)
    assert words(report) == {"x": "refuted"}
    assert not report.ok
    with pytest.raises(dout.errors.TargetError, match="no backward"):
        dout.check(lone)


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


@pytest.mark.long
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


@pytest.mark.long
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
