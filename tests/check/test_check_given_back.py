"""Networks whose loss compares the output with an input, and whose parts are called: an autoencoder that samples."""

import numpy as np
import pytest

import dout

RNG = np.random.default_rng(0)


class Dense:
    def __init__(self, n, m):
        self.weight, self.bias = RNG.normal(size=(m, n)), np.zeros(m)

    def __call__(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad):
        self.grad_weight = grad.T @ self.x
        self.grad_bias = grad.sum(axis=0)
        return grad @ self.weight


class Autoencoder:
    def __init__(self, d, k):
        self.mean, self.log_variance, self.decoder = Dense(d, k), Dense(d, k), Dense(k, d)

    def __call__(self, x, noise):
        self.m, self.v, self.noise = self.mean(x), self.log_variance(x), noise
        return self.decoder(self.m + np.exp(self.v / 2) * noise)

    def loss(self, x, out):
        self.x, self.out = x, out
        distance = np.sum((out - x) ** 2) / 2
        return distance - np.sum(1 + self.v - self.m**2 - np.exp(self.v)) / 2

    def backward(self):
        dz = self.decoder.backward(self.out - self.x)
        self.mean.backward(dz + self.m)
        self.log_variance.backward(dz * self.noise * np.exp(self.v / 2) / 2 + (np.exp(self.v) - 1) / 2)


class WithoutHalf(Autoencoder):
    def backward(self):
        dz = self.decoder.backward(self.out - self.x)
        self.mean.backward(dz + self.m)
        self.log_variance.backward(dz * self.noise * np.exp(self.v / 2) + (np.exp(self.v) - 1) / 2)


@pytest.fixture(scope="module", params=[Autoencoder, WithoutHalf], ids=["right", "wrong"])
def checked(request):
    report = dout.check(request.param, init={"d": 4, "k": 3})
    return request.param, report, {verdict.argument: verdict.word for verdict in report.verdicts}


def test_the_parameters_of_parts_that_are_called_are_judged_by_the_loss_of_what_is_given_back(checked):
    cls, report, words = checked
    wrong = {"log_variance.weight", "log_variance.bias"} if cls is WithoutHalf else set()
    assert {name for name, word in words.items() if word == "refuted"} == wrong
    assert {name for name in words if "." in name} == {
        f"{name}.{part}" for name in ("mean", "log_variance", "decoder") for part in ("weight", "bias")
    }
    assert {item.argument for item in report.findings if item.severity == "error"} == wrong


@pytest.mark.one_in(2)
def test_nobody_asks_for_the_gradient_of_what_is_given_back(checked):
    _, _, words = checked
    assert "x" not in words or words["x"] != "refuted"


class Plain:
    """An autoencoder of two tables. As many samples as the second table has rows: shapes do not tell them apart."""

    def __init__(self, n=4, k=3):
        self.W, self.V = RNG.normal(size=(n, k)), RNG.normal(size=(k, n))

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        self.out = self.h @ self.V
        return self.out

    def loss(self, x, out):
        return np.sum((out - x) ** 2) / 2

    def steps(self, d):
        dh = d @ self.V.T * (1 - self.h**2)
        self.dV, self.dW = self.h.T @ d, self.x.T @ dh
        return dh @ self.W.T


class TakesAnUpstream(Plain):
    def backward(self, d_out):
        return self.steps(d_out)


class TakesAnError(Plain):
    def backward(self, err):
        return self.steps(err)


class TakesG(Plain):
    def backward(self, g):
        return self.steps(g)


class TakesTheInputToo(Plain):
    def backward(self, x, signal):
        return self.steps(signal)


class ReturnsAPart(Plain):
    def backward(self, x):
        return self.steps(self.out - x)


class KeepsAPart(Plain):
    def backward(self, x):
        self.dx = self.steps(self.out - x)


class GivesItsLoss(Plain):
    def backward(self, x):
        loss = np.sum((self.out - x) ** 2) / 2
        return loss, self.steps(self.out - x)


