"""Networks whose backward is given the target: beside what forward gave, or has kept, or with a loss of its own."""

import numpy as np
import pytest

import dout


class Net:
    """Two layers; subclasses say how forward and backward are called. `slope` is that of the inner tanh."""

    def __init__(self, inputs, outputs):
        draw = np.random.default_rng(0)
        self.W1, self.W2 = draw.normal(size=(inputs, 4)) / 2, draw.normal(size=(4, outputs)) / 2

    def scores(self, x):
        self.x, self.inner = x, np.tanh(x @ self.W1)
        return self.inner @ self.W2

    def slope(self, inner):
        return 1 - inner**2

    def step_back(self, d):
        self.dW2 = self.inner.T @ d
        self.dW1 = self.x.T @ (d @ self.W2.T * self.slope(self.inner))


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


class GivenTheOutput(Net):
    def forward(self, x):
        return self.scores(x)

    def backward(self, x, y, predicted):
        self.step_back(2 * (predicted - y) / y.size)


class KeepsNothing(Net):
    """Its backward computes again what lies between, and is given the output under a name of its own."""

    def forward(self, x):
        return np.tanh(x @ self.W1) @ self.W2

    def backward(self, x, y, o):
        self.x, self.inner = x, np.tanh(x @ self.W1)
        self.step_back(o - y)


class StepsAtARate(Net):
    def forward(self, x):
        return softmax(self.scores(x))

    def backward(self, y, probs, learning_rate):
        d = (probs - y) / len(y)
        inner = d @ self.W2.T * self.slope(self.inner)
        self.W2 -= learning_rate * self.inner.T @ d
        self.W1 -= learning_rate * self.x.T @ inner


class GivenItsCache(Net):
    def forward(self, x):
        out = softmax(self.scores(x))
        return out, {"x": x, "inner": self.inner}

    def cost(self, probs, y):
        return -np.sum(y * np.log(probs)) / len(y)

    def backward(self, AL, y, kept):
        self.x, self.inner = kept["x"], kept["inner"]
        self.step_back((AL - y) / len(y))
        return {"dW1": self.dW1, "dW2": self.dW2}


class GivesItsLoss(Net):
    def forward(self, x):
        return self.scores(x), self.inner

    def backward(self, scores, y, inner):
        probs, rows = softmax(scores), np.arange(len(y))
        loss = -np.log(probs[rows, y]).mean()
        probs[rows, y] -= 1
        self.step_back(probs / len(y))
        return loss, {"W1": self.dW1, "W2": self.dW2}


class LossKeepsTheTarget(Net):
    def forward(self, x):
        self.out = self.scores(x)
        return self.out

    def loss(self, target):
        self.target = target
        return np.sum((self.out - target) ** 2) / 2

    def backward(self):
        self.step_back(self.out - self.target)


class InLists(Net):
    """Its gradients stand in a list that is called after that of the weights."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.weights = [self.W1, self.W2]

    def forward(self, x):
        self.x, self.inner = x, np.tanh(x @ self.weights[0])
        return softmax(self.inner @ self.weights[1])

    def backward(self, y, probs):
        d = (probs - y) / len(y)
        back = d @ self.weights[1].T * self.slope(self.inner)
        self.grad_w = [self.x.T @ back, self.inner.T @ d]


EVERY = [GivenTheOutput, KeepsNothing, StepsAtARate, GivenItsCache, GivesItsLoss, LossKeepsTheTarget, InLists]


def words(report):
    return {v.argument: str(v.word) for v in report.verdicts if v.argument.lower().startswith("w")}


@pytest.mark.one_in(8)
@pytest.mark.parametrize("network", EVERY)
def test_it_is_judged_as_one_layer_with_its_loss(network):
    found = words(dout.check(network))
    assert set(found.values()) <= {"exact", "right up to a constant factor"}
    assert len(found) == 2


@pytest.mark.one_in(16)
@pytest.mark.parametrize("network", EVERY)
def test_the_wrong_slope_of_an_inner_layer_is_found(network):
    wrong = type(network.__name__, (network,), {"slope": lambda self, inner: 1 - inner})
    report = dout.check(wrong)
    found = words(report)
    assert "refuted" in found.values()
    assert "refuted" not in (found.get("W2"), found.get("weights[1]"))
    assert not report.ok


class Flat:
    """A mean of numbers that are 0 as long as the weights are."""

    def __init__(self, inputs=3):
        self.w = np.zeros(inputs)

    def loss(self, x, y):
        return np.mean((x @ self.w - y) ** 2)

    def gradients(self, x, y):
        return -2 * x.T @ (x @ self.w - y) / len(y)


def test_weights_that_are_0_say_nothing_of_what_a_loss_depends_on():
    assert words(dout.check(Flat)) == {"w": "refuted"}


class OfEachSample(GivesItsLoss):
    """Its backward returns a loss for each sample, and gradients of each, which its caller averages."""

    def backward(self, scores, y, inner):
        d = softmax(scores) - np.eye(scores.shape[1])[y]
        grads = {"dW2": inner[:, :, None] * d[:, None, :]}
        return -np.log(softmax(scores)[np.arange(len(y)), y]), grads


@pytest.mark.long
def test_a_loss_for_each_sample_with_gradients_of_each_is_no_error():
    assert dout.check(OfEachSample).ok


class Bent:
    """Weights and an activation: `backward` is the slope of the last alone, and the caller does the rest."""

    def __init__(self, inputs, outputs):
        self.weights = np.cos(np.arange(1.0 * inputs * outputs)).reshape(inputs, outputs)

    def forward(self, x):
        return np.tanh(x @ self.weights)

    def backward(self, output):
        return 1 - output**2


class Scaled(Bent):
    """A parameter for each number does not mix them."""

    def __init__(self, inputs=4):
        self.weights = np.arange(1.0, inputs + 1)

    def forward(self, x):
        return np.tanh(x * self.weights)

    def backward(self, x):
        return 1 - np.tanh(x * self.weights) ** 2


@pytest.mark.long
def test_the_slope_of_an_activation_is_not_that_of_the_weights_before_it():
    assert not dout.check(Bent).verdicts
    assert {str(verdict.word) for verdict in dout.check(Scaled).verdicts} == {"refuted"}
