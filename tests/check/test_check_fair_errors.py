"""What is an error, and what is not: what backward leaves out, and what a step or a penalty does."""

import numpy as np
import pytest
from fair_examples import severities, table

import dout


class SoftmaxOfAll:
    """Forward forgets the axis: its sums are over all that it is given."""

    def forward(self, x):
        e = np.exp(x - np.max(x))
        self.y = e / np.sum(e)
        return self.y

    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y, axis=-1, keepdims=True))


class SoftmaxOfRows(SoftmaxOfAll):
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        self.y = e / np.sum(e, axis=-1, keepdims=True)
        return self.y

    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y))


def test_a_softmax_that_is_wrong_on_several_samples_is_wrong():
    assert severities(dout.check(SoftmaxOfAll, table(3, 4))) == ["error"]
    assert severities(dout.check(SoftmaxOfRows, table(3, 4))) == ["error"]


class Linear:
    def __init__(self):
        self.W, self.b = table(4, 3), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Network:
    def __init__(self):
        self.layers = [Linear(), SoftmaxOfRows()]

    def forward(self, x):
        for layer in self.layers[:1]:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[:1]:
            dout = layer.backward(dout)


class Forgetful(Linear):
    def backward(self, dout):
        super().backward(dout)


def test_a_network_need_not_return_the_gradient_of_its_data():
    assert severities(dout.check(Network, table(2, 4)), "D105") == ["note"]
    assert severities(dout.check(Forgetful, table(2, 4)), "D105") == ["error"]


class WithoutBias(Linear):
    def forward(self, x):
        self.x = x
        return x @ self.W


class PerhapsWithoutBias(Linear):
    use_bias = False

    def forward(self, x):
        self.x = x
        return x @ self.W + (self.b if self.use_bias else 0)


@pytest.mark.long
def test_a_gradient_for_what_no_other_method_reads_is_an_error():
    assert severities(dout.check(WithoutBias, table(2, 4))) == ["error"]
    assert severities(dout.check(PerhapsWithoutBias, table(2, 4))) == ["warning"]


class Trained:
    """Its backward takes what the network should have given, and makes a step."""

    def __init__(self):
        self.weights, self.learning_rate = table(4, 3), 0.5

    def feed_forward(self, x):
        return x @ self.weights

    def back_propagation(self, x, outputs):
        self.weights -= self.learning_rate * x.T @ (x @ self.weights - outputs)


class Silent(Trained):
    def back_propagation(self, x, outputs):
        self.weights -= 0 * outputs[0]


def test_a_backward_that_takes_the_target_is_not_judged():
    report = dout.check(Trained(), table(5, 4), interface="feed_forward, back_propagation(x, dout)")
    assert not report.verdicts
    assert any("takes the target itself" in f.message for f in report.findings)
    other = dout.check(Silent(), table(5, 4), interface="feed_forward, back_propagation(x, dout)")
    assert not any("takes the target itself" in f.message for f in other.findings)