class WithNoise(Plain):
    def forward(self, x, noise):
        return super().forward(x + noise)

    def backward(self, x):
        self.steps(self.out - x)


class WrongTable(Plain):
    def backward(self, x):
        self.steps(self.out - x)
        self.dW = -self.dW


def words(cls, init=None):
    return {verdict.argument: verdict.word for verdict in dout.check(cls, init=init).verdicts}


@pytest.mark.parametrize("cls", [TakesAnUpstream, TakesAnError, TakesG, TakesTheInputToo])
def test_a_backward_that_takes_an_upstream_gradient_of_any_name_is_none_of_the_loss(cls):
    assert words(cls) == {"x": "exact", "W": "exact", "V": "exact"}


@pytest.mark.parametrize("cls", [ReturnsAPart, KeepsAPart, GivesItsLoss, WithNoise])
def test_no_gradient_is_taken_for_that_of_what_is_given_back(cls):
    assert words(cls, {"n": 4, "k": 3}) == words(cls) == {"W": "exact", "V": "exact"}


def test_a_wrong_gradient_of_a_parameter_is_found_beside_what_is_given_back():
    assert words(WrongTable, {"n": 4, "k": 3}) == {"W": "refuted", "V": "exact"}


class Perceptron:
    def __init__(self, n=3, m=2):
        self.W = RNG.normal(size=(n, m))

    def forward(self, x):
        self.x = x
        self.y = 1 / (1 + np.exp(-(x @ self.W)))
        return self.y

    def steps(self, wanted):
        self.dW = self.x.T @ ((self.y - wanted) * self.y * (1 - self.y))


class TargetIsOutput(Perceptron):
    def loss(self, y, output):
        return np.sum((y - output) ** 2) / 2

    def backward(self, output):
        self.steps(output)


class TargetIsOutputs(Perceptron):
    def loss(self, y, outputs):
        return np.sum((y - outputs) ** 2) / 2

    def backward(self, outputs):
        self.steps(outputs)


class TargetIsOut(Perceptron):
    def cost(self, out):
        return np.sum((self.y - out) ** 2) / 2

    def backprop(self, out):
        self.steps(out)


@pytest.mark.parametrize("cls", [TargetIsOutput, TargetIsOutputs, TargetIsOut])
def test_a_target_may_be_called_an_output_where_the_loss_compares_nothing_with_an_input(cls):
    assert words(cls) == {"W": "exact"}


class CrossEntropy:
    """Its backward gives the target to the softmax before it, which subtracts that."""

    def forward(self, shares, label):
        self.label = label
        return -np.sum(label * np.log(shares + 1e-8)) / len(label)

    def backward(self):
        return self.label


class Weighted:
    def forward(self, scores, label):
        self.label = label
        return np.sum(scores * label)

    def backward(self):
        return self.label


def test_a_loss_that_gives_its_target_back_is_not_judged_unless_that_is_its_gradient():
    report = dout.check(CrossEntropy)
    assert not report.verdicts
    assert "gives label back as it is: it is no gradient" in report.findings[0].message
    assert [str(verdict.word) for verdict in dout.check(Weighted).verdicts] == ["exact"]


class SquaresGivingTarget:
    def forward(self, y, t):
        self.y, self.t = y, t
        return np.sum((y - t) ** 2)

    def backward(self):
        return self.t


class TriplesGivingTarget(SquaresGivingTarget):
    def backward(self):
        return 3 * (self.y - self.t), self.t


class OtherSign(Weighted):
    def forward(self, scores, label):
        return -super().forward(scores, label)


@pytest.mark.parametrize("cls", [SquaresGivingTarget, TriplesGivingTarget, OtherSign])
def test_a_target_that_is_given_back_where_no_softmax_wants_it_is_wrong(cls):
    report = dout.check(cls)
    assert not report.ok
    assert "refuted" in [str(verdict.word) for verdict in report.verdicts][:1]
