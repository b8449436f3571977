"""Numbers and arrays that are called like gradients and are none: step sizes, and the state of an optimiser."""

import numpy as np
import pytest

import dout


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def errors(report):
    return [finding.code for finding in report.findings if finding.severity == "error"]


class Heat:
    """The times, and the step between them."""

    def __init__(self, n):
        self.t = np.arange(n) * 0.1
        self.dt = 0.1

    def forward(self, x):
        return x * np.exp(-self.t) * self.dt

    def backward(self, dout):
        return dout * np.exp(-self.t) * self.dt


class MeasuredStep(Heat):
    def __init__(self, n):
        self.t = np.linspace(0, 1, n)
        self.dt = self.t[1] - self.t[0]


class StepOfForward(Heat):
    def forward(self, x):
        self.dt = 1 / x.shape[-1]
        return super().forward(x)


class StepInADict:
    def __init__(self, n):
        self.grid = [{"t": np.linspace(0, 1, n), "dt": 0.1}]

    def forward(self, x):
        return x * self.grid[0]["t"] * self.grid[0]["dt"]

    def backward(self, dout):
        return dout * self.grid[0]["t"] * self.grid[0]["dt"]


@pytest.mark.parametrize("cls", [Heat, MeasuredStep, StepOfForward, StepInADict])
def test_a_number_that_was_there_before_backward_is_no_gradient(cls):
    report = dout.check(cls)
    assert words(report) == {"x": "exact"}
    assert errors(report) == []


class SummedBias:
    """Wrong: a sum over all axes. The number stands there before, too."""

    def __init__(self, n):
        self.b = np.zeros(n)
        self.db = self.b_grad = 0.0

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = self.b_grad = np.sum(dout)
        return dout


def test_a_sum_over_all_axes_is_a_wrong_gradient():
    assert "D501" in errors(dout.check(SummedBias))


class Momentum:
    """Two dicts of the same names: the weights, and what backward moves on."""

    def __init__(self, n, m):
        self.p = {"W": np.random.default_rng(0).normal(size=(n, m))}
        self.v = {"W": np.zeros((n, m))}

    def forward(self, x):
        self.x = x
        return x @ self.p["W"]

    def backward(self, dout):
        dW = self.x.T @ dout
        self.v["W"] = 0.9 * self.v["W"] + 0.1 * dW
        return dout @ self.p["W"].T


def test_a_dict_of_arrays_that_backward_moves_on_is_the_state_of_an_optimiser():
    report = dout.check(Momentum)
    assert words(report) == {"x": "exact"}
    assert errors(report) == []


class AdaGrad:
    def __init__(self, n, m):
        self.params = {"W": np.random.default_rng(0).normal(size=(n, m)), "b": np.zeros(m)}
        self.cache = {"W": np.zeros((n, m)), "b": np.zeros(m)}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        dx = dout @ self.params["W"].T
        gradients = {"W": self.x.T @ dout, "b": dout.sum(axis=0)}
        for key, gradient in gradients.items():
            self.cache[key] = self.cache[key] + gradient**2
            self.params[key] -= 0.01 * gradient / (np.sqrt(self.cache[key]) + 1e-7)
        return dx


def test_a_step_of_its_own_does_not_hide_parameters_without_a_gradient():
    told = [finding.message for finding in dout.check(AdaGrad).findings if finding.code == "D105"]
    assert [text.split(":")[0] for text in told] == ["no gradient found for W", "no gradient found for b"]
