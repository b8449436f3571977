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
    wrong = {"Dense[1].weight", "Dense[1].bias"} if cls is WithoutHalf else set()
    assert {name for name, word in words.items() if word == "refuted"} == wrong
    assert {name for name in words if "." in name} == {
        f"Dense[{i}].{part}" for i in range(3) for part in ("weight", "bias")
    }
    assert {item.argument for item in report.findings if item.severity == "error"} == wrong


def test_nobody_asks_for_the_gradient_of_what_is_given_back(checked):
    _, _, words = checked
    assert "x" not in words or words["x"] != "refuted"
