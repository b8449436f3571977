"""The upstream gradient of a class alone: numbers that show a mistake; 1 for a loss whose backward means that."""

from typing import Any

import numpy as np
import pytest

import dout
from dout.adapt import record_example
from dout.adapt.interface.interface_candidates import method_names


class OfTheFirstRow:
    """A softmax whose backward takes the first row for all: a sum over equal numbers is 0, and hides it."""

    def forward(self, x: Any) -> Any:
        e = np.exp(x)
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y * 1

    def backward(self, dout: Any) -> Any:
        return self.y[:1] * (dout - (dout * self.y[:1]).sum(axis=1, keepdims=True))


class MixedUp:
    def forward(self, x: Any) -> Any:
        self.shape = x.shape
        return x.reshape(-1)

    def backward(self, dout: Any) -> Any:
        return dout.reshape(self.shape, order="F")


class LeavesOutDout:
    def forward(self, x: Any) -> Any:
        return x * 3

    def backward(self, dout: Any) -> Any:
        return np.full(dout.shape, 3.0)


class Right:
    def forward(self, x: Any) -> Any:
        return x * 3

    def backward(self, dout: Any) -> Any:
        return dout * 3


class Loss:
    """Its backward means 1, and the targets that it is given have rows with the sum 1."""

    def forward(self, x: Any, t: Any) -> Any:
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(self.y)) / len(x)

    def backward(self, dout: Any = 1) -> Any:
        return (self.y - self.t) / len(self.t)


class LossWithDout(Loss):
    def backward(self, dout: Any = 1) -> Any:
        return dout * super().backward()


@pytest.mark.parametrize("layer", [OfTheFirstRow, MixedUp, LeavesOutDout])
def test_a_mistake_that_ones_would_hide_is_seen(layer):
    assert not record_example(layer, {}, {"dout": 1})[0].wrong
    assert record_example(layer, {}, {})[0].wrong


@pytest.mark.parametrize("layer", [Right, Loss, LossWithDout])
def test_what_is_right_stays_right(layer):
    assert not record_example(layer, {}, {})[0].wrong


def test_a_loss_that_reads_no_upstream_gradient_gets_one():
    for layer, special in ((Loss, True), (LossWithDout, False)):
        trace, _ = record_example(layer, {}, {})
        assert bool(trace.data[trace.calls[0].douts[0]] == 1) is special


def test_the_upstream_gradient_is_told_and_taken_again():
    trace, used = record_example(Right, {}, {})
    assert len({*used.inputs["dout"].flat}) == used.inputs["dout"].size
    again, _ = record_example(Right, {}, used.inputs)
    assert [v.gradient.value.tolist() for v in trace.values if v.name == "x"] == [
        v.gradient.value.tolist() for v in again.values if v.name == "x"
    ]


def test_an_upstream_gradient_of_another_shape_is_refused():
    with pytest.raises(Exception, match=r"dout has shape \(5,\), and the output \(2, 3\): give one number, or"):
        record_example(Right, {}, {"dout": np.ones(5)})


class Gate:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.out = np.tanh(x @ self.w)
        return self.out

    def backward(self, y):
        return np.multiply(y, 1 - self.out**2) @ self.w.T


class Trained(Gate):
    def backward(self, y):
        return ((self.out - y) * (1 - self.out**2)) @ self.w.T


class Passed(Gate):
    def backward(self, y):
        return subtract(self.out, y) @ self.w.T


def subtract(a, b):
    return a - b


def test_an_argument_called_as_labels_are_is_the_upstream_gradient_where_it_is_only_multiplied():
    assert [method_names(cls) for cls in (Gate, Trained, Passed)] == [("forward", "backward"), None, None]


class GivenItsOutput:
    """Y beside an upstream gradient is the output, and no target."""

    def forward(self, X: Any) -> Any:
        return np.tanh(X)

    def backward(self, Y: Any, output_grad: Any) -> Any:
        return (1 - Y**2) * output_grad


def test_what_stands_beside_an_upstream_gradient_may_be_the_output() -> None:
    report = dout.check(GivenItsOutput, np.array([[0.5, -1.0], [2.0, 0.25]]))
    assert [(verdict.argument, verdict.word) for verdict in report.verdicts] == [("X", "exact")]


class KeepsItsRate:
    """Its gradients stand under the names of its parameters, and another method takes the step."""

    def __init__(self, rows: int = 3, columns: int = 2) -> None:
        self.lr = 0.01
        self.params = {"W": np.arange(1.0, 1 + rows * columns).reshape(rows, columns)}

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout: Any) -> Any:
        self.grads = {"W": self.x.T @ dout}
        return dout @ self.params["W"].T


def test_a_gradient_by_the_name_of_its_parameter_is_no_step_of_that() -> None:
    report = dout.check(KeepsItsRate)
    assert [(verdict.argument, verdict.word) for verdict in report.verdicts] == [("x", "exact"), ("W", "exact")]


class PassesOn:
    """Its upstream gradient is called as nothing says, beside the input that it is given again."""

    def forward(self, x: Any) -> Any:
        return np.maximum(0, x)

    def gradient(self, input: Any, previous: Any) -> Any:
        return previous * (input > 0)


class PassesOnTheWrongHalf(PassesOn):
    def gradient(self, input: Any, previous: Any) -> Any:
        return previous * (input <= 0)


class HasAnOwnSlope:
    """What it multiplies is a setting that its forward has, too: there is no upstream gradient."""

    def forward(self, x: Any, slope: float = 0.5) -> Any:
        return np.where(x > 0, x, slope * x)

    def derivative(self, x: Any, slope: float) -> Any:
        return slope * (x <= 0) + (x > 0)


def test_what_backward_passes_on_beside_its_input_is_the_upstream_gradient() -> None:
    assert dout.check(PassesOn).ok
    report = dout.check(PassesOnTheWrongHalf)
    assert [str(verdict.word) for verdict in report.verdicts] == ["refuted"]


def test_a_setting_that_backward_multiplies_is_no_upstream_gradient() -> None:
    report = dout.check(HasAnOwnSlope)
    assert report.ok
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]
