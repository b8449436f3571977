"""What the first forward kept, and the second run uses; what a layer makes late, and takes whole."""

import numpy as np
import pytest
from contract_findings import X, Y, alarming, found

from dout.check.verb.check_layer import check


class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x @ y

    def backward(self, dout):
        return dout @ self.y.T, self.x.T @ dout


def test_matrices_as_inputs_are_right():
    assert not alarming(found(Mul, X, Y))
    assert not alarming(found(Mul, np.ones((3, 2)), Y))


class MaskOfTheFirst:
    """Forward uses the stale mask too: the gradient is that of the wrong output."""

    def forward(self, x):
        if self.__dict__.get("mask") is None:
            self.mask = x < 0
        return np.where(self.mask, 0.1 * x, x)

    def backward(self, dout):
        return np.where(self.mask, 0.1 * dout, dout)


class RootOfTheFirst:
    def forward(self, x):
        if self.__dict__.get("root") is None:
            self.root = np.sqrt(x)
        return self.root.copy()

    def backward(self, dout):
        return dout / (2 * self.root)


@pytest.mark.parametrize("x", [X, np.abs(X)])
def test_what_the_first_forward_kept_is_stale_in_the_second(x):
    assert "self.mask is still that of the first forward" in found(MaskOfTheFirst, x)["D206"].message
    assert found(MaskOfTheFirst, x)["D206"].severity == "error"
    assert found(RootOfTheFirst, np.abs(x))["D206"].severity == "error"


class Steps:
    """It keeps each of its inputs in a list, from which `reset` takes them: one call is one step of time."""

    def __init__(self):
        self.W = np.linspace(-1.0, 1.0, 9).reshape(3, 3)
        self.reset()

    def reset(self):
        self.inputs, self.states = [], [np.zeros((1, 3))]

    def forward(self, x):
        self.inputs.append(x)
        self.states.append(x + self.states[-1] @ self.W)
        return self.states[-1]

    def backward(self, dout):
        return dout


def test_a_list_of_steps_that_grows_is_no_stale_input():
    report = found(Steps, np.array([[1.0, 0.5, -0.25], [2.0, -1.5, 0.75]]))
    assert "still that of the first forward" not in getattr(report.get("D206"), "message", "")
    assert "error" not in {finding.severity for finding in report.values()}


class Lazy:
    """Its weights are made in the first forward, of the shape of the inputs alone."""

    W = None

    def forward(self, x):
        if self.W is None:
            self.W = np.random.RandomState(0).normal(size=(x.shape[1], 2))
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


def test_weights_that_are_made_late_are_not_stale():
    assert "D206" not in found(Lazy, X)


class IndexInTheClass:
    def __init__(self):
        self.W = np.arange(12.0).reshape(4, 3)

    def forward(self, i):
        type(self).i = i
        return self.W[i]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.i, dout)


@pytest.mark.parametrize("i", [[3, 2, 0, 2, 3], [0, 1, 2, 0, 1]])
def test_a_neighbour_may_spoil_the_gradient_of_a_parameter_alone(i):
    assert "the gradient of W is" in found(IndexInTheClass(), np.array(i))["D209"].message


class WritesIntoItsOutput:
    """Its gradient is right once; the probabilities that the caller was given are gone."""

    def forward(self, x):
        self.p = 1 / (1 + np.exp(-x))
        return self.p

    def backward(self, dout):
        slope = self.p
        slope *= 1 - self.p
        return dout * slope


class WritesIntoItsOwn(WritesIntoItsOutput):
    def forward(self, x):
        return super().forward(x).copy()


def test_a_backward_that_writes_into_the_output_of_forward_is_an_error_and_into_its_own_a_warning():
    finding = found(WritesIntoItsOutput, X)["D206"]
    assert (finding.severity, "the output that forward has returned" in finding.message) == ("error", True)
    assert found(WritesIntoItsOwn, X)["D206"].severity == "warning"


class StepsOnItsView:
    """Its output is a part of its table, and backward makes the step."""

    def __init__(self):
        self.P = np.linspace(-1, 1, 20).reshape(5, 4)

    def forward(self, x):
        self.n = len(x)
        return self.P[: self.n]

    def backward(self, dout):
        self.P[: self.n] -= 0.1 * dout


class WritesIntoItsBuffer:
    """No parameter is written: the output of each forward is the same memory."""

    def __init__(self):
        self.buffer = np.ones((3, 4))

    def forward(self, x):
        self.mask = x > 0
        np.multiply(x, self.mask, out=self.buffer)
        return self.buffer

    def backward(self, dout):
        np.multiply(dout, self.mask, out=self.buffer)
        return self.buffer.copy()


def test_a_step_on_a_view_of_a_parameter_is_no_write_into_the_output():
    x = np.cos(np.arange(12.0)).reshape(3, 4)
    steps = found(StepsOnItsView, x)
    assert "D210" in steps
    assert "D206" not in steps
    assert found(WritesIntoItsBuffer, x)["D206"].severity == "error"


class Cell:
    """It is called at each step, and its gradients add up over them."""

    def __init__(self):
        self.W, self.b = np.linspace(-1, 1, 20).reshape(5, 4), np.linspace(0, 1, 4)
        self.zero_grad()

    def zero_grad(self):
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


class KeepsTheLastBias(Cell):
    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


@pytest.mark.parametrize(("cls", "severity"), [(Cell, "note"), (KeepsTheLastBias, "warning")])
def test_a_gradient_that_is_cleared_with_others_and_does_not_add_up_is_a_warning(cls, severity):
    x = np.cos(np.arange(15.0)).reshape(3, 5)
    assert [f.severity for f in check(cls(), x).findings if f.code == "D207"] == [severity]