class Decay:
    def __init__(self, units=3):
        self.W, self.b = table(4, units), np.zeros(units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout + 0.25 * self.W
        self.db = dout.sum(axis=0) + 0.5 * self.b
        return dout @ self.W.T


def test_a_penalty_on_a_bias_of_zeros_is_a_convention_too():
    report = dout.check(Decay, table(5, 4))
    assert report.ok
    (note,) = [f for f in report.findings if f.code == "D112"]
    assert "0.25·W" in note.message
    assert "0.5·b" in note.message
    assert "units" not in note.message  # it is there as given


class Steps:
    def __init__(self):
        self.W, self.b = table(4, 3), table(1, 3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W = self.W - 0.5 * self.x.T @ dout
        self.b = self.b - 0.5 * dout
        return dx


class SummedSteps(Steps):
    def backward(self, dout):
        dx = super().backward(dout)
        self.b = self.b.mean(axis=0, keepdims=True)
        return dx


def test_a_step_that_spreads_a_parameter_over_the_samples_is_an_error():
    assert severities(dout.check(Steps, table(5, 4)), "D210") == ["error"]
    assert severities(dout.check(SummedSteps, table(5, 4)), "D210") == ["warning"]


class SignOfBias:
    """What is not negative has the sign 1 here, and a bias begins at 0."""

    def __init__(self, strength=0):
        self.W, self.b, self.strength = table(4, 3), np.zeros(3), strength

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        if self.strength > 0:
            signs = np.ones_like(self.b)
            signs[self.b < 0] = -1
            self.db += self.strength * signs
        return dout @ self.W.T


def test_a_penalty_on_the_signs_of_zeros_is_a_convention_too():
    report = dout.check(SignOfBias, table(5, 4))
    assert report.ok
    assert "D112" in {f.code for f in report.findings}


def test_an_empty_input_tells_nothing_more():
    assert dout.check(Linear, np.zeros((0, 4))).ok


class StepsApart:
    """Backward keeps the gradient of each step."""

    def __init__(self):
        self.W = table(4, 3)

    def forward(self, x):
        self.x = x
        return sum(row @ self.W for row in x)

    def backward(self, dout):
        dW = np.zeros((len(self.x), *self.W.shape))
        for i, row in enumerate(self.x):
            dW[i] = row.T @ dout
        self.grads = {"dW": dW}
        return np.stack([dout @ self.W.T] * len(self.x))


class StepsTogether(StepsApart):
    def update(self, rate):
        self.W -= rate * self.grads["dW"].sum(axis=0)


@pytest.mark.long
def test_gradients_of_all_steps_that_another_method_sums_are_no_error():
    assert severities(dout.check(StepsTogether(), table(2, 5, 4)), "D501") == ["warning"]
    assert severities(dout.check(StepsApart(), table(2, 5, 4)), "D501") == ["error"]


class Clipping:
    """No recording follows numbers through their text."""

    def __init__(self):
        self.W = table(4, 3)

    def forward(self, x):
        self.x = x
        return np.array([[float(str(number)) for number in row] for row in (x @ self.W).tolist()])

    def backward(self, dout):
        self.dW = np.clip(self.x.T @ dout, -1, 1)
        return dout @ self.W.T


class ClippingTwice(Clipping):
    def backward(self, dout):
        return super().backward(2 * dout) / 2


def test_a_gradient_that_is_clipped_is_no_error_where_differences_judge_it():
    report = dout.check(Clipping(), 5 * table(5, 4))
    assert report.ok
    assert "D113" in {f.code for f in report.findings}
    assert not dout.check(ClippingTwice(), 5 * table(5, 4)).ok


class Forward:
    """What runs a layer once more for its training is no derivative of it."""

    def __init__(self):
        self.weights = table(4, 1)

    def call(self, x):
        return self.weights.T @ x

    def backprop_call(self, x):
        z = self.weights.T @ x
        return z, np.tanh(z)


def test_a_second_forward_is_no_local_derivative():
    report = dout.check(Forward(), table(4, 1), interface="call, backprop_call(x), local")
    assert [f.code for f in report.findings] == ["D002"]


class JoinedNetwork:
    """Its backward takes the target: nothing comes before it that asks for a gradient."""

    def __init__(self):
        self.params = {"W1": table(4, 3)}

    def forward(self, X):
        self.X = X
        e = np.exp(X @ self.params["W1"])
        self.A = e / e.sum(1, keepdims=True)
        return self.A

    def loss(self, A, Y):
        return -np.sum(Y * np.log(A)) / len(Y)

    def backward(self, Y):
        self.grads = {"dW1": self.X.T @ ((self.A - Y) / len(Y))}


def test_a_network_that_takes_the_target_owes_its_data_no_gradient():
    report = dout.check(JoinedNetwork(), table(5, 4), np.eye(3)[[0, 2, 1, 2, 0]])
    assert {v.argument: v.word for v in report.verdicts} == {"W1": "exact"}
    assert severities(report, "D105") == ["note"]
