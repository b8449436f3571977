"""A softmax that leaves its work to the loss, and a gradient that is computed and lost."""

import numpy as np
import pytest
from report_findings import words

from dout.check.report.report import summary
from dout.check.verb.check_layer import check

X = np.random.default_rng(0).normal(size=(3, 4))
PASSED = "passed through: its loss must do the work"


def formula(report):
    """The findings about the formula, by code."""
    return {f.code: f for f in report.findings if f.code.startswith("D1")}


# --- a softmax that leaves its work to the loss -----------------------------------------------------------------------


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(self, dout):
        return dout


class Shares(Softmax):
    """Probabilities of the classes."""


class LogProbabilities(Softmax):
    def forward(self, x):
        return np.log(super().forward(x))


class Relu(Softmax):
    def forward(self, x):
        return np.maximum(x, 0)


class Tanh(Softmax):
    def forward(self, x):
        return np.tanh(x)


class Sigmoid(Softmax):
    def forward(self, x):
        return 1 / (1 + np.exp(-x))


class OutputSigmoid(Sigmoid):
    """The sigmoid before the cross entropy."""


@pytest.mark.parametrize("layer", [Softmax, Shares, LogProbabilities, OutputSigmoid])
def test_what_stands_before_the_loss_may_pass_dout_on(layer):
    report = check(layer(), X)
    assert words(report) == {"x": PASSED}
    assert {code: f.severity for code, f in formula(report).items()} == {"D107": "note"}


def test_the_note_says_when_passing_on_is_right():
    message = formula(check(Softmax(), X))["D107"].message
    only = "right only where its loss gives the gradient of softmax and loss together"
    assert message == f"Softmax.backward passes dout on: {only}"


@pytest.mark.one_in(2)
@pytest.mark.parametrize("layer", [Relu, Tanh, Sigmoid])
def test_another_activation_that_passes_dout_on_is_wrong(layer):
    assert [*formula(check(layer(), X))] == ["D101"]


def test_a_softmax_that_passes_on_half_of_dout_is_wrong():
    class HalfSoftmax(Softmax):
        def backward(self, dout):
            return dout / 2

    assert [*formula(check(HalfSoftmax(), X))] == ["D101"]


class Classes:
    """A dense layer that ends in a softmax."""

    def __init__(self):
        self.W, self.b = np.random.default_rng(1).normal(size=(4, 5)), np.zeros(5)

    def forward(self, input):
        self.x = input
        return Softmax().forward(input @ self.W + self.b)

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Averaging(Classes):
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout / len(dout), dout.mean(axis=0)
        return dout @ self.W.T


class AveragingOne(Classes):
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.mean(axis=0)
        return dout @ self.W.T


class Doubling(Classes):
    def backward(self, dout):
        return 2 * super().backward(dout)


@pytest.mark.parametrize("layer", [Classes, Averaging])
def test_a_layer_may_pass_dout_on_through_the_softmax_at_its_end(layer):
    report = check(layer(), X)
    assert {*words(report).values()} == {PASSED}
    assert {code: f.severity for code, f in formula(report).items()} == {"D107": "note"}


class Part:
    def __init__(self, factor=1.0):
        self.W, self.factor = np.random.default_rng(1).normal(size=(4, 5)), factor

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.factor * (self.x.T @ dout)
        return dout @ self.W.T


class Network:
    """Its parameters are those of its part."""

    def __init__(self, factor=1.0):
        self.part, self.last = Part(factor), Softmax()

    def forward(self, x):
        return self.last.forward(self.part.forward(x))

    def backward(self, dout):
        self.part.backward(self.last.backward(dout))


@pytest.mark.long
def test_a_network_may_pass_dout_on_through_the_softmax_at_its_end_to_its_parts():
    assert words(check(Network(), X)) == {"part.W": PASSED}
    assert words(check(Network(3.0), X)) == {"part.W": "refuted"}


def test_an_average_over_the_samples_in_one_gradient_of_two_is_wrong():
    report = check(AveragingOne(), X)
    assert [f.argument for f in report.findings if f.code == "D101"] == ["b"]


def test_what_goes_wrong_before_that_softmax_is_wrong():
    report = check(Doubling(), X)
    assert [f.argument for f in report.findings if f.code == "D101"] == ["input"]


# --- a softmax that gives its diagonal --------------------------------------------------------------------------------


class Activation:
    def __call__(self, x):
        return Softmax().forward(x)

    def gradient(self, x):
        y = self(x)
        return y * (1 - y)


class OfAllNumbers(Activation):
    def __call__(self, x):
        return np.exp(x) / np.sum(np.exp(x))


class TwiceTheDiagonal(Activation):
    def gradient(self, x):
        return 2 * super().gradient(x)


