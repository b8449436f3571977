"""Backwards that step by themselves, and arguments that may be left out: neither hides a gradient that is wrong."""

import numpy as np
import pytest

import dout
from dout.judge.outcomes import Word

DRAWN = np.random.default_rng(0)


class Linear:
    def __init__(self, wrong):
        self.W, self.wrong = np.arange(12.0).reshape(4, 3) / 8, wrong
        self.dW = np.zeros_like(self.W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout * self.wrong
        return dout @ self.W.T


class Stepped:
    """A part, and a step of it: by a gradient, with a decay of the weights, or by its sign."""

    def __init__(self, wrong, step):
        self.fc, self.step = Linear(wrong), step

    def forward(self, x):
        return self.fc.forward(x)

    def backward(self, dout):
        dx = self.fc.backward(dout)
        self.fc.W = self.fc.W - 0.1 * self.step(self.fc)
        return dx


STEPS = {
    "plain": lambda part: part.dW,
    "decay": lambda part: part.dW + 0.25 * part.W,
    "sign": lambda part: np.sign(part.dW),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("wrong", [1.0, 2.0, -1.0])
def test_a_step_is_no_excuse_for_the_gradient_that_it_takes(step, wrong):
    report = dout.check(Stepped(wrong, STEPS[step]), np.arange(20.0).reshape(5, 4) / 4)
    assert report.ok is (wrong == 1.0)


class Normalised:
    """A weight that steps by its gradient over the size of that, at a rate of its own, as Adam does."""

    def __init__(self, wrong=1.0):
        self.weight, self.lr, self.wrong = np.arange(12.0).reshape(4, 3) / 8, 0.01, wrong
        self.moment, self.square = np.zeros((4, 3)), np.zeros((4, 3))

    def forward(self, x):
        self.x = x
        return x @ self.weight

    def backward(self, dout):
        dx, gradient = dout @ self.weight.T, self.x.T @ dout * self.wrong
        self.keep(gradient)
        self.moment = 0.9 * self.moment + 0.1 * gradient
        self.square = 0.99 * self.square + 0.01 * gradient**2
        self.weight = self.weight - self.lr * self.moment / (np.sqrt(self.square) + 1e-8)
        return dx

    def keep(self, gradient):
        """Keep no gradient."""


class AtTheCallersRate:
    """A weight that steps at the rate that backward is given: along its gradient, by its size alone, or by its sign."""

    def __init__(self, step, wrong=1.0):
        self.weight, self.step, self.wrong = np.arange(12.0).reshape(4, 3) / 8, step, wrong
        self.squares = np.zeros((4, 3))

    def forward(self, x):
        self.x = x
        return x @ self.weight

    def backward(self, dout, learning_rate):
        dx, gradient = dout @ self.weight.T, self.x.T @ dout * self.wrong
        self.squares = self.squares + gradient**2
        self.weight = self.weight - learning_rate * self.step(gradient, self.squares)
        return dx


AT_ANY_RATE = {
    "along": lambda gradient, squares: gradient,
    "by size": lambda gradient, squares: gradient / (np.sqrt(squares) + 1e-10),
    "by sign": lambda gradient, squares: np.sign(gradient),
    "by size so far": lambda gradient, squares: gradient / np.sqrt(squares + 100.0),
}


@pytest.mark.parametrize("step", ["by size", "by sign"])
def test_a_step_at_the_callers_rate_that_forgets_the_size_of_the_gradient_is_no_gradient(step):
    assert words(AtTheCallersRate(AT_ANY_RATE[step])) == {"x": "exact"}


def test_a_step_of_a_size_that_is_not_linear_in_dout_has_the_sign_of_its_gradient():
    assert words(AtTheCallersRate(AT_ANY_RATE["by size so far"]))["weight"] == "right up to a constant factor"
    assert words(AtTheCallersRate(AT_ANY_RATE["by size so far"], wrong=-1.0))["weight"] == "refuted"


class Resilient:
    """Steps of a size for each weight: an array of these, and one of gradients, have a shape that no parameter has."""

    def __init__(self, kept=1.0):
        self.weight, self.kept = np.arange(12.0).reshape(4, 3) / 8, kept
        self.sizes, self.dE_before = np.full(12, 0.1), np.zeros(12)

    def forward(self, x):
        self.x = x
        return x @ self.weight

    def backward(self, dout, learning_rate):
        dx, gradient = dout @ self.weight.T, (self.x.T @ dout).ravel()
        same = gradient * self.dE_before > 0
        self.sizes = self.sizes * np.where(same, 1.2, self.kept)
        self.weight.flat -= np.sign(gradient) * self.sizes
        self.dE_before = gradient
        return dx * self.kept


def test_what_forward_does_not_read_is_no_parameter_by_its_shape():
    assert words(Resilient()) == {"x": "agrees within rounding"}
    assert words(Resilient(kept=0.5)) == {"x": "refuted"}


def test_a_step_at_the_callers_rate_along_a_wrong_gradient_is_wrong():
    assert words(AtTheCallersRate(AT_ANY_RATE["along"])) == {"x": "exact", "weight": "exact"}
    assert words(AtTheCallersRate(AT_ANY_RATE["along"], wrong=3.0))["weight"] != "exact"


class NormalisedAndKept(Normalised):
    def keep(self, gradient):
        self.grad_weight = gradient


def words(layer):
    report = dout.check(layer, np.arange(20.0).reshape(5, 4) / 4)
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def test_a_step_of_one_size_whatever_the_gradient_is_no_gradient():
    assert words(Normalised()) == {"x": "exact"}


def test_beside_such_a_step_the_gradient_that_is_kept_counts():
    assert words(NormalisedAndKept()) == {"x": "exact", "weight": "exact"}
    assert words(NormalisedAndKept(2.0)) == {"x": "exact", "weight": "refuted"}


class Pushed:
    """A weight that steps with momentum; the velocity has a name that says nothing, and forward does not read it."""

    def __init__(self):
        self.weight, self.lr, self.going = np.arange(12.0).reshape(4, 3) / 8, 0.01, np.zeros((4, 3))

    def forward(self, x):
        self.x = x
        return x @ self.weight

    def backward(self, dout):
        dx = dout @ self.weight.T
        self.going = 0.9 * self.going - self.lr * (self.x.T @ dout)
        self.weight = self.weight + self.going
        return dx


def test_what_forward_does_not_read_is_kept_by_an_optimizer_whatever_it_is_called():
    assert words(Pushed()) == {"x": "exact", "weight": "exact"}


class Attention:
    def forward(self, query, key=None):
        self.query, self.key = query, query if key is None else key
        return self.query * self.key

    def backward(self, dout):
        return -7 * dout * self.key, dout * self.query


class RightAttention(Attention):
    def backward(self, dout):
        return dout * self.key, dout * self.query


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("layer", "right"), [(Attention, False), (RightAttention, True)])
def test_an_argument_that_may_be_left_out_is_no_excuse_where_it_is_wrong_with_it_too(layer, right):
    assert dout.check(layer, np.arange(1.0, 7.0).reshape(2, 3)).ok is right


class WithMomentum:
    """It keeps its gradient, and takes a step that goes on with the last one."""

    def __init__(self, rows=4, columns=3, learning_rate=0.1, momentum=0.9):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.W = np.arange(1.0, 1 + rows * columns).reshape(rows, columns)
        self.vW = np.zeros_like(self.W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        dx = dout @ self.W.T
        self.vW = self.momentum * self.vW - self.learning_rate * self.dW
        self.W = self.W + self.vW
        return dx


def test_a_step_with_momentum_is_not_the_gradient_that_is_kept_beside_it():
    report = dout.check(WithMomentum)
    assert [(verdict.argument, verdict.word) for verdict in report.verdicts] == [("x", "exact"), ("W", "exact")]


class UpTheHill(WithMomentum):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        dx = dout @ self.W.T
        self.W += self.learning_rate * self.dW
        return dx


def test_a_step_along_the_gradient_is_still_judged_by_its_sign():
    assert {verdict.argument for verdict in dout.check(UpTheHill).verdicts if verdict.word == "refuted"} == {"W"}


class Untraced:
    """Its gradient is kept by a name that does not say whose it is, and a line of forward cannot be traced."""

    def __init__(self, n_in: int, n_out: int):
        self.table, self.gradient = DRAWN.random((n_in, n_out)), None

    def forward(self, x):
        self.x = x
        return np.nanmean([x], axis=0) @ self.table

    def backward(self, dout):
        dx = dout @ self.table.T
        self.gradient = self.kept().T @ dout
        self.table -= 0.1 * self.gradient
        return dx

    def kept(self):
        return self.x


class UntracedWrong(Untraced):
    def kept(self):
        return 2 * self.x


def test_a_parameter_that_backward_steps_is_judged_where_no_recording_is():
    assert {v.argument: v.word for v in dout.check(Untraced).verdicts} == {
        "x": "agrees within rounding",
        "table": "agrees within rounding",
    }
    assert [f.argument for f in dout.check(UntracedWrong).findings if f.severity == "error"] == ["table"]


class NoUse:
    """Dropout that is given a rate to step by, has nothing to step, and forgets `error`."""

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, error, learning_rate):
        return 1.0 * self.mask


def test_a_step_of_no_parameter_is_no_cause():
    (finding,) = (f for f in dout.check(NoUse).findings if f.severity == "error")
    assert finding.code == "D103"
    assert "step" not in finding.message


class StepOfAnySize:
    def __init__(self, n_in: int, n_out: int):
        self.table = DRAWN.random((n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.table

    def backward(self, dout):
        dx = dout @ self.table.T
        self.table -= 0.01 * self.x.T @ dout
        return dx


def test_a_step_whose_size_only_the_code_knows_is_a_warning_that_no_gradient_is_found():
    assert [(f.argument, f.severity) for f in dout.check(StepOfAnySize).findings if f.code == "D105"] == [
        ("table", "warning")
    ]


class Velocity:
    """It steps along a mean of the gradients so far; forward does not read it."""

    def __init__(self, n=3, m=5, beta=0.9):
        self.W, self.b = np.random.default_rng(0).normal(size=(n, m)), np.zeros((1, m))
        self.v, self.beta = np.zeros((n, m)), beta

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout, lr):
        dx = dout @ self.W.T
        self.v = self.kept() + (1 - self.beta) * self.x.T @ dout
        self.W -= lr * self.v
        self.b -= lr * dout.sum(axis=0, keepdims=True)
        return dx

    def kept(self):
        return self.beta * self.v


class ForgetsItsVelocity(Velocity):
    def kept(self):
        return 0


def test_the_first_step_of_a_mean_of_gradients_is_no_wrong_factor():
    words = {cls: {v.argument: v.word for v in dout.check(cls).verdicts}["W"] for cls in (Velocity, ForgetsItsVelocity)}
    assert words == {Velocity: Word.SCALED, ForgetsItsVelocity: Word.REFUTED}


class KeepsTuples:
    """A part with a stack of caches, in tuples."""

    def __init__(self):
        self.x = []

    def forward(self, x):
        self.x.append((x, np.tanh(x)))
        return self.x[-1][1]

    def backward(self, dout):
        _, y = self.x.pop()
        return dout * (1 - y * y)


class StepsAroundIt:
    factor = 1

    def __init__(self, width=4):
        self.W, self.part = np.random.default_rng(0).normal(size=(width, width + 1)), KeepsTuples()

    def forward(self, x):
        self.x = x
        return self.part.forward(x @ self.W)

    def backward(self, dout, learning_rate=0.1):
        dz = self.part.backward(dout)
        dx = self.factor * dz @ self.W.T
        self.W -= learning_rate * self.x.T @ dz
        return dx


class StepsAroundItWrongly(StepsAroundIt):
    factor = 2


def test_a_part_that_keeps_tuples_hinders_no_step():
    words = {
        cls: {v.argument: v.word for v in dout.check(cls).verdicts} for cls in (StepsAroundIt, StepsAroundItWrongly)
    }
    assert words[StepsAroundIt] == {"x": Word.EXACT, "W": Word.EXACT}
    assert words[StepsAroundItWrongly] == {"x": Word.REFUTED, "W": Word.EXACT}