class Diagonal(Softmax):
    def forward(self, x):
        self.y = super().forward(x)
        return self.y.copy()

    def backward(self, dout):
        return dout * self.y * (1 - self.y)


@pytest.mark.parametrize("layer", [Activation, OfAllNumbers])
def test_a_softmax_that_the_caller_multiplies_can_give_its_diagonal_alone(layer):
    report = check(layer(), X)
    assert words(report) == {"x": "the diagonal of its derivative alone"}
    assert formula(report)["D111"].severity == "warning"


def test_a_softmax_that_is_given_dout_could_give_more_than_its_diagonal():
    found = formula(check(Diagonal(), X))
    assert [*found] == ["D101"]
    assert "the whole gradient of a softmax is y * (dout - sum(y * dout))" in found["D101"].message


def test_another_multiple_of_the_diagonal_is_wrong():
    assert "D101" in formula(check(TwiceTheDiagonal(), X))


# --- a gradient that is lost ------------------------------------------------------------------------------------------


class Scale:
    def __init__(self):
        self.gamma = np.array([1.5, 0.5, 2.0, 1.0])

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, dout):
        dgamma = np.sum(dout * self.x, axis=0)  # noqa: F841 - that it is lost is the point
        return dout * self.gamma


class Frozen(Scale):
    def backward(self, dout):
        return dout * self.gamma


class Updating(Scale):
    def backward(self, dout):
        dx = dout * self.gamma
        self.gamma -= 0.1 * np.sum(dout * self.x, axis=0)
        return dx


class Elsewhere(Scale):
    def backward(self, dout):
        self.kept = [np.sum(dout * self.x, axis=0).reshape(1, 4)]
        return dout * self.gamma


class Shift:
    """Its parameter's gradient is that of its input."""

    def __init__(self):
        self.offset = np.ones((3, 4))

    def forward(self, x):
        return x + self.offset

    def backward(self, dout):
        return dout * 1.0


def test_a_gradient_that_is_computed_in_a_name_that_nothing_reads_is_an_error():
    found = formula(check(Scale(), X))
    assert {code: f.severity for code, f in found.items()} == {"D108": "error"}
    assert found["D108"].argument == "gamma"
    assert "the gradient of gamma is computed and kept nowhere" in found["D108"].message


@pytest.mark.parametrize("layer", [Frozen, Updating, Elsewhere, Shift])
def test_a_gradient_that_is_not_computed_or_kept_or_used_is_not_lost(layer):
    assert "D108" not in formula(check(layer(), X))


def test_the_summary_counts_what_is_passed_on():
    assert "1 passed through, " in summary([check(Softmax(), X)])


class SoftmaxOfScores:
    """Its derivative runs forward itself: what it takes is no output, as its name has it."""

    def forward(self, z):
        e = np.exp(z - z.max(axis=0))
        return e / e.sum(axis=0)

    def derivative(self, yhat):
        y = self.forward(yhat)
        return y * (1 - y)


def test_a_derivative_that_runs_forward_takes_what_forward_takes():
    report = check(SoftmaxOfScores)
    assert report.ok
    assert formula(report)["D111"].severity == "warning"


class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.linspace(-1, 1, n_in * n_out).reshape(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout / len(dout), dout.mean(axis=0)
        return dout @ self.W.T


class LastOfTwoClasses(Linear):
    """A sigmoid for the output layer: its loss gives the gradient of both."""

    def forward(self, x):
        return 1 / (1 + np.exp(-super().forward(x)))


class LastOfTwoMistakes(LastOfTwoClasses):
    """A sigmoid for the output layer, and wrong by a constant that is added."""

    def backward(self, dout):
        return super().backward(dout) + 1


def test_a_layer_that_says_it_is_the_last_may_leave_its_sigmoid_to_the_loss():
    report = check(LastOfTwoClasses)
    assert report.ok
    assert {str(verdict.word) for verdict in report.verdicts} == {"passed through: its loss must do the work"}
    assert "gradient of sigmoid and loss together" in formula(report)["D107"].message
    assert not check(LastOfTwoMistakes).ok


class AnywhereOfTwo(Linear):
    """A sigmoid, wherever it stands."""

    def forward(self, x):
        return 1 / (1 + np.exp(-super().forward(x)))


def test_a_sigmoid_anywhere_else_may_not():
    assert not check(AnywhereOfTwo).ok


class HiddenOfTwo(AnywhereOfTwo):
    """A hidden layer, which returns its output; call backward with the gradient of the loss."""


class ThriceOfTwo(LastOfTwoClasses):
    """The output layer, wrong by a factor."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = 3 * self.dW
        return 7 * dx


@pytest.mark.long
def test_a_sigmoid_is_left_to_the_loss_by_the_output_layer_alone_and_up_to_no_other_number():
    assert not check(HiddenOfTwo).ok
    assert not check(ThriceOfTwo).ok
